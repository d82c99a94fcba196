# SPDX-License-Identifier: GPL-3.0-or-later
"""The 256 cases of marching cubes, derived rather than listed.

Corners of a cell are numbered x + 2y + 4z and edges 0..11 (x edges, then y, then z; within an axis
the lower of the two other axes varies fastest). On each face of the cell the surface separates
the *positive* corners, so two cells always agree about the face they share: the mesh is closed
and every edge has two faces (the ambiguity of Lorensen and Cline, 1987, cannot open holes).
The segments of the six faces join into closed polygons, and only how a polygon is cut into
triangles remains to be chosen. `_CUTS` makes the choice that Shap-E's published table makes, so
that all 256 cases hold the same triangles; no cut lies in a face of the cell, where it could
coincide with a cut of the neighbour.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

MAX_TRIANGLES = 5

_CUTS = (
    "101120211120511b02130100b05022001210b2001231077110402121cb0131b41421310cb480010410"
    "8051c8023b322c123c17310111322b3312051103c2c3100420104833142c211bc018c0284073111102"
    "b27112713001217c1c3b330002227b33331331110303110001"
)
"""Which triangulation each polygon of four or more corners takes, base 36, in order of cases."""

_Polygon = tuple[int, ...]
_Triangle = tuple[int, int, int]


@cache
def edge_corners() -> tuple[tuple[int, int], ...]:
    """Return the lower and the upper corner of each of the 12 edges."""
    edges: list[tuple[int, int]] = []
    for axis in range(3):
        low, high = (1 << other for other in range(3) if other != axis)
        edges += [(start, start | 1 << axis) for start in (0, low, high, low | high)]
    return tuple(edges)


@cache
def triangle_table() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the triangles of each case and how many there are.

    Bit c of a case is set where corner c is positive (inside). Triangles name cell edges,
    counter-clockwise seen from the negative side (outside).

    Returns:
        Edges of the triangles, unused rows zero, [256, 5, 3], and their number, [256].
    """
    triangles = np.zeros((256, MAX_TRIANGLES, 3), dtype=np.int64)
    counts = np.zeros(256, dtype=np.int64)
    cuts = iter(_CUTS)
    for case in range(256):
        found: list[_Triangle] = []
        for polygon in _polygons(case):
            choice = int(next(cuts), 36) if len(polygon) > 3 else 0
            found += _valid_triangulations(polygon)[choice]
        counts[case] = len(found)
        triangles[case, : len(found)] = np.array(found, dtype=np.int64).reshape(-1, 3)
    triangles.setflags(write=False)
    counts.setflags(write=False)
    return triangles, counts


def _polygons(case: int) -> list[_Polygon]:
    """Return the closed polygons in which the surface crosses a cell, as rings of edges."""
    following = dict(segment for ring in _face_rings() for segment in _segments(case, ring))
    polygons = []
    while following:
        edge = min(following)
        polygon = []
        while edge in following:
            polygon.append(edge)
            edge = following.pop(edge)
        polygons.append(tuple(polygon))
    return polygons


def _segments(case: int, ring: list[int]) -> list[tuple[int, int]]:
    """Return the surface's segments on one face: one around each run of positive corners."""
    positive = [bool(case >> corner & 1) for corner in ring]
    segments = []
    for start in range(4):
        if positive[start] and not positive[start - 1]:
            stop = next(k for k in range(start, start + 4) if not positive[(k + 1) % 4])
            entry = _edge_between(ring[start - 1], ring[start])
            leave = _edge_between(ring[stop % 4], ring[(stop + 1) % 4])
            segments.append((entry, leave))
    return segments


def _edge_between(first: int, second: int) -> int:
    return edge_corners().index((min(first, second), max(first, second)))


@cache
def _face_rings() -> list[list[int]]:
    """Return the corners of each cell face, counter-clockwise seen from outside the cell."""
    rings = []
    for axis in range(3):
        second, third = 1 << (axis + 1) % 3, 1 << (axis + 2) % 3
        ring = [0, second, second | third, third]
        rings.append(ring[::-1])
        rings.append([corner | 1 << axis for corner in ring])
    return rings


def _valid_triangulations(polygon: _Polygon) -> list[list[_Triangle]]:
    """Return the triangulations of a polygon that have no cut within a face of the cell."""
    return [
        [(polygon[i], polygon[j], polygon[k]) for i, j, k in triangles]
        for triangles, cuts in _triangulations(len(polygon))
        if not any(_share_face(polygon[i], polygon[j]) for i, j in cuts)
    ]


@cache
def _triangulations(size: int) -> list[tuple[list[_Triangle], list[tuple[int, int]]]]:
    """Return every triangulation of a polygon with its cuts, by the corners' places in it.

    Ordered by the corner that makes a triangle with the first and the last one.
    """
    found = []
    for triangles in _fans(0, size - 1):
        sides = {pair for a, b, c in triangles for pair in ((a, b), (b, c))}
        cuts = [(a, b) for a, b in sorted(sides) if b - a > 1]
        found.append((triangles, cuts))
    return found


def _fans(first: int, last: int) -> list[list[_Triangle]]:
    if last - first < 2:
        return [[]]
    return [
        [*left, (first, apex, last), *right]
        for apex in range(first + 1, last)
        for left in _fans(first, apex)
        for right in _fans(apex, last)
    ]


@cache
def _share_face(first: int, second: int) -> bool:
    """Whether two cell edges lie in a common face: all four corners agree on a coordinate."""
    (a, b), (c, d) = edge_corners()[first], edge_corners()[second]
    return bool((a & b & c & d | ~(a | b | c | d)) & 7)
