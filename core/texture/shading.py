# SPDX-License-Identifier: GPL-3.0-or-later
"""The normals of face corners that Blender shades a mesh with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..config import Shading
from ..mesh import SHARP_ANGLE
from ..topology import connected_components, link_faces


def corner_normals(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    shading: Shading,
    normals: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Return the unit normal of each face corner, [F, 3, 3].

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, counter-clockwise seen from outside, [F, 3].
        shading: `flat` takes those of the faces, `smooth` rounds all edges, `auto` only those
            where faces meet at less than `SHARP_ANGLE`.
        normals: of the vertices, for `smooth` shading with normals that are not Blender's own.
    """
    if shading == "smooth" and normals is not None:
        shared: NDArray[np.float32] = normals[faces]
        return shared
    positions = vertices[faces].astype(np.float64)
    flat = _face_normals(positions)
    if shading == "flat":
        return np.repeat(flat[:, None], 3, axis=1).astype(np.float32)
    fan, count = _fans(faces, flat, shading)
    # As Blender does it: the mean of the faces around, weighted by their angles there.
    weighted = (flat[:, None] * _angles(positions)[..., None]).reshape(-1, 3)
    summed = np.stack([np.bincount(fan, axis, count) for axis in weighted.T], axis=1)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    mean = summed / np.where(length > 1e-20, length, np.inf)
    corners = mean[fan].reshape(-1, 3, 3)
    lost = (corners == 0).all(axis=2)
    corners[lost] = np.broadcast_to(flat[:, None], corners.shape)[lost]
    rounded: NDArray[np.float32] = corners.astype(np.float32)
    return rounded


def _fans(
    faces: NDArray[np.int32], flat: NDArray[np.float64], shading: Shading
) -> tuple[NDArray[np.int64], int]:
    """Number the sets of corners that share a normal, [3 F], and count them."""
    if shading == "smooth":
        return faces.reshape(-1).astype(np.int64), int(faces.max(initial=-1)) + 1
    links = link_faces(faces)
    cosine = np.einsum("li,li->l", flat[links.first // 3], flat[links.second // 3])
    round_ = cosine > np.cos(SHARP_ANGLE)
    first, second = links.first[round_], links.second[round_]
    pairs = np.concatenate(
        [
            np.stack([first, second - second % 3 + (second + 1) % 3], axis=1),
            np.stack([first - first % 3 + (first + 1) % 3, second], axis=1),
        ]
    )
    count, fan = connected_components(faces.size, pairs)
    return fan, count


def _face_normals(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c = positions.transpose(1, 0, 2)
    doubled = np.cross(b - a, c - a)
    length = np.linalg.norm(doubled, axis=1, keepdims=True)
    flat: NDArray[np.float64] = doubled / np.maximum(length, 1e-300)
    return flat


def _angles(positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle of each corner, [F, 3]."""
    onward = np.roll(positions, -1, axis=1) - positions
    back = np.roll(positions, 1, axis=1) - positions
    lengths = np.linalg.norm(onward, axis=2) * np.linalg.norm(back, axis=2)
    cosine = np.einsum("fci,fci->fc", onward, back) / np.maximum(lengths, 1e-300)
    angles: NDArray[np.float64] = np.arccos(cosine.clip(-1.0, 1.0))
    return angles
