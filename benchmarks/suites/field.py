# SPDX-License-Identifier: GPL-3.0-or-later
"""The field on the grid, near its surface only, against every node in chunks of 4096."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from ...core.decoder.stf import SignedDistanceField
from ...core.device import choose_color_dtype
from ...core.geometry.extract import evaluate_grid
from ...core.geometry.grid import GridValues
from ..baselines.stock import CHUNK, dense_chunk, dense_grid
from ..fields import read_field
from ..options import Options
from ..rows import Row, ratio_row
from ..timing import Timing, in_turn

GOALS = {128: 10.0, 256: 20.0, 512: 35.0}
_DENSE = "stock dense fp32"
_ROUNDING = 1e-5
"""Nodes nearer to zero may be on either side: both ways sum in a different order."""

_SAMPLED_CHUNKS = 64

_CPU = torch.device("cpu")


@dataclass(frozen=True)
class Comparison:
    """One shape at one resolution."""

    sparse: Timing
    dense: Timing
    share: float
    """Of the nodes, how many were evaluated."""
    missed: int | None
    """Cells that the surface crosses and that came out empty; None where dense was not run."""


def rows(options: Options) -> list[Row]:
    """Compare at each resolution, all shapes together."""
    resolutions = [128] if options.is_quick else list(GOALS)
    table = []
    for resolution in resolutions:
        table += _rows_at(resolution, options)
    for resolution in GOALS.keys() - set(resolutions):
        why = "left out of quick runs"
        table.append(_skipped(f"field at {resolution}³", GOALS[resolution], why))
    return [*table, _growth(options)]


def _rows_at(resolution: int, options: Options) -> list[Row]:
    found = {name: compare(name, resolution, options) for name in options.shapes}
    sparse, dense = (
        _sum([getattr(each, side) for each in found.values()]) for side in ("sparse", "dense")
    )
    ratios = {
        name: round(each.dense.cpu_seconds / each.sparse.cpu_seconds, 2)
        for name, each in found.items()
    }
    shares = ", ".join(f"{name} {each.share:.1%}" for name, each in found.items())
    is_run = all(each.missed is not None for each in found.values())
    by_shape = ", ".join(f"{name} {ratio:.1f}x" for name, ratio in ratios.items())
    note = f"{by_shape}; queries, rough ones included: {shares}"
    if not is_run:
        note += f"; dense: {_SAMPLED_CHUNKS} random chunks, scaled"
    table = [
        ratio_row(
            f"field at {resolution}³",
            sparse,
            dense,
            baseline=_DENSE,
            goal=GOALS[resolution],
            note=note,
            details={"by_shape": ratios},
        )
    ]
    if is_run:
        missed = sum(each.missed or 0 for each in found.values())
        metric = f"field at {resolution}³: missed cells"
        table.append(
            Row(metric=metric, baseline=_DENSE, value=missed, unit="", goal=0, at_most=True)
        )
    return table


@cache
def compare(name: str, resolution: int, options: Options) -> Comparison:
    """Measure one shape; dense at 128, above that only with `--full`."""
    field = read_field(name, color_dtype=choose_color_dtype(_CPU, "auto"))
    most = 0 if options.is_quick else 256 if options.is_full else 128
    runs_dense = resolution <= most
    found: list[GridValues] = []
    values: list[Tensor] = []

    def sparse() -> None:
        found[:] = [grid_of(field, resolution)]

    def dense() -> None:
        values[:] = [dense_grid(field, resolution)]

    with torch.inference_mode():
        if runs_dense:
            timings = in_turn({"sparse": sparse, "dense": dense}, runs=1, warm_up=False)
            return Comparison(
                timings["sparse"],
                timings["dense"],
                found[0].num_queries / resolution**3,
                missed_cells(found[0].values, values[0]),
            )
        timings = in_turn(
            {"sparse": sparse, "dense": lambda: _sampled_chunks(field, resolution)},
            runs=1 if resolution > 128 else options.counted_runs,
            warm_up=resolution == 128,
        )
    scale = resolution**3 / (_SAMPLED_CHUNKS * CHUNK)
    share = found[0].num_queries / resolution**3
    return Comparison(timings["sparse"], timings["dense"].scaled(scale), share, None)


def grid_of(field: SignedDistanceField, resolution: int) -> GridValues:
    """Evaluate a field as a generation does, roughly first where that is cheaper."""
    return evaluate_grid(field.signed_distance, resolution, device=_CPU, draft=field.draft_distance)


def missed_cells(sparse: Tensor, dense: Tensor) -> int:
    """Return how many cells the surface crosses on the dense grid and not on the sparse one."""
    inside, nearest = dense > 0, dense.abs()
    crossed = _is_crossed(inside) & ~_is_crossed(sparse > 0)
    clear = _corners(nearest).amin(dim=0) > _ROUNDING
    return int((crossed & clear).sum())


def _is_crossed(inside: Tensor) -> Tensor:
    corners = _corners(inside)
    return corners.any(dim=0) & ~corners.all(dim=0)


def _corners(nodes: Tensor) -> Tensor:
    """Return the nodes at the eight corners of each cell, [8, R - 1, R - 1, R - 1]."""
    ends = (slice(None, -1), slice(1, None))
    return torch.stack([nodes[x, y, z] for x in ends for y in ends for z in ends])


def _sampled_chunks(field: SignedDistanceField, resolution: int) -> None:
    generator = torch.Generator().manual_seed(0)
    last = resolution**3 // CHUNK
    for number in torch.randint(last, (_SAMPLED_CHUNKS,), generator=generator).tolist():
        dense_chunk(field, resolution, number * CHUNK)


def _growth(options: Options) -> Row:
    metric, goal = "field: growth of the cost with R, exponent", 2.2
    if options.is_quick:
        return _skipped(metric, goal, "left out of quick runs", at_most=True)
    low, high = min(GOALS), max(GOALS)
    costs = [
        _sum([compare(name, resolution, options).sparse for name in options.shapes]).cpu_seconds
        for resolution in (low, high)
    ]
    exponent = math.log(costs[1] / costs[0]) / math.log(high / low)
    note = f"from {low} to {high}; dense has 3"
    return Row(metric=metric, value=exponent, unit="", goal=goal, at_most=True, note=note)


def _sum(timings: list[Timing]) -> Timing:
    total = timings[0]
    for timing in timings[1:]:
        total = total.plus(timing)
    return total


def _skipped(metric: str, goal: float, why: str, *, at_most: bool = False) -> Row:
    return Row(metric=metric, baseline=_DENSE, goal=goal, at_most=at_most, note=why)
