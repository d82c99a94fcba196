# SPDX-License-Identifier: GPL-3.0-or-later
"""From a prompt to a textured mesh at the published size: the sum of what the stages take.

Added up from the figures of the other suites, since the usual way alone takes half an hour. The
usual ways end with vertex colors, as they have no texture; ours counts its texture as well. Text
encoding, 0.1 s everywhere, and loading are left out.
"""

from __future__ import annotations

import torch

from ...core.config import SamplerConfig
from ...core.published_pack import TEXT_SAMPLER
from .. import official_pack
from ..baselines import diffusers_models
from ..options import Options
from ..rows import Row, ratio_row
from ..timing import Timing, repeated
from . import decode, memory, sampler, texture
from .evaluation import DIFFUSERS_HALF, STOCK, evaluations

_HABIT_EVALUATIONS = 49
"""Of 25 Heun steps, the default of diffusers' pipeline."""

_STOCK = "stock fp32, Heun 127, dense decode"
_HABIT = "diffusers bf16, 25 Heun steps"
_SHAPE = "chair"


def rows(options: Options) -> list[Row]:
    """Compare both presets with the usual way, and the default with diffusers' fastest habit."""
    costs = evaluations(options)
    missing = diffusers_models.why_missing() or texture.why_missing()
    goals = {"default": 15.0, "fast": 30.0}
    if missing or costs.num_layers != 24:
        why = missing or "left out of quick runs"
        return [_row_without(name, _STOCK, goal, why) for name, goal in goals.items()] + [
            _row_without("default", _HABIT, 2.5, why)
        ]
    count = SamplerConfig.published().num_evaluations
    stock = costs.timings[STOCK].scaled(count).plus(decode.decodes(options)[decode.DIFFUSERS])
    ways = {"default": _ours(options, TEXT_SAMPLER, "bf16")}
    ways["fast"] = _ours(options, sampler.fast_sampler(), costs.best)
    table = [
        ratio_row(_metric(name), ours, stock, baseline=_STOCK, goal=goals[name], note=note)
        for name, (ours, note) in ways.items()
    ]
    if options.is_full and not official_pack.why_missing():
        table.append(_really_run(stock))
    if DIFFUSERS_HALF not in costs.timings:
        why = costs.missing[DIFFUSERS_HALF]
        return [*table, _row_without("default", _HABIT, 2.5, why)]
    ours, note = ways["default"]
    habit = costs.timings[DIFFUSERS_HALF].scaled(_HABIT_EVALUATIONS).plus(_habit_decode())
    return [
        *table,
        ratio_row(_metric("default"), ours, habit, baseline=_HABIT, goal=2.5, note=note),
    ]


def _really_run(stock: Timing) -> Row:
    """Generate with the default preset in a process of its own, loading included."""
    found = memory.official(0)
    ours = Timing(found["wall_seconds"], found["cpu_seconds"], 1, found["foreign_load"])
    metric = f"{_metric('default')}, really run"
    return ratio_row(metric, ours, stock, baseline=_STOCK, note="with loading and text encoder")


def _ours(options: Options, config: SamplerConfig, precision: str) -> tuple[Timing, str]:
    """Return the sum of the stages, and what it is made of."""
    costs = evaluations(options)
    if precision not in costs.timings:
        precision = "fp32"
    count = sampler.landing(config).evaluations
    sampling = costs.timings[precision].scaled(count)
    mesh = decode.decodes(options)["ours"]
    painted = texture.textures(_SHAPE, options)["ours"]
    parts = ((f"{count:g} evaluations in {precision}", sampling), ("mesh", mesh))
    note = ", ".join(
        f"{name} {part.cpu_seconds:.1f}" for name, part in (*parts, ("texture", painted))
    )
    return sampling.plus(mesh).plus(painted), f"a sum, CPU-s: {note}"


def _habit_decode() -> Timing:
    renderer = diffusers_models.renderer_of(_SHAPE).to(torch.bfloat16)
    latent = torch.zeros(1, 1024, 1024, dtype=torch.bfloat16)
    with torch.inference_mode():
        return repeated(
            lambda: renderer.decode_to_mesh(latent, torch.device("cpu")), runs=1, warm_up=False
        )


def _metric(name: str) -> str:
    return f"{name} preset: prompt to textured mesh"


def _row_without(name: str, baseline: str, goal: float, why: str) -> Row:
    return Row(metric=_metric(name), baseline=baseline, goal=goal, note=why)
