# SPDX-License-Identifier: GPL-3.0-or-later
"""One guided evaluation of the text prior at the published size, random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from ...core.device import choose_dtype
from ...core.diffusion.denoiser import Denoiser, Prior, guided_denoiser
from ...core.diffusion.schedule import exp_alphas_cumprod
from ...core.prior import int8
from ...core.prior.packed import pack_blocks
from ...core.prior.transformer import LatentPrior
from ...core.specs import PRIORS, PriorSpec
from ..baselines import diffusers_models
from ..baselines.stock import StockPrior
from ..options import Options
from ..report import read_reports
from ..rows import Row, ratio_row
from ..timing import Timing, in_turn

_QUICK_LAYERS = 4
_GUIDANCE_SCALE = 15.0

_METRIC = "guided evaluation, "
STOCK, DIFFUSERS, DIFFUSERS_HALF = "stock fp32", "diffusers fp32", "diffusers bf16"


@dataclass(frozen=True)
class Evaluations:
    """What one guided evaluation costs, each way."""

    timings: dict[str, Timing]
    errors: dict[str, float]
    """Relative L2 distance of an answer without guidance to that of fp32, by precision."""
    missing: dict[str, str]
    """Why there is no timing, by name."""
    num_layers: int

    @property
    def best(self) -> str:
        """The fastest precision of ours."""
        ours = [name for name in ("int8", "bf16", "fp32") if name in self.timings]
        return min(ours, key=lambda name: self.timings[name].cpu_seconds)


def rows(options: Options) -> list[Row]:
    """Compare each precision with both baselines."""
    return table_of(evaluations(options))


def table_of(found: Evaluations) -> list[Row]:
    """Return the rows of what was measured."""
    less = "" if found.num_layers == 24 else f"{found.num_layers} of 24 layers"
    table = []
    for ours, theirs, goal in (
        ("fp32", STOCK, None),
        ("bf16", STOCK, 2.0),
        ("int8", STOCK, 3.0),
        (found.best, DIFFUSERS, 1.7),
        ("fp32", DIFFUSERS, None),
        ("bf16", DIFFUSERS_HALF, None),
    ):
        table.append(_row(found, ours, theirs, goal, less))
    return table


def _row(found: Evaluations, ours: str, theirs: str, goal: float | None, note: str) -> Row:
    metric = _METRIC + ours
    for name in (ours, theirs):
        if name not in found.timings:
            return Row(metric=metric, baseline=theirs, goal=goal, note=found.missing[name])
    error = found.errors.get(ours)
    details = {"relative_error_to_fp32": error, "num_layers": found.num_layers}
    notes = [note, f"{error:.1%} from fp32 without guidance" if error else ""]
    return ratio_row(
        metric,
        found.timings[ours],
        found.timings[theirs],
        baseline=theirs,
        goal=goal,
        note="; ".join(filter(None, notes)),
        details=details,
    )


@cache
def evaluations(options: Options) -> Evaluations:
    """Time all ways in turn; later suites read the same figures."""
    if options.uses_kept:
        return kept(next(each for each in read_reports() if each.suite == "eval").rows)
    spec = PRIORS["shap-e-text"]
    if options.is_quick:
        spec = replace(spec, num_layers=_QUICK_LAYERS)
    with torch.inference_mode():
        priors, missing = own_priors(spec)
        calls, missing_baselines = _baselines(priors["fp32"], spec, has_bf16="bf16" in priors)
        calls |= {name: _once(prior, spec) for name, prior in priors.items()}
        missing |= missing_baselines
        timings = in_turn(calls, runs=options.counted_runs)
        errors = _errors(priors, spec)
    return Evaluations(timings, errors, missing, spec.num_layers)


def _errors(priors: Mapping[str, Prior], spec: PriorSpec) -> dict[str, float]:
    answers = {name: _once(prior, spec, 1.0)() for name, prior in priors.items()}
    exact = answers.pop("fp32")
    return {name: float((answer - exact).norm() / exact.norm()) for name, answer in answers.items()}


def kept(rows: Sequence[Row]) -> Evaluations:
    """Return what the rows of an earlier run were made of."""
    timings, errors, missing = {}, {}, {}
    for row in rows:
        ours = row.metric.removeprefix(_METRIC)
        if row.value is None:
            missing |= dict.fromkeys((ours, row.baseline), row.note)
            continue
        timings |= {
            name: Timing(**row.details[side])
            for name, side in ((ours, "ours"), (row.baseline, "baseline"))
        }
        errors[ours] = row.details["relative_error_to_fp32"]
    missing = {name: why for name, why in missing.items() if name not in timings}
    return Evaluations(timings, errors, missing, rows[0].details["num_layers"])


def own_priors(spec: PriorSpec) -> tuple[dict[str, Prior], dict[str, str]]:
    """Return our own precisions, and why others are missing here."""
    priors: dict[str, Prior] = {"fp32": random_prior(spec)}
    missing = {}
    has_bf16 = choose_dtype(torch.device("cpu"), "auto") == torch.bfloat16
    if has_bf16:
        priors["bf16"] = pack_blocks(random_prior(spec).to(torch.bfloat16), 1)
    else:
        missing["bf16"] = "this CPU has no fast bf16"
    if int8.is_installed():
        priors["int8"] = int8.quantize_blocks(random_prior(spec), 1, half=has_bf16)
    else:
        missing["int8"] = "OpenVINO is not installed"
    return priors, missing


def _baselines(
    prior: LatentPrior, spec: PriorSpec, *, has_bf16: bool
) -> tuple[dict[str, Callable[[], Tensor]], dict[str, str]]:
    """Return the usual ways, and why some are missing here."""
    calls, missing = {STOCK: _once(StockPrior(prior), spec)}, {}
    why = diffusers_models.why_missing()
    for name, dtype in ((DIFFUSERS, torch.float32), (DIFFUSERS_HALF, torch.bfloat16)):
        if why or (dtype == torch.bfloat16 and not has_bf16):
            missing[name] = why or "this CPU has no fast bf16"
        else:
            calls[name] = diffusers_models.guided_evaluation(spec, dtype)
    return calls, missing


def _once(
    prior: Prior, spec: PriorSpec, guidance_scale: float = _GUIDANCE_SCALE
) -> Callable[[], Tensor]:
    denoise = _guided(prior, spec, guidance_scale)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(1, spec.num_latents, spec.channels, generator=generator)
    sigma = torch.tensor([1.0])
    return lambda: denoise(x, sigma)


def _guided(prior: Prior, spec: PriorSpec, guidance_scale: float) -> Denoiser:
    generator = torch.Generator().manual_seed(2)
    condition = torch.randn(1, 1, spec.condition_width, generator=generator)
    return guided_denoiser(
        prior,
        condition,
        torch.zeros_like(condition),
        guidance_scale,
        convention="openai",
        alphas_cumprod=exp_alphas_cumprod(),
    )


@torch.no_grad()
def random_prior(spec: PriorSpec) -> LatentPrior:
    """Return a prior with seeded weights of the size that trained ones have."""
    with torch.device("meta"):
        prior = LatentPrior(spec)
    prior = prior.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(0)
    for name, parameter in prior.named_parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
        parameter.normal_(0, fan_in**-0.5, generator=generator)
        if parameter.ndim == 1 and name.endswith("weight"):
            parameter += 1
    return prior.requires_grad_(False).eval()
