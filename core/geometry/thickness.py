# SPDX-License-Identifier: GPL-3.0-or-later
"""How thick the walls of a closed mesh are.

Rays go inward from points of the surface, one along the normal and some around it, as for the
shape diameter of Shapira et al. (2008), "Consistent mesh partitioning and skeletonisation using
the shape diameter function". What each meets gives the ball that touches the surface in the point
and passes through what was met: d / cos(a) across for a ray of length d at the angle a to the
normal, which is one step of the shrinking ball of Ma et al. (2012), "3D medial axis point
approximation using nearest neighbors and the normal field". The thickness is the smallest of
these diameters. For slabs, spheres, round bars and tubes it is the thickness exactly, and in a
cone of half-angle b, at the distance s from the tip, at most s tan(2b) and at least 2 s tan(b).

Only surfaces that face away from the point count: with all, every edge of a solid cube would be
as thin as one likes, because the rays around the normal meet the side next to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..topology import link_faces
from .rays import Floats, Indices, Ints, RayGrid, unit

NUM_SAMPLES = 6_000
"""Points on the surface. The share of thin walls is a mean over them, so that its standard error
is below sqrt(p (1 - p) / 6000): 0.6 of a hundred where half is thin, 0.13 where 1 % is."""
CONE_DEGREES = 25.0
NUM_AROUND = 6
MAX_FACING = -0.5
"""Largest cosine between two normals that face away from each other: 60 degrees off opposite."""
GOLDEN_ANGLE = np.pi * (3.0 - 5.0**0.5)


@dataclass(frozen=True, slots=True)
class Thickness:
    """Thickness at points of a surface, in the mesh's own unit; infinite beyond the limit."""

    of_samples: Floats
    """[S]."""
    weights: Floats
    """Area that each sample stands for, summing to that of the surface, [S]."""
    of_faces: Floats
    """The smallest of each face's samples; faces without one take their neighbors', [F]."""

    def share_below(self, limit: float) -> float:
        """Return the share of the surface that is thinner than a limit, in [0, 1]."""
        total = float(self.weights.sum())
        return float(self.weights[self.of_samples < limit].sum()) / total if total else 0.0

    def quantile(self, share: float) -> float:
        """Return the thickness that this share of the surface, in [0, 1], does not exceed."""
        order = np.argsort(self.of_samples, kind="stable")
        reached = np.cumsum(self.weights[order])
        if not len(order):
            return float("inf")
        place = np.searchsorted(reached, share * reached[-1])
        return float(self.of_samples[order[min(int(place), len(order) - 1)]])


def measure_thickness(
    vertices: NDArray[np.floating[Any]],
    faces: Indices,
    *,
    limit: float = float("inf"),
    num_samples: int = NUM_SAMPLES,
    check: Check = ignore,
) -> Thickness:
    """Measure how thick the walls are.

    The same mesh gives the same numbers. Vertices must not be infinitely far out.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
        limit: what is thicker need not be measured, which saves most of the time.
        num_samples: about how many points are looked at; meshes with fewer faces get one for
            each face at least.
        check: called between pieces of work; raises to stop.
    """
    points = vertices.astype(np.float64)
    areas = face_areas(points, faces)
    face, weights, barycentric = _spread_samples(areas, num_samples)
    if not len(face):
        return Thickness(np.empty(0), np.empty(0), np.full(len(faces), np.inf))
    check()
    origins = np.einsum("si,sij->sj", barycentric, points[faces[face]])
    grid = RayGrid(points, faces, check)
    thickness = np.full(len(face), np.inf)
    for direction, cosine in _cone(-grid.normals[face]):
        # A ray at an angle is shorter than the ball is wide.
        reach = np.minimum(thickness, limit) * cosine
        hits = grid.first_hits(
            origins, direction, reach, labels=np.arange(len(faces)), skipped=face, check=check
        )
        facing = np.einsum("si,si->s", grid.normals[face], grid.normals[hits.face])
        counts = (hits.face >= 0) & (facing <= MAX_FACING)
        diameter = np.where(counts, hits.distance / cosine, np.inf)
        thickness = np.minimum(thickness, diameter)
    of_faces = np.full(len(faces), np.inf)
    np.minimum.at(of_faces, face, thickness)
    _fill_in(of_faces, np.bincount(face, minlength=len(faces)) > 0, faces, check)
    return Thickness(thickness, weights, of_faces)


