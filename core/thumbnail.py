# SPDX-License-Identifier: GPL-3.0-or-later
"""A small picture of a mesh, made by arithmetic alone: no window, no graphics card, any thread.

The view is orthographic, from the front and a little from the right and above. Each pixel is
found twice as fine as it is kept, which smooths the outline.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .mesh import MeshData

SIZE = 192
"""Pixels per side; sharp in a sidebar at twice the usual scale."""

_OVERSAMPLING = 2
_MARGIN = 0.04
"""Free on each side, as a fraction of the picture."""
_AZIMUTH, _ELEVATION = np.radians(32.0), np.radians(22.0)
_LIGHTS = (
    ((-0.55, 0.65, 0.60), 0.85),
    ((0.80, 0.15, 0.50), 0.30),
)
"""Direction towards each light and its strength; axes are those of the picture."""
_AMBIENT = 0.22
_SKY = 0.16
"""Added where a surface faces up, taken away where it faces down."""
_CHUNK = 1 << 20
"""Candidates tested at a time, which limits memory."""


def render_thumbnail(mesh: MeshData, size: int = SIZE) -> NDArray[np.uint8]:
    """Draw a mesh with the colours of its vertices.

    Args:
        mesh: faces that point away from the viewer are left out, as on a closed mesh they may.
        size: pixels per side.

    Returns:
        sRGB with straight alpha on an empty ground, first row at the bottom, [size, size, 4].
    """
    view = look_at(mesh.vertices, mesh.faces, size)
    return draw(view, mesh.faces, mesh.normals, mesh.vertex_colors)


@dataclass(frozen=True, slots=True)
class View:
    """What is nearest at each place of a picture where there is anything."""

    size: int
    """Pixels per side of the picture."""
    pixel: NDArray[np.int64]
    """row * side + column, of a finer picture, [N]."""
    face: NDArray[np.int64]  # [N]
    weights: NDArray[np.float32]  # of the face's corners, [N, 3]


def look_at(vertices: NDArray[np.float32], faces: NDArray[np.int32], size: int = SIZE) -> View:
    """Find what is seen of a mesh, which takes most of the time of its picture."""
    side = size * _OVERSAMPLING
    pixel, face, weights = _visible(_on_screen(_camera_axes() @ vertices.T, side), faces, side)
    return View(size, pixel, face, weights)


def draw(
    view: View,
    faces: NDArray[np.int32],
    normals: NDArray[np.float32],
    colors: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """Return the picture of what is seen; see `render_thumbnail`.

    Args:
        view: of a mesh.
        faces: of the same, [F, 3].
        normals: unit normals of its vertices, [V, 3].
        colors: linear, [V, 3].
    """
    size, fine = view.size, view.size * _OVERSAMPLING
    turned = normals @ _camera_axes().T
    shown = _mix(np.concatenate([turned, colors], axis=1), faces, view)
    color = np.clip(shown[:, 3:] * _lit(shown[:, :3])[:, None], 0.0, 1.0)
    canvas = np.zeros((fine * fine, 4), dtype=np.float32)
    canvas[view.pixel, :3] = color
    canvas[view.pixel, 3] = 1.0
    return _reduced(canvas.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 4))


def _camera_axes() -> NDArray[np.float32]:
    """Return right, up and towards the viewer as rows; the front of an object faces -Y."""
    sin_a, cos_a = np.sin(_AZIMUTH), np.cos(_AZIMUTH)
    sin_e, cos_e = np.sin(_ELEVATION), np.cos(_ELEVATION)
    return np.array(
        [
            [cos_a, sin_a, 0.0],
            [-sin_a * sin_e, cos_a * sin_e, cos_e],
            [sin_a * cos_e, -cos_a * cos_e, sin_e],
        ],
        dtype=np.float32,
    )


def _on_screen(seen: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Scale camera coordinates into the picture, centres of pixels at whole numbers, [3, V]."""
    if not seen.size:
        return seen
    low, high = seen[:2].min(axis=1), seen[:2].max(axis=1)
    extent = max(float((high - low).max()), 1e-12)
    scaled = (seen * (side * (1.0 - 2.0 * _MARGIN) / extent)).astype(np.float32)
    middle = (scaled[:2].min(axis=1) + scaled[:2].max(axis=1)) / 2
    scaled[:2] += ((side - 1) / 2 - middle)[:, None]
    return scaled


