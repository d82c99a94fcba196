# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texels show which place on the surface.

Texel (column, row) has its centre at uv = (column + 0.5, row + 0.5) / size, row 0 at v = 0. All
coordinates below are in texels, shifted by half a texel so that centres are whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore

_REACH = 1.5
"""Texels beyond an island's edge that are still painted: bilinear lookups reach the diagonal."""

_TEXELS_AT_ONCE = 1 << 20
"""Between two looks whether to stop."""

_MAX_STRETCH = 4.0
"""Most surface per texel beyond an edge, over the average: slivers extrapolate wildly."""


@dataclass(frozen=True, slots=True)
class Texels:
    """Texels that show the surface, each once."""

    index: NDArray[np.int64]  # row * size + column, [N]
    positions: NDArray[np.float32]
    """Where on the surface each lies; beyond an island's edge, on the plane of the face, [N, 3]."""
    face: NDArray[np.int32]  # that each shows or, beyond an island's edge, carries on, [N]


def rasterize(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    corner_uvs: NDArray[np.float32],
    border: NDArray[np.int64],
    size: int,
    check: Check = ignore,
) -> Texels:
    """Find the texels that islands cover or touch, and their places on the surface.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
        corner_uvs: islands that do not overlap, [F, 3, 2].
        border: the edges around islands, as 3 * face + the corner they start from, [E].
        size: texels per side.
        check: called between the passes over all texels; may raise to stop.
    """
    check()
    corners = corner_uvs.astype(np.float64) * size - 0.5
    planes = _fit_planes(vertices[faces].astype(np.float64), corners)
    index, positions, face = _covered_texels(planes, corners, size, check)
    check()
    free = np.ones(size * size, dtype=bool)
    free[index] = False
    if np.count_nonzero(free) + len(index) != len(free):  # islands overlap after all
        index, place = np.unique(index, return_index=True)
        positions, face = positions[place], face[place]
    check()
    beyond, beyond_positions, beyond_face = _border_texels(planes, corners, border, free, size)
    return Texels(
        np.concatenate([index, beyond]),
        np.concatenate([positions, beyond_positions]),
        np.concatenate([face, beyond_face]),
    )


def cross_columns(
    corners: NDArray[np.float64], size: int, check: Check = ignore
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Find where vertical lines through the centres of a square of texels meet triangles.

    A closed mesh is entered and left equally often on every line.

    Args:
        corners: columns, rows and heights of the corners of triangles, [F, 3, 3].
        size: texels per side.
        check: called between the passes over all of them; may raise to stop.
    Returns:
        Line, as row * size + column, height, and triangle of each meeting, [N].
    """
    planes = _fit_planes(corners, corners[..., :2])
    line, positions, face = _covered_texels(planes, corners[..., :2], size, check)
    return line, positions[:, 2], face


@dataclass(frozen=True, slots=True)
class _Planes:
    """The affine map of each face from texels to positions."""

    origin: NDArray[np.float32]  # position of the first corner, [F, 3]
    gradients: NDArray[np.float32]  # change of position per column and per row, [F, 2, 3]
    limit: float  # longest gradient that may be used beyond edges

    def limited(self, face: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the gradients of faces as they may be used beyond their edges, [N, 2, 3]."""
        gradients = self.gradients[face]
        length = np.linalg.norm(gradients, axis=2, keepdims=True)
        shorter: NDArray[np.float32] = np.minimum(1, self.limit / np.maximum(length, 1e-30))
        return gradients * shorter


def _fit_planes(positions: NDArray[np.float64], corners: NDArray[np.float64]) -> _Planes:
    """Fit the maps to the corners of faces, [F, 3, 3] and [F, 3, 2]."""
    first, second = positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]
    (ax, ay), (bx, by) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    doubled = ax * by - bx * ay
    usable = np.abs(doubled) > 1e-12
    scale = np.where(usable, 1 / np.where(usable, doubled, 1.0), 0.0)
    gradients = np.empty((len(doubled), 2, 3), dtype=np.float32)
    gradients[:, 0] = (by * scale)[:, None] * first - (ay * scale)[:, None] * second
    gradients[:, 1] = (ax * scale)[:, None] * second - (bx * scale)[:, None] * first
    surface = float(np.linalg.norm(np.cross(first, second), axis=1).sum())
    per_texel = (surface / max(float(np.abs(doubled).sum()), 1e-300)) ** 0.5
    return _Planes(positions[:, 0].astype(np.float32), gradients, _MAX_STRETCH * per_texel)


