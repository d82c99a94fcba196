# SPDX-License-Identifier: GPL-3.0-or-later
"""Move vertices onto the field's true zero, each along its own grid edge.

A vertex cannot leave the edge that it was found on, hence moves by less than a cell, and the
mesh keeps its faces and its closedness.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..interrupt import Check, ignore
from .grid import SignedDistance, default_chunk_size
from .marching_cubes import Crossing, linear_crossing

_SATURATED = 8.0
"""Largest atanh of the field that float32 values resolve."""


def field_crossing(
    signed_distance: SignedDistance,
    *,
    steps: int = 2,
    chunk_size: int | None = None,
    check: Check = ignore,
) -> Crossing:
    """Return a `crossing` for `marching_cubes` that looks at the field again along each edge.

    Each step costs one query per vertex and is one of regula falsi in the Illinois form, which
    keeps the zero bracketed: the result is never worse placed than between two known signs. It
    works on atanh of the field, which is nearly linear where the field saturates.

    Args:
        signed_distance: the field, positive inside.
        steps: queries per vertex.
    """

    def crossing(start: Tensor, end: Tensor, at_start: Tensor, at_end: Tensor) -> Tensor:
        size = chunk_size or default_chunk_size(start.device)
        fraction = torch.empty_like(at_start)
        for first in range(0, len(start), size):
            part = slice(first, first + size)
            ends = (start[part], end[part], at_start[part], at_end[part])
            fraction[part] = _find_zero(signed_distance, steps, check, *ends)
        return fraction

    return crossing


def _find_zero(
    signed_distance: SignedDistance,
    steps: int,
    check: Check,
    start: Tensor,
    end: Tensor,
    at_start: Tensor,
    at_end: Tensor,
) -> Tensor:
    low, high = torch.zeros_like(at_start), torch.ones_like(at_start)
    at_low, at_high = _unsquashed(at_start), _unsquashed(at_end)
    fraction = linear_crossing(start, end, at_low, at_high)
    moved_low: Tensor | None = None
    for _ in range(steps):
        check()
        with torch.no_grad():
            value = _unsquashed(signed_distance(torch.lerp(start, end, fraction[:, None])))
        moves_low = (value > 0) == (at_low > 0)
        at_low, at_high = (
            torch.where(moves_low, value, at_low),
            torch.where(moves_low, at_high, value),
        )
        low, high = torch.where(moves_low, fraction, low), torch.where(moves_low, high, fraction)
        if moved_low is not None:
            # The end that stays put twice counts half, else it might never move.
            at_high = torch.where(moves_low & moved_low, at_high * 0.5, at_high)
            at_low = torch.where(~moves_low & ~moved_low, at_low * 0.5, at_low)
        moved_low = moves_low
        share = at_low / (at_low - at_high)
        fraction = low + (high - low) * torch.nan_to_num(share, nan=0.5).clamp(0.0, 1.0)
    return fraction


def _unsquashed(values: Tensor) -> Tensor:
    return torch.atanh(values.float()).clamp(-_SATURATED, _SATURATED)
