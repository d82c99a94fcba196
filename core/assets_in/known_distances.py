# SPDX-License-Identifier: GPL-3.0-or-later
"""What the triangles of a closed mesh say about the field of their shape; numpy alone.

Distances of points near a surface do not tell its inside; these are signed. What of the triangles
lies within the shape, where parts of it overlap, is no surface.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..asset import Places, Surface
from ..closest import NearestFaces
from ..inside import Windings
from ..interrupt import Check, ignore
from ..pixels import encode_srgb
from .closed import is_closed, query_points
from .cloud import sample_places

_NEAR = 0.7
"""Share of the queries near the surface, as in the shapes that decoders learn from."""
_ASIDE = 1e-5
"""How far from a triangle its sides are looked at, in the units of the box."""
_EXACT = 0.1
"""Distances below this are to the nearest of all triangles. Farther off, that with the nearest of
many points on them is hardly farther, and found in far less time."""
_MANY_FACES = 60_000
"""With more, the nearest is looked for among fewer: those that do not vanish in cells."""
_CELL = 0.012
"""Side of such a cell, in the units of the box."""
_CELLS = 1 << 13
"""More than there are along a side."""
_POINTS_AT_ONCE = 256


class Known(NamedTuple):
    """Points with what the field should show there."""

    points: NDArray[np.float32]  # [P, 3]
    distance: NDArray[np.float32]
    """Positive inside, [P]."""
    colors: NDArray[np.float32]
    """sRGB in [0, 1] of the nearest place on the surface, [P, 3]."""


def known_distances(
    surface: Surface,
    *,
    num_surface: int = 4096,
    num_queries: int = 2048,
    seed: int = 0,
    check: Check = ignore,
) -> tuple[Known, Known] | None:
    """Return points on a surface and points around it, or None where it encloses nothing.

    Faces may be inside out, and parts may overlap or lie apart.

    Args:
        surface: in the field's box, [-1, 1]^3.
        num_surface: how many places are drawn; those within the shape are left out.
        num_queries: points of known distance.
        seed: chooses both; the same numbers for the same seed.
        check: called between pieces of work; may raise to stop.
    """
    check()
    if not is_closed(surface):
        return None
    check()
    windings = Windings(surface.corners)
    check()
    places = sample_places(surface, num_surface, np.random.default_rng([seed, 2]))
    outer = _on_border(surface, places, windings, check)
    places = Places(places.faces[outer], places.weights[outer])
    if not len(places.faces):
        return None
    points = places.at(surface.corners)
    colors = encode_srgb(surface.colors(places))
    shown = Known(points, np.zeros(len(points), dtype=np.float32), colors)
    return shown, _queries(surface, windings, places, shown, num_queries, seed, check)


def _queries(
    surface: Surface,
    windings: Windings,
    drawn: Places,
    shown: Known,
    count: int,
    seed: int,
    check: Check,
) -> Known:
    near = int(_NEAR * count)
    points = query_points(surface, near, count - near, seed)
    distance, nearest = _to_points(points, shown.points, check)
    places = _places(surface, points, drawn.faces[nearest], distance, check)
    outer = _on_border(surface, places, windings, check)
    places = Places(
        np.where(outer, places.faces, drawn.faces[nearest]),
        np.where(outer[:, None], places.weights, drawn.weights[nearest]),
    )
    distance = np.linalg.norm(places.at(surface.corners) - points, axis=1)
    is_inside = windings.around(points, check) != 0
    signed = np.where(is_inside, distance, -distance).astype(np.float32)
    return Known(points, signed, encode_srgb(surface.colors(places)))


def _places(
    surface: Surface,
    points: NDArray[np.float32],
    faces: NDArray[np.int64],
    distance: NDArray[np.float32],
    check: Check,
) -> Places:
    """Return the nearest places of all triangles, or for far points of those with faces near by.

    Args:
        surface: where to look.
        points: from where, [P, 3].
        faces: that hold a place hardly farther than the nearest, [P].
        distance: of that place, [P].
        check: called between pieces of work.
    """
    faces = faces.copy()
    close = np.flatnonzero(distance < _EXACT)
    if len(close):
        vertices, thinned, origin = _thinned(surface)
        check()
        nearest = NearestFaces(vertices, thinned)
        check()
        faces[close] = origin[nearest.find(points[close], check).face]
    check()
    asked = NearestFaces(surface.vertices, surface.faces[faces])
    return Places(faces, asked.on(np.arange(len(points)), points).weights)


def _thinned(
    surface: Surface,
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.int64]]:
    """Return vertices, faces, and which of the surface's each face is: all, or fewer of many.

    Vertices of one small cell become one of them (Rossignac and Borrel, 1993).
    """
    if len(surface.faces) <= _MANY_FACES:
        return surface.vertices, surface.faces, np.arange(len(surface.faces))
    cells = np.rint(surface.vertices / _CELL).astype(np.int64) + _CELLS // 2
    _, kept, joined = np.unique(
        cells @ [_CELLS**2, _CELLS, 1], return_index=True, return_inverse=True
    )
    faces = np.sort(joined.reshape(-1)[surface.faces], axis=1)
    origin = np.flatnonzero((np.diff(faces, axis=1) > 0).all(axis=1))
    named = faces[origin] @ [len(kept) ** 2, len(kept), 1]
    origin = origin[np.unique(named, return_index=True)[1]]
    return surface.vertices[kept], faces[origin].astype(np.int32), origin


def _on_border(
    surface: Surface, places: Places, windings: Windings, check: Check
) -> NDArray[np.bool_]:
    """Tell which places have the inside on one side and the outside on the other, [P]."""
    corners = surface.corners[places.faces].astype(np.float64)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    across *= _ASIDE / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
    # Edges and corners have more than two sides; just beside them there are two again.
    weights = 0.998 * places.weights.astype(np.float64) + 0.002 / 3
    at = np.einsum("pk,pkc->pc", weights, corners)
    front, back = (windings.around(at + side * across, check) != 0 for side in (1, -1))
    found: NDArray[np.bool_] = front != back
    return found


def _to_points(
    points: NDArray[np.float32], others: NDArray[np.float32], check: Check
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the distance to the nearest of other points, and which it is, each [P]."""
    nearest = np.zeros(len(points), dtype=np.int64)
    for start in range(0, len(points), _POINTS_AT_ONCE):
        check()
        part = slice(start, start + _POINTS_AT_ONCE)
        squared = (others**2).sum(axis=1) - 2 * points[part] @ others.T
        nearest[part] = squared.argmin(axis=1)
    return np.linalg.norm(points - others[nearest], axis=1), nearest
