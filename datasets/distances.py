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
    out count.

    Args:
        surface: closed, see `core.assets_in.closed`, in [-1, 1]^3.
        points: [Q, 3].
    """
    tree = _Triangles(surface)
    nearest = [tree.bvh.find_nearest(point) for point in points.tolist()]
    inside = np.array([tree.is_inside(point) for point in points.tolist()], dtype=bool)
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


class _Triangles:
    """Triangles to be hit by rays; Blender's tree finds the first, and those that lie on it."""

    def __init__(self, surface: Surface) -> None:
        from mathutils import Vector
        from mathutils.bvhtree import BVHTree

        vertices = [Vector(vertex) for vertex in surface.vertices.tolist()]
        self.faces = surface.faces.tolist()
        self.bvh: Any = BVHTree.FromPolygons(vertices, self.faces)
        self.corners = [[vertices[index] for index in face] for face in self.faces]
        lengths = np.linalg.norm(_DIRECTIONS, axis=1, keepdims=True)
        self.directions = [Vector(each) for each in (_DIRECTIONS / lengths).tolist()]

    def is_inside(self, point: list[float]) -> bool:
        """Tell whether two of three rays say so, since one may slip through an edge."""
        from mathutils import Vector

        start = Vector(point)
        return sum(self.winding(start, along) != 0 for along in self.directions) >= 2

    def winding(self, start: Any, along: Any) -> int:
        """Return how often a ray leaves the triangles more than it enters them."""
        crossed: dict[int, int] = {}
        at = start
        for _ in range(_MAX_CROSSINGS):
            location, normal, index, _ = self.bvh.ray_cast(at, along)
            if location is None:
                break
            crossed[index] = 1 if normal.dot(along) > 0 else -1
            # Faces of parts that touch or overlap may lie in one plane: all of them are crossed.
            for _, other, near, _ in self.bvh.find_nearest_range(location, _STEP):
                if near not in crossed and self._crosses(near, start, along):
                    crossed[near] = 1 if other.dot(along) > 0 else -1
            at = location + along * _STEP
        return sum(crossed.values())

    def _crosses(self, index: int, start: Any, along: Any) -> bool:
        from mathutils.geometry import intersect_ray_tri

        hit = intersect_ray_tri(*self.corners[index], along, start, True)
        return hit is not None and (hit - start).dot(along) > 0


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
