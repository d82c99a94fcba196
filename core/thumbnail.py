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
    """Draw a mesh with the colours of its vertices; a fifth of a second for 200,000 triangles.

    Args:
        mesh: faces that point away from the viewer are left out, as on a closed mesh they may.
        size: pixels per side.

    Returns:
        sRGB with straight alpha on an empty ground, first row at the bottom, [size, size, 4].
    """
    fine = size * _OVERSAMPLING
    axes = _camera_axes()
    corners = _on_screen(mesh.vertices @ axes.T, fine)
    hits = _visible(corners, mesh.faces, fine)
    light = _lit(_mix(mesh.normals @ axes.T, mesh.faces, hits))
    color = np.clip(_mix(mesh.vertex_colors, mesh.faces, hits) * light[:, None], 0.0, 1.0)
    canvas = np.zeros((fine * fine, 4), dtype=np.float32)
    canvas[hits.pixel, :3] = color
    canvas[hits.pixel, 3] = 1.0
    return _reduced(canvas.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, 4))


@dataclass(frozen=True, slots=True)
class _Hits:
    """What is nearest at each pixel where there is anything."""

    pixel: NDArray[np.int64]  # row * side + column, [N]
    face: NDArray[np.int64]  # [N]
    weights: NDArray[np.float32]  # of the face's corners, [N, 3]


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
    """Scale camera coordinates into the picture, centres of pixels at whole numbers, [V, 3]."""
    if not len(seen):
        return seen
    low, high = seen[:, :2].min(axis=0), seen[:, :2].max(axis=0)
    extent = max(float((high - low).max()), 1e-12)
    scaled = (seen * (side * (1.0 - 2.0 * _MARGIN) / extent)).astype(np.float32)
    middle = (scaled[:, :2].min(axis=0) + scaled[:, :2].max(axis=0)) / 2
    scaled[:, :2] += (side - 1) / 2 - middle
    return scaled


def _visible(corners: NDArray[np.float32], faces: NDArray[np.int32], side: int) -> _Hits:
    """Return the nearest face at each pixel, by a depth buffer."""
    depth = np.full(side * side, -np.inf, dtype=np.float32)
    nearest = np.full(side * side, -1, dtype=np.int64)
    weights = np.zeros((side * side, 3), dtype=np.float32)
    for pixel, face, share, height in _candidates(corners, faces, side):
        nearer = np.flatnonzero(height > depth[pixel])
        order = nearer[np.argsort(height[nearer], kind="stable")]
        # Of several values for one pixel the last is kept, which is the nearest.
        place = pixel[order]
        depth[place], nearest[place], weights[place] = height[order], face[order], share[order]
    pixel = np.flatnonzero(nearest >= 0)
    return _Hits(pixel, nearest[pixel], weights[pixel])


def _candidates(
    corners: NDArray[np.float32], faces: NDArray[np.int32], side: int
) -> Iterator[
    tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]
]:
    """Yield pixel, face, weights of the corners and depth of each place that a face covers."""
    triangles = corners[faces]  # [F, 3, 3]
    low = np.ceil(triangles[:, :, :2].min(axis=1)).clip(0, side - 1).astype(np.int64)
    high = np.floor(triangles[:, :, :2].max(axis=1)).clip(-1, side - 1).astype(np.int64)
    spans = np.maximum(high - low + 1, 0)
    counts = spans[:, 0] * spans[:, 1]
    counts[_doubled_area(triangles) <= 0] = 0  # Seen from behind, or from the edge.
    used = np.flatnonzero(counts)
    ends = np.cumsum(counts[used])
    bounds = np.searchsorted(ends, np.arange(0, counts.sum(), _CHUNK))
    for first, last in pairwise([*bounds, len(used)]):
        part = used[first:last]
        owner = np.repeat(part, counts[part])
        step = np.arange(len(owner)) - np.repeat(
            np.cumsum(counts[part]) - counts[part], counts[part]
        )
        row, column = np.divmod(step, spans[owner, 0])
        column, row = column + low[owner, 0], row + low[owner, 1]
        share = _weights(triangles[owner], column, row)
        inside = np.flatnonzero((share >= 0).all(axis=1))
        owner, share = owner[inside], share[inside]
        height = (share * triangles[owner, :, 2]).sum(axis=1)
        yield row[inside] * side + column[inside], owner, share, height


def _doubled_area(triangles: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return twice the area on the screen, positive when counter-clockwise, [F]."""
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    area: NDArray[np.float32] = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    return area


def _weights(
    triangles: NDArray[np.float32], column: NDArray[np.int64], row: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Return the barycentric coordinates of pixels, negative outside, [N, 3]."""
    away = np.stack([column, row], axis=1) - triangles[:, 0, :2]
    first, second = (triangles[:, i, :2] - triangles[:, 0, :2] for i in (1, 2))
    area = _doubled_area(triangles)
    b = (away[:, 0] * second[:, 1] - away[:, 1] * second[:, 0]) / area
    c = (first[:, 0] * away[:, 1] - first[:, 1] * away[:, 0]) / area
    share: NDArray[np.float32] = np.stack([1.0 - b - c, b, c], axis=1).astype(np.float32)
    return share


def _mix(values: NDArray[np.float32], faces: NDArray[np.int32], hits: _Hits) -> NDArray[np.float32]:
    """Return values of vertices [V, 3] between the corners of what was hit, [N, 3]."""
    mixed: NDArray[np.float32] = np.einsum("nk,nkc->nc", hits.weights, values[faces[hits.face]])
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
    picture = canvas.mean(axis=(1, 3))
    alpha = picture[:, :, 3:]
    linear = picture[:, :, :3] / np.maximum(alpha, 1e-6)
    encoded = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    )
    values = np.concatenate([encoded, alpha], axis=2)
    encoded_bytes: NDArray[np.uint8] = np.rint(values.clip(0.0, 1.0) * 255).astype(np.uint8)
    return encoded_bytes