def _along(
    right: NDArray[np.float64], up: NDArray[np.float64], gradients: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the change of position for steps in texels, [N] each by [N, 2, 3] to [N, 3]."""
    by_column: NDArray[np.float32] = right.astype(np.float32)[:, None] * gradients[:, 0]
    by_row: NDArray[np.float32] = up.astype(np.float32)[:, None] * gradients[:, 1]
    return by_column + by_row


def _covered_texels(
    planes: _Planes, corners: NDArray[np.float64], size: int, check: Check
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Return index, position and triangle of the texels whose centre lies in a triangle.

    Triangles own their left and lower edges, and edges meet rows at the same place seen from
    both sides: neighbours neither share a texel nor leave one out between them.
    """
    check()
    face, row, left, right = _rows(corners, size)
    check()
    first = np.ceil(left).clip(0, size).astype(np.int64)
    count = np.maximum(np.ceil(right).clip(0, size).astype(np.int64) - first, 0)
    corner = corners[face, 0]
    start = planes.origin[face] + _along(
        first - corner[:, 0], row - corner[:, 1], planes.gradients[face]
    )
    ends = np.cumsum(count)
    index = np.empty(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    positions = np.empty((len(index), 3), dtype=np.float32)
    owner = np.repeat(face.astype(np.int32), count)
    done = 0
    while done < len(count):
        check()
        # As many spans as make about so many texels, and at least one.
        filled = int(ends[done] - count[done])
        stop = max(done + 1, int(np.searchsorted(ends, filled + _TEXELS_AT_ONCE, side="right")))
        part = slice(done, stop)
        span, step = _expand(count[part])
        texels = slice(filled, int(ends[stop - 1]))
        index[texels] = (row[part] * size + first[part])[span] + step
        # Whole rows by `take`: several times as fast as by an index.
        away = planes.gradients[face[part], 0].take(span, axis=0)
        away *= step.astype(np.float32)[:, None]
        np.add(away, start[part].take(span, axis=0), out=positions[texels])
        done = stop
    return index, positions, owner


def _rows(
    corners: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return triangle, row, left and right end of every line of centres through a triangle."""
    low, middle = _by_height(corners[:, 0], corners[:, 1])
    middle, high = _by_height(middle, corners[:, 2])
    low, middle = _by_height(low, middle)
    first = np.ceil(low[:, 1]).clip(0, size).astype(np.int64)
    after = np.ceil(high[:, 1]).clip(0, size).astype(np.int64)
    face, step = _expand(np.maximum(after - first, 0))
    row = first[face] + step
    # One end of a row is on the edge from the lowest to the highest corner, the other on the
    # edge below or above the middle corner.
    across = _crossing(low, high, face, row)
    below, above = _crossing(low, middle, face, row), _crossing(middle, high, face, row)
    bent = np.where(row < middle[face, 1], below, above)
    return face, row, np.minimum(across, bent), np.maximum(across, bent)


def _by_height(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and the higher of two points, [F, 2] each."""
    swapped = first[:, 1:] > second[:, 1:]
    return np.where(swapped, second, first), np.where(swapped, first, second)


def _crossing(
    low: NDArray[np.float64],
    high: NDArray[np.float64],
    face: NDArray[np.int64],
    row: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return where the edges from low to high, [F, 2], meet rows, [R]; kept within the edge."""
    rise = high[:, 1] - low[:, 1]
    slope = (high[:, 0] - low[:, 0]) / np.where(rise > 0, rise, 1.0)
    meeting = low[face, 0] + (row - low[face, 1]) * slope[face]
    least, most = np.minimum(low[:, 0], high[:, 0]), np.maximum(low[:, 0], high[:, 0])
    kept: NDArray[np.float64] = np.clip(meeting, least[face], most[face])
    return kept


def _expand(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return, for counts (2, 0, 3), the owners 0 0 2 2 2 and the steps 0 1 0 1 2."""
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)


def _border_texels(
    planes: _Planes,
    corners: NDArray[np.float64],
    border: NDArray[np.int64],
    free: NDArray[np.bool_],
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int32]]:
    """Return the free texels near the edges of islands, carried on along the nearest face.

    Returns:
        Index, position and face of each texel.
    """
    face = border // 3
    start = corners[face, border % 3]
    along = corners[face, (border + 1) % 3] - start
    edge, column, row = _texels_near(start, along, size)
    usable = free[row * size + column]
    edge, column, row = edge[usable], column[usable], row[usable]
    away = np.stack([column, row], axis=1) - start[edge]
    squared = (along**2).sum(axis=1)
    share = (away * along[edge]).sum(axis=1) / np.maximum(squared[edge], 1e-300)
    foot = along[edge] * np.clip(share, 0.0, 1.0)[:, None]
    distance = ((away - foot) ** 2).sum(axis=1)
    order = np.argsort(distance, kind="stable")
    order = order[distance[order] <= _REACH**2]
    index, place = np.unique((row * size + column)[order], return_index=True)
    nearest = order[place]  # `unique` finds the first occurrence, which is the nearest edge
    face, foot, away = face[edge[nearest]], foot[nearest], away[nearest]
    inside = start[edge[nearest]] + foot - corners[face, 0]
    on_edge = planes.origin[face] + _along(inside[:, 0], inside[:, 1], planes.gradients[face])
    beyond = away - foot
    positions = on_edge + _along(beyond[:, 0], beyond[:, 1], planes.limited(face))
    return index, positions, face.astype(np.int32)


def _texels_near(
    start: NDArray[np.float64], along: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return edge, column and row of the texels around edges, some of them more than once."""
    # In pieces of a few texels, so that the boxes around slanted edges hold little else.
    edge, number = _expand(np.ceil(np.abs(along).max(axis=1, initial=0) / 4).astype(np.int64) + 1)
    pieces = np.bincount(edge, minlength=len(start))[edge][:, None]
    first = start[edge] + along[edge] * (number[:, None] / pieces)
    last = start[edge] + along[edge] * ((number[:, None] + 1) / pieces)
    low = np.ceil(np.minimum(first, last) - _REACH).clip(0, size).astype(np.int64)
    high = np.floor(np.maximum(first, last) + _REACH).clip(-1, size - 1).astype(np.int64)
    spans = np.maximum(high - low + 1, 0)
    piece, step = _expand(spans[:, 0] * spans[:, 1])
    row, column = np.divmod(step, spans[piece, 0])
    return edge[piece], low[piece, 0] + column, low[piece, 1] + row