def _visible(
    places: NDArray[np.float32], faces: NDArray[np.int32], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the pixels that show something, the nearest face there, and its corners' weights."""
    depth = np.full(side * side, -np.inf, dtype=np.float32)
    nearest = np.full(side * side, -1, dtype=np.int64)
    weights = np.zeros((side * side, 3), dtype=np.float32)
    for pixel, face, second, third, height in _candidates(places, faces, side):
        np.maximum.at(depth, pixel, height)
        best = np.flatnonzero(height == depth[pixel])
        place = pixel[best]
        nearest[place] = face[best]
        weights[place, 1], weights[place, 2] = second[best], third[best]
    pixel = np.flatnonzero(nearest >= 0)
    found = weights[pixel]
    found[:, 0] = 1 - found[:, 1] - found[:, 2]
    return pixel, nearest[pixel], found


@dataclass(frozen=True, slots=True)
class _Fronts:
    """Faces that look this way and cover pixels. Whatever is linear on them is known by its value
    at the lowest pixel of the box around them and by its rise per column and per row."""

    face: NDArray[np.int64]  # [N]
    low: NDArray[np.int32]  # column and row where the box begins, [2, N]
    spans: NDArray[np.int32]  # columns and rows of the box, at least one each, [2, N]
    planes: NDArray[np.float32]  # of the weights of corners two and three and the depth, [3, 3, N]


def _candidates(
    places: NDArray[np.float32], faces: NDArray[np.int32], side: int
) -> Iterator[
    tuple[
        NDArray[np.int64],
        NDArray[np.int64],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
    ]
]:
    """Yield pixel, face, weights of corners two and three, and depth of each place covered."""
    fronts = _fronts(places, faces, side)
    counts = fronts.spans[0].astype(np.int64) * fronts.spans[1]
    ends = np.cumsum(counts)
    bounds = np.searchsorted(ends, np.arange(0, counts.sum(), _CHUNK))
    for first, last in pairwise([*bounds, len(counts)]):
        part = counts[first:last]
        owner = np.repeat(np.arange(first, last), part)
        step = np.arange(len(owner)) - np.repeat(np.cumsum(part) - part, part)
        up, along = np.divmod(step.astype(np.int32), fronts.spans[0, owner])
        column, row = along.astype(np.float32), up.astype(np.float32)
        second, third, height = (
            base[owner] + by_column[owner] * column + by_row[owner] * row
            for base, by_column, by_row in fronts.planes
        )
        inside = np.flatnonzero((second >= 0) & (third >= 0) & (second + third <= 1))
        owner = owner[inside]
        pixel = (up[inside] + fronts.low[1, owner]).astype(np.int64) * side
        pixel += along[inside] + fronts.low[0, owner]
        yield pixel, fronts.face[owner], second[inside], third[inside], height[inside]


def _fronts(places: NDArray[np.float32], faces: NDArray[np.int32], side: int) -> _Fronts:
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = (
        [axis.take(corner) for axis in places] for corner in faces.T
    )
    low = np.ceil(np.stack([_least(ax, bx, cx), _least(ay, by, cy)])).clip(0, side - 1)
    high = np.floor(-np.stack([_least(-ax, -bx, -cx), _least(-ay, -by, -cy)])).clip(-1, side - 1)
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    face = np.flatnonzero((area > 0) & (low <= high).all(axis=0))
    low, high = low[:, face], high[:, face]
    ax, ay, az, bx, by, bz, cx, cy, cz, area = (
        each[face] for each in (ax, ay, az, bx, by, bz, cx, cy, cz, area)
    )
    second_x, second_y = (cy - ay) / area, (ax - cx) / area
    third_x, third_y = (ay - by) / area, (bx - ax) / area
    right, up = low[0] - ax, low[1] - ay
    second, third = right * second_x + up * second_y, right * third_x + up * third_y
    weights = np.array([[second, second_x, second_y], [third, third_x, third_y]])
    depth = weights[0] * (bz - az) + weights[1] * (cz - az)
    depth[0] += az
    planes = np.concatenate([weights, depth[None]])
    return _Fronts(face, low.astype(np.int32), (high - low + 1).astype(np.int32), planes)


def _least(
    a: NDArray[np.float32], b: NDArray[np.float32], c: NDArray[np.float32]
) -> NDArray[np.float32]:
    least: NDArray[np.float32] = np.minimum(np.minimum(a, b), c)
    return least


def _mix(values: NDArray[np.float32], faces: NDArray[np.int32], view: View) -> NDArray[np.float32]:
    """Return values of vertices [V, K] between the corners of what is seen, [N, K]."""
    corners = faces.take(view.face, axis=0)
    mixed = np.zeros((len(corners), values.shape[1]), dtype=np.float32)
    for k in range(3):
        mixed += view.weights[:, k, None] * values.take(corners[:, k], axis=0)
    return mixed


def _lit(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how much light surfaces send back; normals as in the picture, [N, 3] to [N]."""
    unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light: NDArray[np.float32] = _AMBIENT + _SKY * unit[:, 1]
    for direction, strength in _LIGHTS:
        towards = np.array(direction, dtype=np.float32)
        light = light + strength * np.maximum(unit @ (towards / np.linalg.norm(towards)), 0.0)
    return light


def _reduced(canvas: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Average blocks of linear pixels and encode them, [S, K, S, K, 4] to [S, S, 4]."""
    # Far quicker than the mean over two axes.
    places = [canvas[:, i, :, j] for i in range(_OVERSAMPLING) for j in range(_OVERSAMPLING)]
    picture: NDArray[np.float32] = np.stack(places).mean(axis=0)
    alpha = picture[:, :, 3:]
    linear = picture[:, :, :3] / np.maximum(alpha, 1e-6)
    encoded = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    values = np.concatenate([encoded, alpha], axis=2)
    encoded_bytes: NDArray[np.uint8] = np.rint(values.clip(0.0, 1.0) * 255).astype(np.uint8)
    return encoded_bytes
