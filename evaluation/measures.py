# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of an evaluation, each by its textbook formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True, slots=True)
class Share:
    """How often something was right."""

    num_right: int
    num: int

    @property
    def fraction(self) -> float | None:
        """The share in [0, 1]; None where nothing was counted."""
        return self.num_right / self.num if self.num else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the fraction."""
        return wilson_interval(self.num_right, self.num) if self.num else None

    def __str__(self) -> str:
        if not self.num:
            return "none asked"
        low, high = wilson_interval(self.num_right, self.num)
        shown = f"{100 * self.num_right / self.num:.1f} % ({self.num_right} of {self.num}"
        return f"{shown}; 95 % interval {100 * low:.1f} to {100 * high:.1f} %)"


def share_right(answers: Sequence[bool]) -> Share:
    """Count the right answers."""
    return Share(sum(answers), len(answers))


def wilson_interval(num_right: int, num: int) -> tuple[float, float]:
    """Return the 95 % score interval of a proportion (Wilson, 1927).

    Args:
        num_right: successes, 0 to `num`.
        num: trials, at least 1.
    """
    share = num_right / num
    spread = _Z_95**2 / num
    centre = share + spread / 2
    reach = _Z_95 * math.sqrt(share * (1 - share) / num + spread / (4 * num))
    low, high = (centre - reach) / (1 + spread), (centre + reach) / (1 + spread)
    # At the ends the formula gives exactly 0 and 1 but for rounding.
    return low if num_right else 0.0, high if num_right < num else 1.0


def overlap(first: Tensor, second: Tensor) -> float:
    """Return intersection over union of two occupancies of the same shape; 0 if both are empty."""
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def mean_square(first: Tensor, second: Tensor) -> float:
    """Return the mean squared difference over all entries."""
    return float((first - second).square().mean())


def psnr_db(mean_squared_error: float) -> float:
    """Return the peak signal-to-noise ratio in dB of values in [0, 1]; infinite without error."""
    return -10.0 * math.log10(mean_squared_error) if mean_squared_error > 0 else math.inf


def chamfer_distance(first: Tensor, second: Tensor) -> float:
    """Return how far two point clouds are from each other, in their own unit.

    The mean distance to the nearest point of the other cloud, not squared, averaged over both
    directions.

    Args:
        first: [N, 3].
        second: [M, 3].
    """
    # Not by a matrix product: rounding would leave a cloud at a distance from itself.
    far = torch.cdist(first, second, compute_mode="donot_use_mm_for_euclid_dist")
    return 0.5 * float(far.amin(dim=1).mean() + far.amin(dim=0).mean())


def mean_pairwise_chamfer(clouds: Sequence[Tensor]) -> float | None:
    """Return the mean Chamfer distance over all pairs of clouds; None for fewer than two."""
    pairs = [(a, b) for index, a in enumerate(clouds) for b in clouds[index + 1 :]]
    if not pairs:
        return None
    return sum(chamfer_distance(a, b) for a, b in pairs) / len(pairs)


def num_rivals(scores: Tensor, own: int) -> int:
    """Return how many captions fit a picture at least as well as its own; 0 is a hit at rank 1.

    A caption that fits equally well counts as a rival, so that a scorer without an opinion is
    never right by chance. R-precision is the share of pictures without a rival (Park et al.,
    2021, "Benchmark for compositional text-to-image synthesis").

    Args:
        scores: of each caption, [N].
        own: which caption the picture was made from.
    """
    return int((scores >= scores[own]).sum()) - 1


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie in each of equal bins."""

    low: float
    high: float
    counts: tuple[int, ...]

    @property
    def edges(self) -> tuple[float, ...]:
        """Borders of the bins, one more than there are bins."""
        num = len(self.counts)
        return tuple(self.low + (self.high - self.low) * index / num for index in range(num + 1))


def histogram(values: Sequence[float], low: float, high: float, num_bins: int) -> Histogram:
    """Count values in equal bins from `low` to `high`, each with its lower border.

    What lies beyond an end, or is infinite, is counted in the bin at that end; the last bin has
    its upper border too.
    """
    counts = [0] * num_bins
    for value in values:
        place = num_bins * (min(max(value, low), high) - low) / (high - low)
        counts[min(int(place), num_bins - 1)] += 1
    return Histogram(low, high, tuple(counts))
