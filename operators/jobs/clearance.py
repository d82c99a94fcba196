# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps results out of what stands where they would land: inside it nobody would see them.

All boxes are upright, in metres: lower and upper corner, [N, 2, 3].
"""

from __future__ import annotations

import bpy
import numpy as np
from numpy.typing import NDArray

MAX_SHARE = 0.5
"""A place is taken when this share of the result's box lies inside the box of one object."""
MAX_RATIO = 4.0
"""Objects larger than so many results are rooms, grounds and skies: one stands inside them."""
GAP = 0.25
"""Between a result that was moved and its neighbour, as a fraction of the result's width."""


def shift_right(wanted: NDArray[np.float64], taken: NDArray[np.float64]) -> float:
    """Return how far along X results must move together until none is inside something.

    Args:
        wanted: boxes of the results.
        taken: boxes of what is there, from `boxes_of`.
    """
    sizes = wanted[:, 1] - wanted[:, 0]
    widest = sizes.max(axis=1)[:, None] * MAX_RATIO
    counts = (taken[:, 1] - taken[:, 0]).max(axis=1)[None] <= widest  # [results, objects]
    limit = MAX_SHARE * sizes.prod(axis=1)[:, None]
    shift = 0.0
    # Every move leaves at least one object behind for good.
    for _ in range(len(taken)):
        there = wanted + np.array([shift, 0.0, 0.0])
        shared = np.minimum(there[:, None, 1], taken[None, :, 1])
        shared -= np.maximum(there[:, None, 0], taken[None, :, 0])
        result, other = np.nonzero(counts & (shared.clip(min=0.0).prod(axis=2) > limit))
        if not len(result):
            break
        beyond = taken[other, 1, 0] + GAP * sizes[result, 0]
        shift = float((beyond - wanted[result, 0, 0]).max())
    return shift


def boxes_of(context) -> NDArray[np.float64]:
    """Return the boxes of the visible meshes; others are drawn as lines or not at all."""
    boxes = [
        _box(each)
        for each in context.view_layer.objects
        if each.type == "MESH" and each.visible_get()
    ]
    return np.array(boxes, dtype=np.float64).reshape(-1, 2, 3)


def _box(seen: bpy.types.Object) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrix = np.array(seen.matrix_world)
    corners = np.array([tuple(corner) for corner in seen.bound_box]) @ matrix[:3, :3].T
    return corners.min(axis=0) + matrix[:3, 3], corners.max(axis=0) + matrix[:3, 3]
