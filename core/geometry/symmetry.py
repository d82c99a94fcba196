# SPDX-License-Identifier: GPL-3.0-or-later
"""The same on the left as on the right: one half of a surface, mirrored at x = 0.

Both halves are one mesh seen twice, with x and -x to the last bit, sharing the vertices of the
seam. The field of the result is the field folded at the plane: asked at (|x|, y, z) on the side
that was kept.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .grid import axis_coordinates

Side = Literal[-1, 1]
"""Where x is negative, or positive: seen from the front, the object's left in Blender is +X."""

_NEAR = 1e-6
"""What counts as on the plane; vertices keep four times as much from the ends of grid edges."""


def larger_side(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> Side:
    """Return the side with more surface; the positive one of two equal ones."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    is_right = (a + b + c)[:, 0] > 0
    return 1 if areas[is_right].sum() >= areas[~is_right].sum() else -1


def fold(points: Tensor, side: Side) -> Tensor:
    """Return points moved to one side by mirroring, [P, 3]."""
    return torch.cat([side * points[:, :1].abs(), points[:, 1:]], dim=1)


def cut_half(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], resolution: int, side: Side
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return the half of a mesh on one side, turned to x >= 0, its border on the plane x = 0.

    Where the plane runs between nodes of the grid the half ends at the nodes beside it, and its
    border is moved over by half a cell: no face has to be cut, and none gets thin.

    Args:
        vertices: of a mesh from marching cubes, whose faces cross no plane of nodes, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
        resolution: nodes per axis of that grid.
        side: the half to keep.
    """
    axis = axis_coordinates(resolution, torch.device("cpu")).numpy()
    plane = float(axis[resolution // 2] if side > 0 else -axis[(resolution - 1) // 2])
    turned = vertices.copy()
    turned[:, 0] *= side
    distance = turned[:, 0] - plane
    corners = distance[faces]
    # A face that lies in the plane would be there twice after mirroring.
    kept = (corners > -_NEAR).all(axis=1) & (corners > _NEAR).any(axis=1)
    half = faces[kept] if side > 0 else faces[kept][:, ::-1]
    turned[np.abs(distance) <= _NEAR, 0] = 0.0
    used = np.zeros(len(vertices), dtype=bool)
    used[half] = True
    renumbered = np.cumsum(used) - 1
    return turned[used], np.ascontiguousarray(renumbered[half].astype(np.int32))


def mirror_half(
    vertices: NDArray[np.float32], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return a half at x >= 0 together with its mirror image, joined where x is 0.

    The first vertices and faces are those of the half, in their order; faces of the image follow
    in the same order.
    """
    is_seam = vertices[:, 0] == 0
    image = vertices[~is_seam] * np.array([-1, 1, 1], dtype=np.float32)
    number = np.where(is_seam, np.arange(len(vertices)), len(vertices) - 1 + np.cumsum(~is_seam))
    turned = number[faces][:, ::-1].astype(np.int32)
    return np.concatenate([vertices, image]), np.concatenate([faces, turned])


def mirror_normals(
    vertices: NDArray[np.float32], normals: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the normals of a mesh from `mirror_half`, from those of its half.

    Args:
        vertices: of the half, [V, 3].
        normals: of the same, [V, 3]; those of the seam are turned into the plane.
    """
    is_seam = vertices[:, 0] == 0
    own = normals.copy()
    own[is_seam, 0] = 0.0
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), np.float32(1e-20))
    image = own[~is_seam] * np.array([-1, 1, 1], dtype=np.float32)
    return np.concatenate([own, image])
