# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rays meet a triangle mesh: a uniform grid that all rays walk at once, in numpy alone.

The walk is that of Amanatides and Woo (1987), "A Fast Voxel Traversal Algorithm for Ray Tracing";
the test of a triangle that of Möller and Trumbore (1997). Blender's Python brings no tree to
search in, and the print check has to work before anything else is installed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
Indices: TypeAlias = NDArray[np.integer[Any]]
"""Of vertices, of any width."""

RAYS_AT_ONCE = 16_384
MAX_CELLS_PER_AXIS = 128
MAX_ENTRIES_PER_FACE = 12
"""Boxes of long slanted triangles cover many cells: beyond this the grid is made coarser."""
SPARE_ENTRIES = 200_000
PAD = 1e-6
"""Share of a cell by which triangles reach into its neighbors, so that rounding loses none."""
EDGE_SLACK = 1e-9
"""Of barycentric coordinates: a ray along a shared edge meets one of both triangles, not none."""


@dataclass(frozen=True, slots=True)
class Hits:
    """The first triangle that each ray meets."""

    distance: Floats
    """Along the ray; infinite where it meets none, [R]."""
    face: Ints
    """-1 where there is none, [R]."""


class RayGrid:
    """A triangle mesh, sorted into the cells of a grid."""

    def __init__(self, vertices: Floats, faces: Indices, check: Check = ignore) -> None:
        """Sort the triangles.

        Args:
            vertices: positions, [V, 3].
            faces: vertex indices, [F, 3], at least one.
            check: called between pieces of work; raises to stop.
        """
        corners = vertices[faces]
        self._origin = corners[:, 0]
        self._edge1 = corners[:, 1] - corners[:, 0]
        self._edge2 = corners[:, 2] - corners[:, 0]
        self.normals = unit(np.cross(self._edge1, self._edge2))
        low, high = corners.min(axis=1), corners.max(axis=1)
        self._low = low.min(axis=0)
        extent = high.max(axis=0) - self._low
        per_axis = min(max(2.0, (len(faces) / 6) ** 0.5), float(MAX_CELLS_PER_AXIS))
        while True:
            check()
            self._size = max(float(extent.max()), 1e-30) / per_axis
            self._shape = np.floor(extent / self._size).astype(np.int64) + 1
            first, last = self._cells_of(low - PAD * self._size), self._cells_of(high, PAD)
            entries = (last - first + 1).prod(axis=1)
            if entries.sum() <= MAX_ENTRIES_PER_FACE * len(faces) + SPARE_ENTRIES or per_axis <= 2:
                break
            per_axis = max(2.0, per_axis / 2)
        self._sort(first, last, entries, check)

    def first_hits(
        self,
        origins: Floats,
        directions: Floats,
        limits: Floats,
        labels: Ints,
        skipped: Ints,
        check: Check = ignore,
    ) -> Hits:
        """Find what each ray meets first.

        Args:
            origins: where the rays start, inside the bounds of the mesh, [R, 3].
            directions: unit vectors, [R, 3].
            limits: how far each ray reaches, [R].
            labels: a number for each face, [F].
            skipped: the label of the faces that each ray passes through, [R].
            check: called between pieces of work; raises to stop.
        """
        distance, face = np.full(len(origins), np.inf), np.full(len(origins), -1, dtype=np.int64)
        for start in range(0, len(origins), RAYS_AT_ONCE):
            rows = slice(start, start + RAYS_AT_ONCE)
            rays = _Rays(origins[rows], directions[rows], limits[rows], skipped[rows])
            self._walk(rays, labels, check)
            is_hit = rays.face >= 0
            distance[rows] = np.where(is_hit, rays.best, np.inf)
            face[rows] = rays.face
        return Hits(distance, face)

    def _cells_of(self, points: Floats, pad: float = 0.0) -> Ints:
        cells = np.floor((points - self._low) / self._size + pad).astype(np.int64)
        clipped: Ints = np.clip(cells, 0, self._shape - 1)
        return clipped

    def _sort(self, first: Ints, last: Ints, entries: Ints, check: Check) -> None:
        """List the faces of every cell: those whose plane and bounds meet it."""
        face = np.repeat(np.arange(len(first)), entries)
        rank = np.arange(len(face)) - np.repeat(np.cumsum(entries) - entries, entries)
        span = (last - first + 1)[face]
        cell = first[face]
        cell[:, 2] += rank % span[:, 2]
        rank //= span[:, 2]
        cell[:, 1] += rank % span[:, 1]
        cell[:, 0] += rank // span[:, 1]
        check()
        middle = (cell + 0.5) * self._size + self._low - self._origin[face]
        normal = self.normals[face]
        reach = (0.5 + PAD) * self._size * np.abs(normal).sum(axis=1)
        meets = np.abs(np.einsum("ei,ei->e", middle, normal)) <= reach + 1e-12 * self._size
        check()
        flat = np.ravel_multi_index(tuple(cell[meets].T), tuple(self._shape))
        order = np.argsort(flat, kind="stable")
        self._faces = face[meets][order]
        self._counts = np.bincount(flat, minlength=int(self._shape.prod()))
        self._starts = np.cumsum(self._counts) - self._counts

    def _walk(self, rays: _Rays, labels: Ints, check: Check) -> None:
        """Take every ray from cell to cell until it has met something or leaves the grid."""
        cell = self._cells_of(rays.origin)
        forward = rays.direction > 0
        step = np.where(forward, 1, -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            border = (cell + forward) * self._size + self._low
            leaves = (border - rays.origin) / rays.direction
            pace = self._size / np.abs(rays.direction)
        is_parallel = rays.direction == 0
        leaves[is_parallel], pace[is_parallel] = np.inf, np.inf
        flat = np.ravel_multi_index(tuple(cell.T), tuple(self._shape))
        jump = step * np.array([self._shape[1] * self._shape[2], self._shape[2], 1])
        # Steps that remain on each axis before the ray is outside.
        room = np.where(forward, self._shape - 1 - cell, cell)
        ray = np.arange(len(cell))
        while len(ray):
            check()
            self._meet(rays, ray, flat, labels)
            axis = leaves.argmin(axis=1)
            row = np.arange(len(ray))
            goes_on = (rays.best[ray] > leaves[row, axis]) & (room[row, axis] > 0)
            if not goes_on.all():
                ray, flat, leaves, room = (
                    ray[goes_on],
                    flat[goes_on],
                    leaves[goes_on],
                    room[goes_on],
                )
                pace, jump, axis = pace[goes_on], jump[goes_on], axis[goes_on]
                row = np.arange(len(ray))
            flat = flat + jump[row, axis]
            leaves[row, axis] += pace[row, axis]
            room[row, axis] -= 1

    def _meet(self, rays: _Rays, ray: Ints, flat: Ints, labels: Ints) -> None:
        """Try the triangles of the cell that each ray is in."""
        count = self._counts[flat]
        pair_ray = np.repeat(ray, count)
        if not len(pair_ray):
            return
        rank = np.arange(len(pair_ray)) - np.repeat(np.cumsum(count) - count, count)
        face = self._faces[np.repeat(self._starts[flat], count) + rank]
        is_tried = labels[face] != rays.skipped[pair_ray]
        pair_ray, face = pair_ray[is_tried], face[is_tried]
        distance = self._distances(rays.origin[pair_ray], rays.direction[pair_ray], face)
        is_nearer = (distance >= 0) & (distance < rays.best[pair_ray])
        pair_ray, face, distance = pair_ray[is_nearer], face[is_nearer], distance[is_nearer]
        # Of several the last one written wins: the nearest, and of equals the first face.
        order = np.lexsort((-face, -distance))
        rays.best[pair_ray[order]] = distance[order]
        rays.face[pair_ray[order]] = face[order]

    def _distances(self, origin: Floats, direction: Floats, face: Ints) -> Floats:
        """Return how far along each ray its triangle is met; NaN where it is not."""
        edge1, edge2 = self._edge1[face], self._edge2[face]
        across = _cross(direction, edge2)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            inverse = 1.0 / _dot(edge1, across)
            offset = origin - self._origin[face]
            u = _dot(offset, across) * inverse
            turned = _cross(offset, edge1)
            v = _dot(direction, turned) * inverse
            distance = _dot(edge2, turned) * inverse
            inside = (u >= -EDGE_SLACK) & (v >= -EDGE_SLACK) & (u + v <= 1 + EDGE_SLACK)
        found: Floats = np.where(inside, distance, np.nan)
        return found


class _Rays:
    """Rays under way, and the nearest that each has met so far."""

    def __init__(self, origin: Floats, direction: Floats, limits: Floats, skipped: Ints) -> None:
        self.origin, self.direction, self.skipped = origin, direction, skipped
        self.best = limits.astype(np.float64, copy=True)
        self.face = np.full(len(origin), -1, dtype=np.int64)


def unit(vectors: Floats) -> Floats:
    """Return vectors at length 1, zero where there is none, [..., 3]."""
    length = np.sqrt(_dot(vectors, vectors))[..., None]
    scaled: Floats = vectors / np.where(length > 0, length, 1.0)
    return scaled


def _dot(a: Floats, b: Floats) -> Floats:
    product = a * b
    summed: Floats = product[..., 0] + product[..., 1] + product[..., 2]
    return summed


def _cross(a: Floats, b: Floats) -> Floats:
    # Half the time of numpy's own on many short rows.
    return np.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )
