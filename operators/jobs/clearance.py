# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps results out of what stands where they would land: inside it nobody would see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import bpy
import numpy as np
from mathutils import Vector
from numpy.typing import NDArray

MAX_SHARE = 0.5
"""A place is taken when this share of the result's box lies inside the box of one object."""
GAP = 0.25
"""Between a result that was moved and its neighbour, as a fraction of the result's width."""


def shift_right(low: Sequence[float], high: Sequence[float], context) -> float:
    """Return how far along X something must move until no object has its place.

    Args:
        low, high: corners of its upright box, in metres.
        context: of the view layer whose visible objects count.
    """
    mine = np.array([low, high], dtype=float)
    shift = 0.0
    taken = list(_boxes(context.view_layer.objects))
    # Every move leaves at least one object behind for good.
    for _ in range(len(taken)):
        there = mine + np.array([shift, 0.0, 0.0])
        blocking = [box for box in taken if _share_inside(there, box) > MAX_SHARE]
        if not blocking:
            break
        gap = GAP * (mine[1, 0] - mine[0, 0])
        shift = max(box[1, 0] for box in blocking) + gap - mine[0, 0]
    return float(shift)


def _share_inside(mine: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return which share of a box [2, 3] lies inside another."""
    overlap = np.minimum(mine[1], other[1]) - np.maximum(mine[0], other[0])
    volume = np.prod(mine[1] - mine[0])
    return float(np.prod(overlap.clip(min=0.0)) / volume) if volume > 0.0 else 0.0


def _boxes(objects: Iterable[bpy.types.Object]) -> Iterator[NDArray[np.float64]]:
    """Yield the upright boxes of visible meshes; others are drawn as lines or not at all."""
    for each in objects:
        if each.type == "MESH" and each.visible_get():
            corners = [each.matrix_world @ Vector(corner) for corner in each.bound_box]
            yield np.array([np.min(corners, axis=0), np.max(corners, axis=0)])
