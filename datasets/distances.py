# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distances to a closed surface, by Blender's tree of its triangles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.asset import Places, Surface
from ..core.pixels import encode_srgb

_DIRECTIONS = np.array([[0.61, 0.53, 0.59], [-0.47, 0.71, 0.52], [0.31, -0.64, 0.70]])
"""Of the rays that tell the inside; along no axis, where flat faces and their edges lie."""
_STEP = 1e-5
"""Past a surface that was hit, in the box's units."""
_MAX_CROSSINGS = 512


def signed_distances(surface: Surface, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return points with their distance, positive inside, and the nearest base colour, [Q, 7].

    Inside is where a ray leaves the surface more or less often than it enters it (a winding number
    that is not zero): parts may overlap, shells leave their cavity empty, and parts that are inside
    out count. Two of three rays decide, since one may slip through an edge.

    Args:
        surface: closed, see `core.assets_in.closed`, in [-1, 1]^3.
        points: [Q, 3].
    """
    from mathutils.bvhtree import BVHTree

    tree = BVHTree.FromPolygons(surface.vertices.tolist(), surface.faces.tolist())
    directions = (_DIRECTIONS / np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)).tolist()
    nearest = [tree.find_nearest(point) for point in points.tolist()]
    inside = np.array([_is_inside(tree, point, directions) for point in points.tolist()])
    distance = np.array([hit[3] for hit in nearest], dtype=np.float32)
    places = _places(
        surface,
        np.array([hit[2] for hit in nearest], dtype=np.int64),
        np.array([hit[0][:] for hit in nearest], dtype=np.float64),
    )
    signed = np.where(inside, distance, -distance)[:, None]
    colors = encode_srgb(surface.colors(places))
    rows: NDArray[np.float32] = np.concatenate([points, signed, colors], axis=1, dtype=np.float32)
    return rows


def _is_inside(tree: Any, point: list[float], directions: list[list[float]]) -> bool:
    return sum(_winding(tree, point, direction) != 0 for direction in directions) >= 2


def _winding(tree: Any, point: list[float], direction: list[float]) -> int:
    """Return how often a ray leaves the surface more than it enters it."""
    from mathutils import Vector

    start, along, balance = Vector(point), Vector(direction), 0
    for _ in range(_MAX_CROSSINGS):
        location, normal, _, _ = tree.ray_cast(start, along)
        if location is None:
            break
        balance += 1 if normal.dot(along) > 0 else -1
        start = location + along * _STEP
    return balance


def _places(surface: Surface, faces: NDArray[np.int64], points: NDArray[np.float64]) -> Places:
    """Return where points on triangles lie, as weights of the corners."""
    corners = surface.corners[faces].astype(np.float64)
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    p = points - corners[:, 0]
    aa, ab, bb = (np.einsum("pk,pk->p", *pair) for pair in ((a, a), (a, b), (b, b)))
    pa, pb = (np.einsum("pk,pk->p", p, side) for side in (a, b))
    # A triangle without area is a point or a line: its first corner will do.
    divisor = np.where((det := aa * bb - ab * ab) > 0, det, np.inf)
    second, third = (bb * pa - ab * pb) / divisor, (aa * pb - ab * pa) / divisor
    weights = np.stack([1 - second - third, second, third], axis=1).clip(0, 1)
    return Places(faces, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))
