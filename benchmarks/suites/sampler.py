# SPDX-License-Identifier: GPL-3.0-or-later
"""From noise to a latent: how many evaluations, and how far from the converged solution.

Errors are those on diffusion problems whose ideal prior is known in closed form, so that only the
sampler can be wrong; what a trained prior adds is not measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from ...core.config import SamplerChanges, SamplerConfig
from ...core.diffusion.denoiser import guided_denoiser
from ...core.diffusion.samplers import sample_heun
from ...core.diffusion.schedule import exp_alphas_cumprod, karras_sigmas
from ...core.published_pack import TEXT_SAMPLER
from ...core.sampling import sample_latents
from ...core.specs import PRIORS
from ...tests.analytic_diffusion import (
    CHANNELS,
    NUM_LATENTS,
    MixturePrior,
    ignore_step,
    relative_errors,
)
from ..baselines.stock import StockPrior
from ..options import Options
from ..rows import Row, ratio_row
from ..timing import in_turn
from .evaluation import STOCK, evaluations, own_priors

OFFICIAL = "official Heun 127"

MIXTURES = ((0.05, 1), (0.1, 6), (0.2, 24), (0.3, 6))
"""Width and number of the modes followed: from one sharp shape to modes that run together."""

_SPEC = replace(PRIORS["shap-e-text"], num_latents=NUM_LATENTS, channels=CHANNELS)

_BATCH = 24
_CONVERGED_STEPS = 600


@dataclass(frozen=True)
class Landing:
    """How a sampler did on all mixtures."""

    evaluations: float
    """Guided evaluations of a run: half the sequences that the prior was asked for, so that one
    which reuses the difference of the two sides counts half."""
    median: float
    """Relative L2 distance to the converged solution, of the mixture where it is largest."""
    p95: float


def rows(options: Options) -> list[Row]:
    """Compare the presets with the published sampler."""
    default, official = landing(TEXT_SAMPLER), landing(SamplerConfig.published())
    table = [
        Row(
            metric="default preset: guided evaluations",
            baseline=OFFICIAL,
            value=official.evaluations / default.evaluations,
            goal=5.0,
            note=f"{default.evaluations:g} instead of {official.evaluations:g}",
        ),
        *_distances("default preset", default, 0.5, 5.0),
        *_distances("official Heun 127", official, None, None),
    ]
    fast = fast_sampler()
    found = landing(fast)
    table += [fast_row(options, found), *_distances("fast preset", found, None, None)]
    return [*table, _really_run(options, fast)] if options.is_full else table


def _really_run(options: Options, fast: SamplerConfig) -> Row:
    """Sample one latent of the published size both ways, random weights."""
    spec = PRIORS["shap-e-text"]
    best = evaluations(options).best
    priors, _ = own_priors(spec)
    condition = torch.ones(1, 1, spec.condition_width)
    ways = {
        best: lambda: sample_latents(priors[best], condition, fast, [0], on_step=ignore_step),
        STOCK: lambda: sample_latents(
            StockPrior(priors["fp32"]),
            condition,
            SamplerConfig.published(),
            [0],
            on_step=ignore_step,
        ),
    }
    with torch.inference_mode():
        timings = in_turn(ways, runs=1, warm_up=False)
    return ratio_row(
        "fast preset: prompt to latent, really run",
        timings[best],
        timings[STOCK],
        baseline=f"{STOCK}, {OFFICIAL}",
        goal=25.0,
    )


def fast_row(options: Options, found: Landing) -> Row:
    """Return the product of what an evaluation costs and how many there are."""
    costs = evaluations(options)
    ours, stock = costs.timings[costs.best], costs.timings[STOCK]
    count = SamplerConfig.published().num_evaluations
    return Row(
        metric="fast preset: prompt to latent",
        baseline=f"{STOCK}, {OFFICIAL}",
        value=stock.cpu_seconds * count / (ours.cpu_seconds * found.evaluations),
        wall_value=stock.wall_seconds * count / (ours.wall_seconds * found.evaluations),
        foreign_load=max(ours.foreign_load, stock.foreign_load),
        goal=25.0,
        note=(
            f"a product: {stock.cpu_seconds / ours.cpu_seconds:.2f}x per evaluation ({costs.best})"
            f" times {count} / {found.evaluations:g} evaluations"
        ),
    )


def fast_sampler() -> SamplerConfig:
    """Return the fast preset of the published model for prompts."""
    return SamplerChanges.fast().apply(TEXT_SAMPLER)


@cache
def landing(config: SamplerConfig) -> Landing:
    """Sample every mixture the way a generation does."""
    errors, sequences = [], 0
    for deviation, num_followed in MIXTURES:
        problem = AnalyticPrior(deviation, num_followed)
        ends = problem.sample(config)
        sequences += problem.sequences
        errors.append(relative_errors(ends, _solution(deviation, num_followed)))
    runs = _BATCH * len(MIXTURES)
    return Landing(
        evaluations=sequences / 2 / runs,
        median=max(float(each.median()) for each in errors),
        p95=max(float(each.quantile(0.95)) for each in errors),
    )


class AnalyticPrior:
    """The ideal prior of a mixture in the place of a trained one; counts what it is asked."""

    def __init__(self, deviation: float, num_followed: int) -> None:
        self.spec = _SPEC
        self.sequences = 0
        self._prior = MixturePrior.random(3, deviation=deviation)
        num_modes = len(self._prior.means)
        generator = torch.Generator().manual_seed(1003)
        followed = torch.randperm(num_modes, generator=generator)[:num_followed]
        self.condition = torch.full((1, 1, num_modes), -1e9)
        self.condition[..., followed] = 0.0

    def __call__(self, scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        self.sequences += len(scaled)
        return self._prior(scaled, timestep, condition.flatten(1))

    def sample(self, config: SamplerConfig) -> Tensor:
        """Return the latents of the first seeds, [B, L, C]."""
        return sample_latents(self, self.condition, config, range(_BATCH), on_step=ignore_step)

    def converged(self, noise: Tensor, num_steps: int = _CONVERGED_STEPS) -> Tensor:
        """Return where the published ODE leads from noise of unit variance, fp64 [B, L, C]."""
        condition = self.condition.flatten(1).expand(len(noise), -1)
        denoise = guided_denoiser(
            self._prior,
            condition,
            torch.zeros_like(condition),
            SamplerConfig().guidance_scale,
            convention="openai",
            alphas_cumprod=exp_alphas_cumprod(),
        )
        sigmas = karras_sigmas(num_steps)
        return sample_heun(denoise, noise.double() * sigmas[0], sigmas, on_step=ignore_step)


@cache
def _solution(deviation: float, num_followed: int) -> Tensor:
    shape = (1, NUM_LATENTS, CHANNELS)
    noise = [
        torch.randn(shape, generator=torch.Generator("cpu").manual_seed(seed))
        for seed in range(_BATCH)
    ]
    return AnalyticPrior(deviation, num_followed).converged(torch.cat(noise))


def _distances(
    name: str, found: Landing, median_goal: float | None, p95_goal: float | None
) -> list[Row]:
    return [
        Row(
            metric=f"{name}: end point, {what}",
            baseline="converged, analytic suite",
            value=100.0 * value,
            unit="%",
            goal=goal,
            at_most=True,
        )
        for what, value, goal in (
            ("median", found.median, median_goal),
            ("p95", found.p95, p95_goal),
        )
    ]
