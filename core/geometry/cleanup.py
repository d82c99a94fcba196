# SPDX-License-Identifier: GPL-3.0-or-later
"""Remove what floats around the object."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..topology import connected_components


def remove_specks(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], min_fraction: float = 0.02
) -> tuple[NDArray[np.float32], NDArray[np.int32], int]:
    """Remove closed parts that are small against the largest one.

    Small cavities are parts too: removing one fills it.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
        min_fraction: volume of the smallest part to keep over that of the largest; 0 keeps all.
    Returns:
        The vertices and faces that remain, in their order, and how many parts were removed.
    """
    edges = np.concatenate([faces[:, :2], faces[:, 1:]]).astype(np.int64)
    count, part = connected_components(len(vertices), edges)
    part_of_face = part[faces[:, 0]]
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    six_volumes = np.einsum("fi,fi->f", a, np.cross(b, c))
    volumes = np.abs(np.bincount(part_of_face, six_volumes, minlength=count))
    keep = volumes >= min_fraction * volumes.max(initial=0.0)
    if keep.all():
        return vertices, faces, 0
    keep_vertex = keep[part]
    renumbered = np.cumsum(keep_vertex) - 1
    kept_faces = renumbered[faces[keep[part_of_face]]].astype(np.int32)
    return vertices[keep_vertex], kept_faces, int(count - keep.sum())
