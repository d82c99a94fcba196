# SPDX-License-Identifier: GPL-3.0-or-later
"""The place on a triangle mesh that is nearest to a point, for many points; numpy alone.

Every triangle is listed in the cells of a grid from which it is within reach, so that a point
looks into its own cell only. What finds nothing within reach goes on to a coarser grid.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .interrupt import Check, ignore

_CELL = 0.75
"""Side of the cells of the finest grid, over the mean length of an edge."""

_COARSER = 3.0
"""Side of the cells of each grid over those of the one before."""

_BACK = 6.0
"""How much farther than a place that faces away the one that is taken instead may be, in cells."""

_PAIRS_AT_ONCE = 1 << 16
"""Points and triangles that are compared between two looks whether to stop."""


@dataclass(frozen=True, slots=True)
class Nearest:
    """Where on a mesh the places nearest to points lie."""

    face: NDArray[np.int64]  # [P]
    weights: NDArray[np.float32]
    """Of the corners of the face, adding up to 1, [P, 3]."""

    def interpolate(self, corner_values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return at each place what is known at the corners of faces, [P, C] of [F, 3, C]."""
        found: NDArray[np.float32] = np.einsum(
            "pk,pkc->pc", self.weights, corner_values[self.face], dtype=np.float32
        )
        return found


class NearestFaces:
    """Finds the nearest places on one mesh. Use from one thread at a time."""

    def __init__(self, vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> None:
        """Take vertices [V, 3] and faces [F, 3], at least one."""
        corners = vertices[faces].astype(np.float64)
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        products = [(first * first), (first * second), (second * second)]
        self._triangles = np.concatenate(
            [corners[:, 0], first, second, *(p.sum(axis=1, keepdims=True) for p in products)],
            axis=1,
        ).astype(np.float32)  # corner, both edges, their three products: [F, 12]
        middle = corners.mean(axis=1)
        radius = np.sqrt(((corners - middle[:, None]) ** 2).sum(axis=2).max(axis=1, keepdims=True))
        self._balls = np.concatenate([middle, radius * 1.00001 + 1e-6], axis=1).astype(np.float32)
        across = np.cross(first, second)
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
        self._normals = across.astype(np.float32)
        self._low, self._high = corners.min(axis=1), corners.max(axis=1)
        self._cell = _CELL * max(float(np.sqrt((first**2).sum(axis=1)).mean()), 1e-9)
        self._grids: list[_Grid] = []

    def find(
        self,
        points: NDArray[np.float32],
        check: Check = ignore,
        *,
        normals: NDArray[np.float32] | None = None,
    ) -> Nearest:
        """Return the nearest places on the mesh.

        Args:
            points: finite positions, [P, 3].
            check: called between pieces of work; may raise to stop.
            normals: where given, places on faces that look the other way are taken only if there
                are no others near by, so that both sides of thin parts are told apart, [P, 3].
        """
        face = np.zeros(len(points), dtype=np.int64)
        weights = np.zeros((len(points), 3), dtype=np.float32)
        open_ = np.arange(len(points))
        level = 0
        while len(open_):
            grid = self._grid(level, points)
            counts = grid.counts_at(points[open_])
            ends = np.cumsum(counts)
            left = [open_[counts == 0]]
            done = 0
            while done < len(open_):
                check()
                before = int(ends[done] - counts[done])
                stop = max(
                    done + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right"))
                )
                part = open_[done:stop][counts[done:stop] > 0]
                done = stop
                if len(part):
                    toward = None if normals is None else normals[part]
                    found, found_weights, distance = self._best(grid, points[part], toward)
                    face[part], weights[part] = found, found_weights
                    left.append(part[distance > grid.reach])
            open_ = np.concatenate(left)
            level += 1
        return Nearest(face, weights)

    def on(self, faces: NDArray[np.int64], points: NDArray[np.float32]) -> Nearest:
        """Return the nearest place on one face for each point, [P] and [P, 3]."""
        _, first, second = _compare(points, self._triangles[faces])
        return Nearest(faces, np.stack([1 - first - second, first, second], axis=1))

    def _grid(self, level: int, points: NDArray[np.float32]) -> _Grid:
        while len(self._grids) <= level:
            cell = self._cell * _COARSER ** len(self._grids)
            self._grids.append(_Grid(self._low, self._high, cell))
        grid = self._grids[level]
        if grid.is_single:
            # Beyond it there is only looking at everything.
            everywhere = float(np.abs(points).max() + np.abs(self._high).max() + 1.0)
            return _Grid(self._low, self._high, 8 * everywhere)
        return grid

    def _best(
        self,
        grid: _Grid,
        points: NDArray[np.float32],
        normals: NDArray[np.float32] | None,
    ) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32]]:
        """Return the nearest of the triangles listed for each point, its weights and distance.

        Of those that face away, the distance is what they count as.
        """
        faces, counts = grid.faces_at(points)
        owner = np.repeat(np.arange(len(points)), counts)
        extra = np.zeros(len(faces), dtype=np.float32)
        if normals is not None:
            faces_away = np.einsum("pi,pi->p", normals[owner], self._normals[faces]) < 0
            extra[faces_away] = _BACK * self._cell
        # Most cannot be it: they lie in balls farther off than the far side of another's.
        balls = self._balls[faces]
        away = points[owner] - balls[:, :3]
        middle = np.sqrt(np.einsum("pi,pi->p", away, away))
        farthest = middle + balls[:, 3] + extra
        limit = np.minimum.reduceat(farthest, np.cumsum(counts) - counts)
        near = middle - balls[:, 3] <= limit[owner]
        faces, owner, extra = faces[near], owner[near], extra[near]
        squared, along_first, along_second = _compare(points[owner], self._triangles[faces])
        squared += extra * extra
        starts = np.flatnonzero(np.diff(owner, prepend=-1))
        least = np.minimum.reduceat(squared, starts)
        place = np.flatnonzero(squared == least[owner])
        place = place[np.unique(owner[place], return_index=True)[1]]  # the first of equals
        first, second = along_first[place], along_second[place]
        weights = np.stack([1 - first - second, first, second], axis=1)
        return faces[place], weights, np.sqrt(np.maximum(least, 0))


