# SPDX-License-Identifier: GPL-3.0-or-later
"""The numbers of an evaluation, each by its textbook formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

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
