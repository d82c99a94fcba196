# SPDX-License-Identifier: GPL-3.0-or-later
"""The tangents of face corners as MikkTSpace defines them, for normal maps that others render.

Mikkelsen, "Simulation of Wrinkled Surfaces Revisited" (2008). Blender computes these in
`Mesh.calc_tangents`, and glTF prescribes them where a file brings none.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..topology import connected_components, link_faces


@dataclass(frozen=True, slots=True)
class TangentFrames:
    """What a renderer interpolates over a face: the bitangent is sign * cross(normal, tangent)."""

    normals: NDArray[np.float32]  # unit, of each face corner, [F, 3, 3]
    tangents: NDArray[np.float32]  # unit and square to the normal, [F, 3, 3]
    signs: NDArray[np.float32]  # 1, or -1 where a face is mirrored on the texture, [F]


def tangent_frames(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    corner_uvs: NDArray[np.float32],
    corner_normals: NDArray[np.float32],
) -> TangentFrames:
    """Return the frames of all face corners.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
        corner_uvs: UV of each corner, [F, 3, 2].
        corner_normals: unit shading normal of each corner, [F, 3, 3].
    """
    positions = vertices[faces].astype(np.float64)
    normals = corner_normals.astype(np.float64)
    along_u, signs = _along_u(positions, corner_uvs.astype(np.float64))
    weighted = _flattened(along_u[:, None], normals) * _angles(positions, normals)[..., None]
    group, count = _groups(faces, corner_uvs, corner_normals, signs)
    summed = [np.bincount(group, axis, count)[group] for axis in weighted.reshape(-1, 3).T]
    tangents = _unit(np.stack(summed, axis=1)).reshape(-1, 3, 3)
    lost = (tangents == 0).all(axis=2)
    tangents[lost] = _any_tangent(normals[lost])
    return TangentFrames(corner_normals, tangents.astype(np.float32), signs.astype(np.float32))


def _along_u(
    positions: NDArray[np.float64], uvs: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the direction of growing u on each face, [F, 3], and its orientation, [F]."""
    first, second = positions[:, 1] - positions[:, 0], positions[:, 2] - positions[:, 0]
    (first_u, first_v), (second_u, second_v) = (uvs[:, 1] - uvs[:, 0]).T, (uvs[:, 2] - uvs[:, 0]).T
    signs = np.where(first_u * second_v - first_v * second_u > 0, 1.0, -1.0)
    along = second_v[:, None] * first - first_v[:, None] * second
    return _unit(along) * signs[:, None], signs


def _angles(positions: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle of each corner as seen along its normal, [F, 3]."""
    onward = _flattened(np.roll(positions, -1, axis=1) - positions, normals)
    back = _flattened(np.roll(positions, 1, axis=1) - positions, normals)
    cosine = np.einsum("fci,fci->fc", onward, back)
    angles: NDArray[np.float64] = np.arccos(cosine.clip(-1.0, 1.0))
    return angles


def _groups(
    faces: NDArray[np.int32],
    corner_uvs: NDArray[np.float32],
    corner_normals: NDArray[np.float32],
    signs: NDArray[np.float64],
) -> tuple[NDArray[np.int64], int]:
    """Number the sets of corners that share a tangent, [3 F], and count them.

    Corners of one vertex belong together if their UVs and normals are the same to the last bit
    and their faces hang together there by edges of which the same is true of both ends.
    """
    key = np.concatenate(
        [faces[..., None].astype(np.uint32), _bits(corner_uvs), _bits(corner_normals)], axis=2
    ).reshape(-1, 6)
    welded = _number_rows(key).reshape(-1, 3)
    links = link_faces(welded)
    alike = signs[links.first // 3] == signs[links.second // 3]
    first, second = links.first[alike], links.second[alike]
    # An edge that leads from a corner to the next is seen from the other side the other way.
    pairs = np.concatenate(
        [
            np.stack([first, _next_corner(second)], axis=1),
            np.stack([_next_corner(first), second], axis=1),
        ]
    )
    flat = welded.reshape(-1)
    pairs = pairs[flat[pairs[:, 0]] == flat[pairs[:, 1]]]
    count, group = connected_components(faces.size, pairs)
    return group, count


def _next_corner(corner: NDArray[np.int64]) -> NDArray[np.int64]:
    following: NDArray[np.int64] = corner - corner % 3 + (corner + 1) % 3
    return following


def _bits(values: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the bits of floats, those of zero alike."""
    bits: NDArray[np.uint32] = np.ascontiguousarray(values + np.float32(0)).view(np.uint32)
    return bits


def _number_rows(rows: NDArray[np.uint32]) -> NDArray[np.int32]:
    """Number the different rows, [N] from [N, K]."""
    hashed = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.T:
        hashed = (hashed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        hashed ^= hashed >> np.uint64(29)
    number: NDArray[np.int64] = np.unique(hashed, return_inverse=True)[1]
    return number.astype(np.int32)


def _flattened(vectors: NDArray[np.float64], normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the parts of vectors square to normals, as unit vectors, [..., 3]."""
    return _unit(vectors - normals * (vectors * normals).sum(axis=-1, keepdims=True))


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return vectors of length one; those without length stay as they are, [..., 3]."""
    length = np.sqrt((vectors**2).sum(axis=-1, keepdims=True))
    unit: NDArray[np.float64] = vectors / np.where(length > 1e-20, length, np.inf)
    return unit


def _any_tangent(normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a unit vector square to each normal, [N, 3]."""
    helper = np.eye(3)[np.abs(normals).argmin(axis=-1)]
    return _unit(np.cross(helper, normals))