class _Grid:
    """Which triangles are within reach of each cell."""

    def __init__(self, low: NDArray[np.float64], high: NDArray[np.float64], cell: float) -> None:
        self.reach = cell / 2
        self._cell = cell
        self._origin = low.min(axis=0) - self.reach
        size = high.max(axis=0) + self.reach - self._origin
        self._shape = np.floor(size / cell).astype(np.int64) + 1
        self.is_single = bool((self._shape <= 3).all())
        first = np.floor((low - self.reach - self._origin) / cell).astype(np.int64).clip(0)
        last = np.floor((high + self.reach - self._origin) / cell).astype(np.int64)
        spans = np.minimum(last, self._shape - 1) - first + 1
        face = np.repeat(np.arange(len(low)), spans.prod(axis=1))
        rank = np.arange(len(face)) - np.repeat(
            np.cumsum(spans.prod(axis=1)) - spans.prod(axis=1), spans.prod(axis=1)
        )
        x = first[face, 0] + rank % spans[face, 0]
        rank //= spans[face, 0]
        y = first[face, 1] + rank % spans[face, 1]
        z = first[face, 2] + rank // spans[face, 1]
        key = (x * self._shape[1] + y) * self._shape[2] + z
        order = np.argsort(key, kind="stable")
        self._faces = face[order]
        self._keys, self._starts, self._counts = np.unique(
            key[order], return_index=True, return_counts=True
        )

    def counts_at(self, points: NDArray[np.float32]) -> NDArray[np.int64]:
        """Return how many triangles are listed for each point, [P]."""
        place, is_there = self._places(points)
        counts: NDArray[np.int64] = np.where(is_there, self._counts[place], 0)
        return counts

    def faces_at(self, points: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the triangles listed for all points, one after the other, and how many each."""
        place, _ = self._places(points)
        counts = self._counts[place]
        ends = np.cumsum(counts)
        step = np.arange(int(ends[-1])) - np.repeat(ends - counts, counts)
        return self._faces[np.repeat(self._starts[place], counts) + step], counts

    def _places(self, points: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        cells = np.floor((points - self._origin) / self._cell).astype(np.int64)
        is_inside = ((cells >= 0) & (cells < self._shape)).all(axis=1)
        key = (cells[:, 0] * self._shape[1] + cells[:, 1]) * self._shape[2] + cells[:, 2]
        place = np.searchsorted(self._keys, key).clip(max=len(self._keys) - 1)
        return place, is_inside & (self._keys[place] == key)


def _compare(
    points: NDArray[np.float32], triangles: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the squared distances, and the shares of both edges that lead to the nearest place."""
    away = points - triangles[:, :3]
    square = np.einsum("pi,pi->p", away, away)
    on_first = np.einsum("pi,pi->p", away, triangles[:, 3:6])
    on_second = np.einsum("pi,pi->p", away, triangles[:, 6:9])
    a, b, c = triangles[:, 9], triangles[:, 10], triangles[:, 11]

    def distance(u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (
            square - 2 * (u * on_first + v * on_second) + u * u * a + 2 * u * v * b + v * v * c
        )
        return found

    def kept(share: NDArray[np.float32], length: NDArray[np.float32]) -> NDArray[np.float32]:
        clipped: NDArray[np.float32] = (share / np.maximum(length, 1e-30)).clip(0.0, 1.0)
        return clipped

    zero = np.zeros_like(square)
    third = kept(on_second - b - on_first + a, a - 2 * b + c)
    shares = [(kept(on_first, a), zero), (zero, kept(on_second, c)), (1 - third, third)]
    area = a * c - b * b
    usable = area > 1e-12 * a * c
    scale = np.where(usable, 1 / np.where(usable, area, 1.0), 0.0).astype(np.float32)
    u = (c * on_first - b * on_second) * scale
    v = (a * on_second - b * on_first) * scale
    inside = usable & (u >= 0) & (v >= 0) & (u + v <= 1)
    best = np.where(inside, distance(u, v), np.float32(np.inf)).astype(np.float32)
    for along_first, along_second in shares:
        other = distance(along_first, along_second)
        closer = other < best
        best = np.where(closer, other, best)
        u, v = np.where(closer, along_first, u), np.where(closer, along_second, v)
    return best, u, v
