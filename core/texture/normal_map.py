# SPDX-License-Identifier: GPL-3.0-or-later
"""Tangent-space normal maps: what turns a mesh's interpolated normals into those of the field.

Renderers add up red * tangent + green * bitangent + blue * normal, each interpolated over the
face and not normalized (Mikkelsen, 2008), so the map holds the inverse of that: decoding gives
back the field's normal whatever the mesh's own look like. Green points along v, as in OpenGL.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..interrupt import Check, ignore
from .raster import Texels
from .tangents import TangentFrames

FieldNormals = Callable[[Tensor], Tensor]
"""Points [P, 3] to outward unit normals [P, 3], NaN where there are none."""

NEUTRAL = (128, 128, 255)
"""Of the mesh's own normal."""

_AT_ONCE = 1 << 17
_LEAST_BLUE = 0.05
"""A normal map can lean a normal over almost to the surface, and not beyond."""


def corner_weights(
    texels: Texels, corner_uvs: NDArray[np.float32], size: int
) -> NDArray[np.float32]:
    """Return how much of each corner of its face a texel shows, summing to 1, [N, 3]."""
    weights = np.empty((len(texels.index), 3), dtype=np.float32)
    corners = corner_uvs.astype(np.float64) * size - 0.5
    (ax, ay), (bx, by) = (corners[:, 1:] - corners[:, :1]).transpose(1, 2, 0)
    doubled = ax * by - bx * ay
    scale = 1.0 / np.where(np.abs(doubled) > 1e-12, doubled, np.inf)
    for start in range(0, len(weights), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        face = texels.face[part]
        row, column = np.divmod(texels.index[part], size)
        x, y = column - corners[face, 0, 0], row - corners[face, 0, 1]
        second = (x * by[face] - y * bx[face]) * scale[face]
        third = (y * ax[face] - x * ay[face]) * scale[face]
        # Beyond an edge the nearest place on the face counts; slivers would extrapolate wildly.
        found = np.stack([1.0 - second - third, second, third], axis=1).clip(0.0, 1.0)
        weights[part] = found / found.sum(axis=1, keepdims=True)
    return weights


def interpolate(
    values: NDArray[np.float32], face: NDArray[np.int32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return values of face corners, [F, 3, K], within faces, [N, K]."""
    found: NDArray[np.float32] = values[face, 0] * weights[:, :1]
    for corner in (1, 2):
        found += values[face, corner] * weights[:, corner, None]
    return found


def bake_normals(
    field_normals: FieldNormals | NDArray[np.float32],
    points: NDArray[np.float32],
    frames: TangentFrames,
    texels: Texels,
    weights: NDArray[np.float32],
    *,
    device: torch.device,
    check: Check = ignore,
) -> NDArray[np.uint8]:
    """Return the bytes of a normal map, [N, 3].

    Args:
        field_normals: what is to be seen, or what is to be seen at the points, [N, 3].
        points: where on the surface of the field the texels lie, [N, 3].
        frames: of the mesh.
        texels: which faces they show.
        weights: from `corner_weights`.
        device: where the field takes its points.
        check: called every 100,000 texels or so; may raise to stop.
    """
    encoded = np.empty((len(points), 3), dtype=np.uint8)
    table = torch.from_numpy(np.concatenate([frames.normals, frames.tangents], axis=2))
    table = table.flatten(1)  # of each corner its normal and its tangent, [F, 18]
    signs = torch.from_numpy(frames.signs)
    for start in range(0, len(points), _AT_ONCE):
        check()
        part = slice(start, start + _AT_ONCE)
        face, weight = torch.from_numpy(texels.face[part]), torch.from_numpy(weights[part]).T
        if isinstance(field_normals, np.ndarray):
            wanted = torch.from_numpy(field_normals[part])
        else:
            wanted = field_normals(torch.from_numpy(points[part]).to(device)).cpu()
        normal, tangent = torch.split(_within(table, face, weight), 3)
        bitangent = signs[face] * _cross(normal, tangent)
        encoded[part] = _encode(wanted.T, tangent, bitangent, normal).T.numpy()
    return encoded


def _within(table: Tensor, face: Tensor, weights: Tensor) -> Tensor:
    """Return what `interpolate` does in rows: [K, N] of a table [F, 3 K] and weights [3, N]."""
    # Whole rows are gathered, which is several times as fast as number by number.
    first, second, third = table.index_select(0, face).T.contiguous().chunk(3)
    return first * weights[0] + second * weights[1] + third * weights[2]


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """Return the cross products of vectors in rows, [3, N]."""
    return torch.stack(
        [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
    )


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the products of vectors in rows, [N]."""
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def _encode(wanted: Tensor, tangent: Tensor, bitangent: Tensor, normal: Tensor) -> Tensor:
    """Return the bytes that a renderer turns into the wanted directions; all are [3, N]."""
    # The rows of the inverse of [tangent bitangent normal], up to the positive determinant.
    above = _cross(tangent, bitangent)
    rows = (_cross(bitangent, normal), _cross(normal, tangent), above)
    parts = torch.stack([_dot(row, wanted) for row in rows]) * _dot(above, normal).sign()
    parts *= _dot(parts, parts).rsqrt()
    parts[2].clamp_(min=_LEAST_BLUE)
    parts *= _dot(parts, parts).rsqrt()
    # What is not finite has no direction: the mesh's own.
    parts[:, ~parts.sum(dim=0).isfinite()] = torch.tensor([[0.0], [0.0], [1.0]])
    return ((parts + 1.0) * 127.5).round_().to(torch.uint8)
