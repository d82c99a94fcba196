# SPDX-License-Identifier: GPL-3.0-or-later
"""Which triangle each pixel of a view shows: projection and a depth buffer, in numpy alone.

Nothing of Blender's scene is touched, so that a thread can do it while the user works on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..asset import Cameras, Places
from ..interrupt import Check, ignore

_PIXELS_AT_ONCE = 1 << 20
"""Bounds memory and the time between two looks whether to stop."""


@dataclass(frozen=True, slots=True)
class Hits:
    """What the pixels of a view show; pixels of the background are left out."""

    pixels: NDArray[np.int64]
    """Row * size + column, ascending, [P]."""
    places: Places
    depth: NDArray[np.float32]
    """Along the camera's axis, [P]."""


@dataclass(frozen=True, slots=True)
class _Triangles:
    """Corners on the picture, in pixels, their centres being whole numbers."""

    corners: NDArray[np.float64]  # [F, 3, 2]
    inverse_depth: NDArray[np.float64]  # [F, 3]
    area: NDArray[np.float64]  # twice, signed, [F]


def visible(
    corners: NDArray[np.float32], cameras: Cameras, index: int, size: int, check: Check = ignore
) -> Hits:
    """Find the nearest triangle behind the centre of each pixel; both sides are seen.

    Args:
        corners: of the triangles, in front of the camera, [F, 3, 3].
        cameras: around them.
        index: which camera.
        size: pixels per side.
        check: called between pieces; may raise to stop.

    Raises:
        ValueError: a corner is not in front of the camera.
    """
    triangles = _project(corners, cameras, index, size)
    depth = np.full(size * size, np.inf)
    face = np.full(size * size, -1, dtype=np.int64)
    low = np.ceil(triangles.corners.min(axis=1)).clip(0, size).astype(np.int64)
    high = np.floor(triangles.corners.max(axis=1)).clip(-1, size - 1).astype(np.int64)
    sides = np.maximum(high - low + 1, 0) * (triangles.area != 0)[:, None]
    counts = sides.prod(axis=1)
    for part in _portions(counts):
        check()
        _draw(triangles, part, low, sides[:, 0], counts, size, depth, face)
    pixels = np.flatnonzero(face >= 0)
    weights = _weights(triangles, face[pixels], _centers(pixels, size))
    inverse = weights * triangles.inverse_depth[face[pixels]]
    straight = inverse / inverse.sum(axis=1, keepdims=True)  # Perspective undone.
    places = Places(face[pixels], straight.astype(np.float32))
    return Hits(pixels, places, depth[pixels].astype(np.float32))


def _project(corners: NDArray[np.float32], cameras: Cameras, index: int, size: int) -> _Triangles:
    seen = (corners.astype(np.float64) - cameras.origins[index]) @ cameras.axes[index].T
    if not (seen[..., 2] > 0).all():
        raise ValueError("the camera stands inside of what it looks at")
    plane = seen[..., :2] / seen[..., 2:] / math.tan(cameras.fov / 2)
    placed = (plane + 1) * size / 2 - 0.5
    (ax, ay), (bx, by) = (np.moveaxis(placed[:, k] - placed[:, 0], -1, 0) for k in (1, 2))
    return _Triangles(placed, 1 / seen[..., 2], ax * by - ay * bx)


def _portions(counts: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Split the triangles that have pixels into groups with not too many of them."""
    drawn = np.flatnonzero(counts)
    group = (counts[drawn].cumsum() - counts[drawn]) // _PIXELS_AT_ONCE
    return [part for part in np.split(drawn, np.flatnonzero(np.diff(group)) + 1) if len(part)]


def _draw(
    triangles: _Triangles,
    part: NDArray[np.int64],
    low: NDArray[np.int64],
    widths: NDArray[np.int64],
    counts: NDArray[np.int64],
    size: int,
    depth: NDArray[np.float64],
    face: NDArray[np.int64],
) -> None:
    """Draw some triangles into the buffers, [size * size] each."""
    faces = np.repeat(part, counts[part])
    starts = np.repeat(counts[part].cumsum() - counts[part], counts[part])
    local = np.arange(len(faces)) - starts
    columns = low[faces, 0] + local % widths[faces]
    rows = low[faces, 1] + local // widths[faces]
    weights = _weights(triangles, faces, np.stack([columns, rows], axis=1).astype(np.float64))
    distance = 1 / np.maximum((weights * triangles.inverse_depth[faces]).sum(axis=1), 1e-12)
    pixels = rows * size + columns
    wins = (weights >= 0).all(axis=1) & (distance < depth[pixels])
    pixels, distance, faces = pixels[wins], distance[wins], faces[wins]
    # The nearest first; of equals the first triangle, whatever the order of drawing.
    order = np.lexsort((faces, distance, pixels))
    pixels, first = np.unique(pixels[order], return_index=True)
    depth[pixels], face[pixels] = distance[order[first]], faces[order[first]]


def _weights(
    triangles: _Triangles, faces: NDArray[np.int64], points: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return barycentric weights on the picture of points [P, 2] in triangles [P], [P, 3]."""
    corners = triangles.corners[faces]
    (ax, ay), (bx, by) = (np.moveaxis(corners[:, k] - corners[:, 0], -1, 0) for k in (1, 2))
    px, py = (points - corners[:, 0]).T
    second = (px * by - py * bx) / triangles.area[faces]
    third = (ax * py - ay * px) / triangles.area[faces]
    weights: NDArray[np.float64] = np.stack([1 - second - third, second, third], axis=1)
    return weights


def _centers(pixels: NDArray[np.int64], size: int) -> NDArray[np.float64]:
    centers: NDArray[np.float64] = np.stack([pixels % size, pixels // size], axis=1) * 1.0
    return centers
