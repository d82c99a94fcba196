# SPDX-License-Identifier: GPL-3.0-or-later
"""Which values of a report are shown as histograms, and over which range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .course import Missing
from .measures import Histogram, histogram
from .metric import Unit
from .report import EvaluationReport

NUM_BINS = 20


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values of one kind, of every report that has them."""

    title: str
    unit: Unit
    labels: tuple[str, ...]
    histograms: tuple[Histogram, ...]


def list_distributions(
    reports: Sequence[EvaluationReport], names: Sequence[str]
) -> tuple[Distribution, ...]:
    """Return what can be shown of some reports, all with common ranges."""
    found = []
    for title, unit, limits, read in _SHOWN:
        values = [read(report) for report in reports]
        kept = [(name, each) for name, each in zip(names, values, strict=True) if each]
        if not kept:
            continue
        low, high = limits or _range([value for _, each in kept for value in each])
        bars = tuple(histogram(each, low, high, NUM_BINS) for _, each in kept)
        found.append(Distribution(title, unit, tuple(name for name, _ in kept), bars))
    return tuple(found)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Return the range of some values, from zero where they are positive."""
    low, high = min(0.0, *values), max(values)
    return low, high if high > low else low + 1.0


def _ious(report: EvaluationReport) -> list[float]:
    scores = report.reconstruction
    return [] if isinstance(scores, Missing) else [each.iou for each in scores.shapes]


def _color_decibels(report: EvaluationReport) -> list[float]:
    scores = report.reconstruction
    return [] if isinstance(scores, Missing) else scores.color_decibels


def _stf_decibels(report: EvaluationReport) -> list[float]:
    scores = report.reconstruction
    return [] if isinstance(scores, Missing) else scores.stf_decibels


def _nerf_decibels(report: EvaluationReport) -> list[float]:
    scores = report.reconstruction
    return [] if isinstance(scores, Missing) else scores.nerf_decibels


def _distances(report: EvaluationReport) -> list[float]:
    found = report.diversity
    if isinstance(found, Missing):
        return []
    return [each.chamfer for each in found if each.chamfer is not None]


_DECIBELS = (10.0, 50.0)
_SHOWN: tuple[
    tuple[str, Unit, tuple[float, float] | None, Callable[[EvaluationReport], Sequence[float]]],
    ...,
] = (
    ("IoU of each reconstruction", "ratio", (0.0, 1.0), _ious),
    ("Color PSNR of each reconstruction", "dB", _DECIBELS, _color_decibels),
    ("PSNR of views as STF, each reconstruction", "dB", _DECIBELS, _stf_decibels),
    ("PSNR of views as NeRF, each reconstruction", "dB", _DECIBELS, _nerf_decibels),
    ("Thickness of each mesh", "percent", (0.0, 0.5), lambda r: r.health.thickness),
    (
        "Surface of each mesh on walls under 2 %",
        "percent",
        (0.0, 1.0),
        lambda r: r.health.thin_shares,
    ),
    ("Pieces of each mesh", "count", None, lambda r: r.health.parts),
    ("Seconds for each mesh", "seconds", None, lambda r: r.health.total_seconds()),
    ("Chamfer distance across seeds, each prompt", "percent", None, _distances),
)
"""Title, unit, range where it is known beforehand, and where the values are."""
