# SPDX-License-Identifier: GPL-3.0-or-later
"""Which texels show which place on the surface.

Texel (column, row) has its centre at uv = (column + 0.5, row + 0.5) / size, row 0 at v = 0. All
coordinates below are in texels, shifted by half a texel so that centres are whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-5
"""Texels by which a centre may miss a triangle: on a shared edge neither side must lose it."""

_REACH = 1.5
"""Texels beyond an island's edge that are still painted: bilinear lookups reach the diagonal."""

_MAX_STRETCH = 4.0
"""Most surface per texel beyond an edge, over the average: slivers extrapolate wildly."""


@dataclass(frozen=True, slots=True)
class Texels:
    """Texels that show the surface, each once."""

    index: NDArray[np.int64]  # row * size + column, [N]
    positions: NDArray[np.float32]
    """Where on the surface each lies; beyond an island's edge, on the plane of the face, [N, 3]."""


def rasterize(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    corner_uvs: NDArray[np.float32],
    border: NDArray[np.int64],
    size: int,
) -> Texels:
    """Find the texels that islands cover or touch, and their places on the surface.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
        corner_uvs: islands that do not overlap, [F, 3, 2].
        border: the edges around islands, as 3 * face + the corner they start from, [E].
        size: texels per side.
    """
    corners = corner_uvs.astype(np.float64) * size - 0.5
    planes = _fit_planes(vertices[faces].astype(np.float64), corners)
    column, row, face = _covered_texels(corners, size)
    index = row * size + column
    # Neighbours may both cover a centre on their common edge: the last one keeps it.
    owner = np.full(size * size, -1, dtype=np.int32)
    number = np.arange(len(index), dtype=np.int32)
    owner[index] = number
    once = owner[index] == number
    column, row, face, index = column[once], row[once], face[once], index[once]
    first = corners[face, 0].T
    positions = planes.origin[face] + _along(column - first[0], row - first[1], planes.exact[face])
    beyond, beyond_positions = _border_texels(planes, corners, border, owner < 0, size)
    return Texels(np.concatenate([index, beyond]), np.concatenate([positions, beyond_positions]))


@dataclass(frozen=True, slots=True)
class _Planes:
    """The affine map of each face from texels to positions."""

    origin: NDArray[np.float32]  # position of the first corner, [F, 3]
    exact: NDArray[np.float32]  # change of position per column and per row, [F, 2, 3]
    limited: NDArray[np.float32]  # the same, but no longer than may be used beyond edges


def _fit_planes(positions: NDArray[np.float64], corners: NDArray[np.float64]) -> _Planes:
    """Fit the maps to the corners of faces, [F, 3, 3] and [F, 3, 2]."""
    along = positions[:, 1:] - positions[:, :1]  # [F, 2, 3]
    (ax, ay), (bx, by) = (corners[:, 1:] - corners[:, :1]).transpose(1, 2, 0)
    doubled = ax * by - bx * ay
    usable = np.abs(doubled) > 1e-12
    inverse = np.stack([np.stack([by, -ay], -1), np.stack([-bx, ax], -1)], 1)
    inverse *= np.where(usable, 1 / np.where(usable, doubled, 1.0), 0.0)[:, None, None]
    exact = np.einsum("fij,fjk->fik", inverse, along)
    surface = np.linalg.norm(np.cross(along[:, 0], along[:, 1]), axis=1).sum()
    per_texel = np.sqrt(surface / max(float(np.abs(doubled).sum()), 1e-300))
    length = np.linalg.norm(exact, axis=2, keepdims=True)
    limit = _MAX_STRETCH * per_texel
    limited = exact * np.minimum(1.0, limit / np.maximum(length, 1e-300))
    return _Planes(*(part.astype(np.float32) for part in (positions[:, 0], exact, limited)))


def _along(
    right: NDArray[np.float64], up: NDArray[np.float64], gradients: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the change of position for steps in texels, [N] each by [N, 2, 3] to [N, 3]."""
    by_column: NDArray[np.float32] = right.astype(np.float32)[:, None] * gradients[:, 0]
    by_row: NDArray[np.float32] = up.astype(np.float32)[:, None] * gradients[:, 1]
    return by_column + by_row


def _covered_texels(
    corners: NDArray[np.float64], size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return column, row and triangle of every texel centre in a triangle, by triangle."""
    x, y = corners[..., 0], corners[..., 1]
    lowest = np.minimum(np.minimum(y[:, 0], y[:, 1]), y[:, 2])
    highest = np.maximum(np.maximum(y[:, 0], y[:, 1]), y[:, 2])
    first_row = np.ceil(lowest - _TOLERANCE).astype(np.int64).clip(0, size)
    num_rows = np.floor(highest + _TOLERANCE).astype(np.int64).clip(-1, size - 1) - first_row + 1
    face, step = _expand(np.maximum(num_rows, 0))
    row = first_row[face] + step
    left, right = np.full(len(row), np.inf), np.full(len(row), -np.inf)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        y0, y1 = y[face, start], y[face, end]
        x0, x1 = x[face, start], x[face, end]
        rise = y1 - y0
        fraction = np.clip((row - y0) / np.where(rise == 0, 1.0, rise), 0.0, 1.0)
        reached = (np.minimum(y0, y1) - _TOLERANCE <= row) & (
            row <= np.maximum(y0, y1) + _TOLERANCE
        )
        crossing = x0 + fraction * (x1 - x0)
        left = np.minimum(left, np.where(reached, crossing, np.inf))
        right = np.maximum(right, np.where(reached, crossing, -np.inf))
    first = np.ceil(left - _TOLERANCE).clip(0, size).astype(np.int64)
    count = np.floor(right + _TOLERANCE).clip(-1, size - 1).astype(np.int64) - first + 1
    span, step = _expand(np.maximum(count, 0))
    return first[span] + step, row[span], face[span]


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
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the free texels near the edges of islands, carried on along the nearest face.

    Returns:
        Index and position of each texel.
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
    on_edge = planes.origin[face] + _along(inside[:, 0], inside[:, 1], planes.exact[face])
    beyond = away - foot
    return index, on_edge + _along(beyond[:, 0], beyond[:, 1], planes.limited[face])


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
