# SPDX-License-Identifier: GPL-3.0-or-later
"""Simple closed meshes around an object, for physics engines to collide with.

Engines take few vertices: PhysX at most 255 vertices and faces of a convex shape, others advise
64. A hull with 64 vertices has at most 124 triangles. With scipy not among the packages that are
installed, the hull is made here; it is far smaller than what scipy's is made for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..mesh import HullData

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_HULL_VERTICES = 64

_NUM_DIRECTIONS = 512
"""Directions in which the farthest vertices are looked for: the rest lies behind those."""

_CHUNK = 1 << 13

_TOLERANCE = 1e-9
"""Distance at which a point is outside, over the size of the object."""

_MARGIN = 1e-6
"""What the hull is larger than needed, relative to its size."""

_ROUNDING = 2e-7
"""Of three coordinates in single precision, relative to the farthest from the origin."""

_FLAT = 1e-4
"""Thickness over distance from the origin below which rounding would eat a hull."""


def box_around(vertices: NDArray[np.float32]) -> HullData:
    """Return the smallest box along the axes that contains the vertices, [V, 3].

    Along the axes even where a turned one were smaller: engines know such boxes by their size
    alone, and what stands on the ground keeps standing.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    corner = np.arange(8)[:, None] >> np.arange(3) & 1
    places = np.where(corner == 1, high, low).astype(np.float32)
    quads = ((0, 4, 6, 2), (1, 3, 7, 5), (0, 1, 5, 4), (2, 6, 7, 3), (0, 2, 3, 1), (4, 5, 7, 6))
    faces = [corners for a, b, c, d in quads for corners in ((a, b, c), (a, c, d))]
    return HullData(vertices=places, faces=np.array(faces, dtype=np.int32))


