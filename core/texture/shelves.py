# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack shapes by their boxes alone, in shelves: fast for any number, and it always fits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .cells import Outlines

_SCALE_ROUNDS = 24


def fill_shelves(
    outlines: Outlines, size: int, padding: int
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Pack shapes at one scale, tallest first, each box lying on its longer side.

    Args:
        outlines: shape numbers 0 to N - 1 all occur.
        size: texels per side of the square.
        padding: texels between boxes, half as many at the border; N boxes of this side must
            fit into the square with room to spare.
    Returns:
        Texels per unit of length, offsets in texels, [N, 2], and quarter turns, [N, 2, 2]:
        texels = scale * turn @ point + offset.
    """
    order = np.argsort(outlines.shape, kind="stable")
    starts = np.flatnonzero(np.diff(outlines.shape[order], prepend=-1))
    points = outlines.points[order].reshape(-1, 2)
    low = np.minimum.reduceat(points, 2 * starts)
    high = np.maximum.reduceat(points, 2 * starts)
    extent = high - low
    upright = extent[:, 1] > extent[:, 0]
    boxes = np.where(upright[:, None], extent[:, ::-1], extent)
    by_height = np.argsort(-boxes[:, 1], kind="stable")
    fitting, too_large = 0.0, 2.0 * size / float(boxes.max())
    for _ in range(_SCALE_ROUNDS):
        middle = (fitting + too_large) / 2
        if _corners(boxes[by_height] * middle + padding, size) is None:
            too_large = middle
        else:
            fitting = middle
    corners = np.zeros_like(boxes)
    placed = _corners(boxes[by_height] * fitting + padding, size)
    if placed is not None:
        corners[by_height] = placed
    quarters = np.where(upright[:, None, None], [[0.0, 1.0], [-1.0, 0.0]], np.eye(2))
    # A turn to the right sends the upper left corner of a box to the lower left.
    anchor = np.where(upright[:, None], np.stack([low[:, 1], -high[:, 0]], axis=1), low)
    return fitting, corners + padding / 2 - anchor * fitting, quarters


def _corners(boxes: NDArray[np.float64], size: int) -> NDArray[np.float64] | None:
    """Return the lower left corners of boxes filled into rows in order; None if too many."""
    ends = np.cumsum(boxes[:, 0])
    corners = np.empty_like(boxes)
    first, level = 0, 0.0
    while first < len(boxes):
        before = ends[first] - boxes[first, 0]
        last = int(np.searchsorted(ends, before + size, side="right"))
        level_above = level + boxes[first, 1]
        if last == first or level_above > size:
            return None
        corners[first:last, 0] = ends[first:last] - boxes[first:last, 0] - before
        corners[first:last, 1] = level
        first, level = last, level_above
    return corners
