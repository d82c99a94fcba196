# SPDX-License-Identifier: GPL-3.0-or-later
"""How often closed triangles wind around points, for many points; numpy alone.

For a closed surface the generalized winding number (Jacobson et al., 2013, "Robust Inside-Outside
Segmentation using Generalized Winding Numbers") is a whole number: how much more often a ray
leaves the surface than it enters it. Counting is exact and looks at the triangles above a point
only, where adding up the solid angles of all of them (Van Oosterom and Strackee, 1983) takes the
product of both numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .interrupt import Check, ignore

_MAX_CELLS = 512
"""Of the grid that triangles are listed in, along each side."""
_LISTED = 6
"""In how many cells a triangle may lie on average, beside a row's worth for all."""
_PAIRS_AT_ONCE = 1 << 17
"""Points and triangles that are compared between two looks whether to stop."""


class Windings:
    """Counts how often one closed mesh winds around points, along rays upwards."""

    def __init__(self, corners: NDArray[np.float32]) -> None:
        """Take the corners of triangles [F, 3, 3], at least one, facing out on the whole."""
        self._corners = corners.astype(np.float64)
        sides = self._corners[:, 1:] - self._corners[:, :1]
        self._across = np.cross(sides[:, 0], sides[:, 1])
        flat = self._corners[..., :2]
        self._low, high = flat.min(axis=(0, 1)), flat.max(axis=(0, 1))
        self._size = np.maximum(high - self._low, 1e-12)
        # The finest grid in which large triangles do not fill the lists.
        self._cells = _MAX_CELLS
        while True:
            first, last = self._cell(flat.min(axis=1)), self._cell(flat.max(axis=1))
            spans = last - first + 1
            counts = spans.prod(axis=1)
            if self._cells == 1 or counts.sum() <= _LISTED * len(corners) + self._cells:
                break
            self._cells //= 2
        face = np.repeat(np.arange(len(corners)), counts)
        rank = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
        x = first[face, 0] + rank % spans[face, 0]
        y = first[face, 1] + rank // spans[face, 0]
        cell = x * self._cells + y
        self._faces = face[np.argsort(cell, kind="stable")]
        self._counts = np.bincount(cell, minlength=self._cells**2)
        self._starts = np.cumsum(self._counts) - self._counts

    def around(self, points: NDArray[np.float32], check: Check = ignore) -> NDArray[np.int64]:
        """Return how often the triangles wind around points [P, 3], counter-clockwise, [P].

        0 outside, 1 inside, 2 where two parts overlap, -1 inside faces that are inside out.
        """
        winding = np.zeros(len(points), dtype=np.int64)
        exact = points.astype(np.float64)
        cell = self._cell(exact[:, :2]) @ np.array([self._cells, 1])
        ends = np.cumsum(self._counts[cell])
        done = 0
        while done < len(points):
            check()
            before = ends[done - 1] if done else 0
            stop = int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right"))
            part = slice(done, max(done + 1, stop))
            winding[part] = self._counted(exact[part], cell[part])
            done = part.stop
        return winding

    def _cell(self, places: NDArray[np.float64]) -> NDArray[np.int64]:
        cells = np.floor((places - self._low) / self._size * self._cells).astype(np.int64)
        kept: NDArray[np.int64] = cells.clip(0, self._cells - 1)
        return kept

    def _counted(self, points: NDArray[np.float64], cell: NDArray[np.int64]) -> NDArray[np.int64]:
        counts = self._counts[cell]
        owner = np.repeat(np.arange(len(points)), counts)
        step = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        faces = self._faces[np.repeat(self._starts[cell], counts) + step]
        turns = _turns(points[owner, :2], self._corners[faces, :, :2])
        hit = turns != 0
        owner, faces, turns = owner[hit], faces[hit], turns[hit]
        height = np.einsum("pk,pk->p", self._across[faces], self._corners[faces, 0] - points[owner])
        above = height * turns > 0  # The turns have the sign of the normal's z.
        found: NDArray[np.int64] = np.zeros(len(points), dtype=np.int64)
        np.add.at(found, owner[above], turns[above])
        return found


def _turns(places: NDArray[np.float64], triangles: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return how often triangles [P, 3, 2] go round places [P, 2] of the plane: -1, 0 or 1.

    Both triangles of an edge ask the same of it to the bit, so no place slips through between.
    """
    x, y = places.T
    turns = np.zeros(len(places), dtype=np.int64)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        a, b = triangles[:, start], triangles[:, end]
        rises = a[:, 1] < b[:, 1]
        bottom, top = np.where(rises[:, None], a, b), np.where(rises[:, None], b, a)
        spans = (bottom[:, 1] <= y) & (y < top[:, 1])
        run = (top[:, 0] - bottom[:, 0]) * (y - bottom[:, 1])
        is_left = run > (x - bottom[:, 0]) * (top[:, 1] - bottom[:, 1])
        turns += np.where(spans & is_left, np.where(rises, 1, -1), 0)
    return turns