def convex_hull(
    vertices: NDArray[np.float32],
    *,
    max_vertices: int = MAX_HULL_VERTICES,
    check: Check = ignore,
) -> HullData:
    """Return a convex mesh that contains the vertices, [V, 3].

    It is the hull itself where that has few enough vertices. Else the hull of the vertices that
    stand out most, a little enlarged. What has no volume gets its box.

    Args:
        max_vertices: of the hull, at least four.
        check: called between pieces of work; may raise to stop.
    """
    frame = _Frame.around(vertices)
    points = frame.to_unit(vertices)
    candidates = points[_farthest(points, check)]
    hull = _Hull.start(candidates)
    if hull is None or frame.thickness < _FLAT * float(np.abs(vertices).max()):
        return box_around(vertices)
    while hull.num_vertices < max_vertices and hull.grow():
        check()
    return _enlarged(hull, points, vertices, frame, check)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Coordinates along the longest and shortest directions of an object, from -1 to 1 in each.

    What is convex is so in any such frame, and flat things are as good as thick ones.
    """

    centre: Floats
    axes: Floats
    """Rows are the directions, as long as half the object in each, [3, 3]."""

    @classmethod
    def around(cls, vertices: NDArray[np.float32]) -> _Frame:
        places = vertices.astype(np.float64)
        middle = places.mean(axis=0)
        _, directions = np.linalg.eigh(np.cov((places - middle).T))
        if np.linalg.det(directions) < 0:  # a mirror image would be inside out
            directions[:, 0] *= -1
        along = (places - middle) @ directions
        low, high = along.min(axis=0), along.max(axis=0)
        half = np.maximum((high - low) / 2, 1e-9 * max(float((high - low).max()), 1e-30))
        centre = middle + directions @ ((low + high) / 2)
        return cls(centre, (directions * half).T)

    @property
    def thickness(self) -> float:
        """Half the object in its thinnest direction."""
        return float(np.linalg.norm(self.axes, axis=1).min())

    def to_unit(self, places: NDArray[np.float32]) -> Floats:
        lengths = np.square(self.axes).sum(axis=1)
        result: Floats = (places - self.centre) @ (self.axes.T / lengths)
        return result

    def from_unit(self, points: Floats) -> Floats:
        result: Floats = points @ self.axes + self.centre
        return result


def _farthest(points: Floats, check: Check) -> Ints:
    """Return which points are the farthest ones in any of many directions."""
    # Evenly spread over the sphere, on a spiral (Gonzalez 2010, arXiv:0912.4540).
    step = np.arange(_NUM_DIRECTIONS) + 0.5
    height = 1 - 2 * step / _NUM_DIRECTIONS
    angle = np.pi * (1 + 5**0.5) * step
    radius = np.sqrt(1 - height**2)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=1)
    reach = np.full(_NUM_DIRECTIONS, -np.inf)
    found = np.zeros(_NUM_DIRECTIONS, dtype=np.int64)
    for start in range(0, len(points), _CHUNK):
        check()
        along = directions @ points[start : start + _CHUNK].T
        best = along.argmax(axis=1)
        farthest = along[np.arange(_NUM_DIRECTIONS), best]
        found = np.where(farthest > reach, start + best, found)
        reach = np.maximum(reach, farthest)
    return np.unique(found)


class _Hull:
    """The convex hull of some of the points, which grows by the one that is farthest outside.

    Barber, Dobkin and Huhdanpaa (1996), "The Quickhull Algorithm for Convex Hulls".
    """

    def __init__(self, points: Floats, faces: Ints) -> None:
        self.points = points
        self.faces = faces  # [F, 3]
        self._outside = points
        self._number = np.arange(len(points))

    @classmethod
    def start(cls, points: Floats) -> _Hull | None:
        """Return a tetrahedron of points that are far apart; None if they lie in a plane."""
        a = int(points[:, 0].argmin())
        b = int(np.square(points - points[a]).sum(axis=1).argmax())
        along = points[b] - points[a]
        c = int(np.square(np.cross(points - points[a], along)).sum(axis=1).argmax())
        normal = np.cross(along, points[c] - points[a])
        heights = (points - points[a]) @ normal
        d = int(np.abs(heights).argmax())
        if abs(heights[d]) <= _TOLERANCE * max(float(np.linalg.norm(normal)), 1e-30):
            return None
        if heights[d] > 0:
            a, b = b, a
        return cls(points, np.array([(a, b, c), (a, d, b), (b, d, c), (c, d, a)]))

    @property
    def num_vertices(self) -> int:
        """How many points are corners of the hull."""
        return len(np.unique(self.faces))

    def planes(self) -> tuple[Floats, Floats]:
        """Return the outward unit normals of the faces, [F, 3], and how far out they lie, [F]."""
        a, b, c = self.points[self.faces].transpose(1, 0, 2)
        normals = np.cross(b - a, c - a)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        return normals, np.einsum("fi,fi->f", normals, a)

    def grow(self) -> bool:
        """Take in the point that is farthest outside; return whether there was one."""
        normals, reach = self.planes()
        heights = self._outside @ normals.T - reach
        highest = heights.max(axis=1)
        if not len(highest) or highest.max() <= _TOLERANCE:
            return False
        best = int(highest.argmax())
        is_lit = heights[best] > _TOLERANCE
        lit = self.faces[is_lit]
        start, end = lit.ravel(), np.roll(lit, -1, axis=1).ravel()
        count = len(self.points)
        rim = ~np.isin(start * count + end, end * count + start)
        tips = np.full(int(rim.sum()), self._number[best])
        cone = np.stack([start[rim], end[rim], tips], axis=1)
        self.faces = np.concatenate([self.faces[~is_lit], cone])
        remains = highest > _TOLERANCE
        remains[best] = False
        self._outside, self._number = self._outside[remains], self._number[remains]
        return True


def _enlarged(
    hull: _Hull, points: Floats, vertices: NDArray[np.float32], frame: _Frame, check: Check
) -> HullData:
    """Return a hull scaled around its centre until it contains every vertex."""
    used, faces = np.unique(hull.faces, return_inverse=True)
    corners = hull.points[used]
    centre = corners.mean(axis=0)
    normals, reach = hull.planes()
    depth = reach - normals @ centre
    factor = 1.0
    for start in range(0, len(points), _CHUNK):
        check()
        along = (points[start : start + _CHUNK] - centre) @ normals.T
        factor = max(factor, float((along / depth).max()))
    margin = _MARGIN + _ROUNDING * float(np.abs(vertices).max()) / frame.thickness
    places = frame.from_unit(centre + (corners - centre) * (factor + margin))
    return HullData(vertices=places.astype(np.float32), faces=faces.reshape(-1, 3).astype(np.int32))
