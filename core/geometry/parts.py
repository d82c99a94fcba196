# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh consists of: loose parts, which of them touch or lie in others, and bad edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..topology import connected_components
from .rays import Floats, Ints, RayGrid, unit

PARTS_WITHIN = 256
"""Of the largest parts it is found out which lie in which; smaller ones count as outside."""
PAIRS_AT_ONCE = 4_000_000


@dataclass(frozen=True, slots=True)
class Edges:
    """The edges of a triangle mesh, by how many faces they have."""

    ends: Ints
    """Both vertices of each edge, the smaller first, [E, 2]."""
    num_faces: Ints
    """[E]."""

    @property
    def open_ends(self) -> Ints:
        """The edges with one face, [O, 2]."""
        found: Ints = self.ends[self.num_faces == 1]
        return found

    @property
    def num_crowded(self) -> int:
        """How many edges have more than two faces."""
        return int((self.num_faces > 2).sum())

    def num_holes(self) -> int:
        """Return how many rims the open edges form; rims that touch in a vertex are one."""
        vertices, place = np.unique(self.open_ends, return_inverse=True)
        return connected_components(len(vertices), place.reshape(-1, 2))[0]


def find_edges(faces: NDArray[np.int32]) -> Edges:
    """Collect the edges, [F, 3]."""
    sides = np.concatenate([faces[:, :2], faces[:, 1:], faces[:, ::2]]).astype(np.int64)
    sides.sort(axis=1)
    base = int(faces.max(initial=0)) + 1
    keys, counts = np.unique(sides[:, 0] * base + sides[:, 1], return_counts=True)
    return Edges(np.stack([keys // base, keys % base], axis=1), counts)


def weld_rims(
    vertices: Floats, faces: NDArray[np.int32], tolerance: float
) -> tuple[NDArray[np.int32], int]:
    """Join vertices of open edges that lie in the same place.

    Closed parts are left alone: two that touch in a corner would hang together by nothing.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
        tolerance: side of the cubes into which positions are sorted.
    Returns:
        The faces with fewer different vertices, and how many were joined to others.
    """
    rim = np.unique(find_edges(faces).open_ends)
    if not len(rim):
        return faces, 0
    places = np.rint((vertices[rim] - vertices[rim[0]]) / max(tolerance, 1e-300))
    _, first, group = np.unique(places, axis=0, return_index=True, return_inverse=True)
    target = np.arange(len(vertices))
    target[rim] = rim[first][group.ravel()]
    return target[faces].astype(np.int32), len(rim) - len(first)


def find_parts(num_vertices: int, faces: NDArray[np.int32]) -> tuple[int, Ints]:
    """Return how many loose parts there are and which one each face belongs to, [F].

    What shares a vertex hangs together.
    """
    sides = np.concatenate([faces[:, :2], faces[:, 1:]]).astype(np.int64)
    _, part = connected_components(num_vertices, sides)
    _, of_faces = np.unique(part[faces[:, 0]], return_inverse=True)
    return int(of_faces.max(initial=-1)) + 1, of_faces


def find_within(
    vertices: Floats, faces: NDArray[np.int32], part: Ints, areas: Floats, check: Check = ignore
) -> Ints:
    """Find out which closed parts lie inside others.

    Counts how often a ray upward from each part goes through each other one: inside, an odd number
    of times. A ray that passes exactly between two faces goes through one of them.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
        part: of each face, [F].
        areas: of each face, [F].
        check: called between pieces of work; raises to stop.
    Returns:
        Pairs of parts, what is inside first, [N, 2].
    """
    count = int(part.max(initial=-1)) + 1
    sizes = np.bincount(part, areas, minlength=count)
    tried = np.sort(np.argsort(-sizes, kind="stable")[:PARTS_WITHIN])
    largest = np.lexsort((-areas, part))
    first = largest[np.searchsorted(part[largest], tried)]
    points = vertices[faces[first]].mean(axis=1)
    corners = vertices[faces]
    pairs = []
    step = max(1, PAIRS_AT_ONCE // max(1, len(faces)))
    for start in range(0, len(tried), step):
        check()
        some = slice(start, start + step)
        inside = _odd_crossings(points[some], corners, part, count)
        inside[np.arange(len(tried[some])), tried[some]] = False
        row, other = np.nonzero(inside)
        pairs.append(np.stack([tried[some][row], other], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def _odd_crossings(points: Floats, corners: Floats, part: Ints, count: int) -> NDArray[np.bool_]:
    """Tell of points and parts whether rays upward cross them an odd number of times, [P, N]."""
    low, high = corners[:, :, :2].min(axis=1), corners[:, :, :2].max(axis=1)
    near = (corners[:, :, 2].max(axis=1) >= points[:, None, 2]) & (low[:, 0] <= points[:, None, 0])
    near &= (high[:, 0] >= points[:, None, 0]) & (low[:, 1] <= points[:, None, 1])
    near &= high[:, 1] >= points[:, None, 1]
    row, face = np.nonzero(near)
    point, triangle = points[row], corners[face]
    crossed = np.zeros(len(row), dtype=bool)
    for start, end in ((0, 1), (1, 2), (2, 0)):
        crossed ^= _passes_left(point, triangle[:, start], triangle[:, end])
    normal = np.cross(triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0])
    # Above: on the same side of the plane as what is above it is not.
    above = np.einsum("ni,ni->n", normal, triangle[:, 0] - point) * np.sign(normal[:, 2]) > 0
    hits = np.zeros((len(points), count), dtype=np.int64)
    np.add.at(hits, (row, part[face]), crossed & above)
    is_odd: NDArray[np.bool_] = hits % 2 == 1
    return is_odd


def _passes_left(point: Floats, a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Tell whether the edge, seen from above, crosses the line from a point towards +X."""
    # The same arithmetic from either side of an edge, so that neighbors cannot disagree.
    swap = ((a[:, 1] > b[:, 1]) | ((a[:, 1] == b[:, 1]) & (a[:, 0] > b[:, 0])))[:, None]
    a, b = np.where(swap, b, a), np.where(swap, a, b)
    spans = (a[:, 1] <= point[:, 1]) & (point[:, 1] < b[:, 1])
    rise = np.where(spans, b[:, 1] - a[:, 1], 1.0)
    crossing = a[:, 0] + (point[:, 1] - a[:, 1]) / rise * (b[:, 0] - a[:, 0])
    passes: NDArray[np.bool_] = spans & (point[:, 0] < crossing)
    return passes


def find_contacts(
    vertices: Floats,
    faces: NDArray[np.int32],
    part: Ints,
    tolerance: float,
    check: Check = ignore,
) -> Ints:
    """Find the parts that run into one another or come as near as a tolerance.

    Two surfaces meet where an edge of one goes through a face of the other. Of several parts that
    an edge meets, only the nearest is told; nearness is looked for at the vertices.

    Returns:
        Pairs of parts, [N, 2]; a pair may stand there twice.
    """
    ends = find_edges(faces).ends
    check()
    of_vertex = np.full(len(vertices), -1, dtype=np.int64)
    of_vertex[faces] = part[:, None]
    used = np.flatnonzero(of_vertex >= 0)
    normals = _vertex_normals(vertices, faces)[used]
    grid = RayGrid(vertices, faces, check)
    along = vertices[ends[:, 1]] - vertices[ends[:, 0]]
    # From just inside to just outside.
    origins = np.concatenate([vertices[ends[:, 0]], vertices[used] - tolerance * normals])
    directions = np.concatenate([unit(along), normals])
    reach = np.concatenate([np.linalg.norm(along, axis=1), np.full(len(used), 2 * tolerance)])
    own = np.concatenate([of_vertex[ends[:, 0]], of_vertex[used]])
    hits = grid.first_hits(origins, directions, reach, labels=part, skipped=own, check=check)
    met = hits.face >= 0
    return np.stack([own[met], part[hits.face[met]]], axis=1)


def _vertex_normals(vertices: Floats, faces: NDArray[np.int32]) -> Floats:
    a, b, c = vertices[faces].transpose(1, 0, 2)
    weighted = np.cross(b - a, c - a)
    normals: Floats = np.stack(
        [
            np.bincount(faces.ravel(), np.repeat(weighted[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=1,
    )
    return unit(normals)
