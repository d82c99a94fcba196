# SPDX-License-Identifier: GPL-3.0-or-later
"""How steeply a field rises over the cells of a grid, in h = atanh(value)."""

from __future__ import annotations

import math

import torch
from torch import Tensor

SATURATED = 8.0
"""Largest |h| that float32 values still resolve."""


def slopes_over(values: Tensor, cells: Tensor) -> Tensor:
    """Return the change of h over the given cells, NaN for others, as `cells` [M, M, M]."""
    x, y, z = cells.nonzero().unbind(1)
    near = [values[x, y, z], values[x + 1, y, z], values[x, y + 1, z], values[x, y, z + 1]]
    start, *ends = (torch.atanh(value).clamp(-SATURATED, SATURATED) for value in near)
    slopes = torch.full(cells.shape, torch.nan, device=cells.device)
    slopes[x, y, z] = sum(((end - start).square() for end in ends), torch.zeros_like(start)).sqrt()
    return slopes


def steepest_of(slopes: Tensor) -> float:
    """Return what hardly any slope exceeds; 0 if there are none."""
    known = slopes[~torch.isnan(slopes)]
    if not len(known):
        return 0.0
    # One cell in a thousand is left out: a crease or rounding must not set L for all of them.
    return float(known.sort().values[-1 - len(known) // 1000])


def largest_around(slopes: Tensor) -> Tensor:
    """Return the largest slope of each cell and the 26 around it; infinite where none is known."""
    largest = slopes.nan_to_num(nan=-math.inf)
    for axis in range(3):
        size = largest.shape[axis] - 1
        low, high = largest.narrow(axis, 0, size), largest.narrow(axis, 1, size)
        wider = largest.clone()
        torch.maximum(wider.narrow(axis, 0, size), high, out=wider.narrow(axis, 0, size))
        torch.maximum(wider.narrow(axis, 1, size), low, out=wider.narrow(axis, 1, size))
        largest = wider
    return torch.where(largest == -math.inf, math.inf, largest)