def face_areas(points: Floats, faces: Indices) -> Floats:
    """Return the area of each triangle, [F]."""
    a, b, c = points[faces].transpose(1, 0, 2)
    areas: Floats = 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
    return areas


def _spread_samples(areas: Floats, num_samples: int) -> tuple[Ints, Floats, Floats]:
    """Spread points evenly over the surface.

    Returns:
        The face of each, [S]; the area that it stands for, [S]; where it lies, as barycentric
        coordinates well inside the face, [S, 3].
    """
    total = float(areas.sum())
    if total <= 0.0:
        return np.empty(0, dtype=np.int64), np.empty(0), np.empty((0, 3))
    if len(areas) > num_samples:
        # One in each of equal stretches of the summed areas: small faces are seldom among them.
        places = (np.arange(num_samples) + 0.5) * (total / num_samples)
        face = np.searchsorted(np.cumsum(areas), places).clip(0, len(areas) - 1)
        weights = np.full(num_samples, total / num_samples)
        return face, weights, _inside(np.arange(num_samples), np.ones(num_samples, dtype=np.int64))
    counts = np.where(areas > 0, np.maximum(1, np.rint(areas * (num_samples / total))), 0)
    counts = counts.astype(np.int64)
    face = np.repeat(np.arange(len(areas)), counts)
    rank = np.arange(len(face)) - np.repeat(np.cumsum(counts) - counts, counts)
    return face, (areas / np.maximum(counts, 1))[face], _inside(rank, counts[face])


def _inside(rank: Ints, count: Ints) -> Floats:
    """Return evenly spread points of a triangle; the middle where it has only one, [S, 3]."""
    # The R2 sequence of Roberts, folded from the square into the triangle.
    u, v = (0.5 + 0.7548776662466927 * rank) % 1.0, (0.5 + 0.5698402909980532 * rank) % 1.0
    u, v = np.where(u + v > 1.0, 1.0 - u, u), np.where(u + v > 1.0, 1.0 - v, v)
    u, v = np.where(count == 1, 1 / 3, u), np.where(count == 1, 1 / 3, v)
    # On an edge a ray would start in two faces.
    inner: Floats = 0.98 * np.stack([1.0 - u - v, u, v], axis=1) + 0.02 / 3
    return inner


def _cone(axes: Floats) -> list[tuple[Floats, float]]:
    """Return unit vectors along the axes and around them, each with the cosine of its angle."""
    # Any axis that is far from parallel will do to find what is at right angles.
    least = np.abs(axes).argmin(axis=1)
    side = unit(np.cross(axes, np.eye(3)[least]))
    up = np.cross(axes, side)
    # Turned from sample to sample, so that no direction of the object is preferred.
    start = GOLDEN_ANGLE * np.arange(len(axes))
    angle = np.radians(CONE_DEGREES)
    rays = [(axes, 1.0)]
    for number in range(NUM_AROUND):
        turn = (start + 2 * np.pi * number / NUM_AROUND)[:, None]
        around = np.cos(turn) * side + np.sin(turn) * up
        rays.append((np.cos(angle) * axes + np.sin(angle) * around, float(np.cos(angle))))
    return rays


def _fill_in(values: Floats, is_known: NDArray[np.bool_], faces: Indices, check: Check) -> None:
    """Give faces that were not looked at the smallest value of those next to them."""
    pairs = link_faces(faces.astype(np.int32)).faces()
    while not is_known.all():
        check()
        ends = np.concatenate([pairs, pairs[:, ::-1]])
        ends = ends[is_known[ends[:, 0]] & ~is_known[ends[:, 1]]]
        if not len(ends):
            return  # What is left hangs on nothing that was looked at.
        np.minimum.at(values, ends[:, 1], values[ends[:, 0]])
        is_known[ends[:, 1]] = True
