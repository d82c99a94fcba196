# SPDX-License-Identifier: GPL-3.0-or-later
"""Which edges a round of collapsing takes: cheap ones whose surroundings do not touch.

Creases are the border of an open mesh and the edges between groups of faces, such as the islands
of a texture. What lies on one only slides along it; where creases meet or end, nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .collapse_state import Collapses, CollapsingMesh
from .quadrics import Floats, Ints, best_of_ends, best_places, length_cost, quadric_error

_CHEAPEST = 0.4
"""Share of the edges that a round chooses from."""

_PASSES = 3
"""How often a round looks for edges whose surroundings are still untouched."""


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of a mesh."""

    keys: Ints  # lower end * V + higher end, sorted, [E]
    num_faces: Ints  # two, or one on the border
    is_crease: NDArray[np.bool_]


def cheapest_edges(mesh: CollapsingMesh, excess: int) -> Collapses:
    """Return the cheaper part of the edges that may be tried, cheapest first."""
    count = len(mesh.vertices)
    edges = _find_edges(mesh)
    first, second = np.divmod(edges.keys, count)
    on_border = edges.num_faces == 1
    mesh.on_border = np.zeros(count, dtype=bool)
    mesh.on_border[first[on_border]] = mesh.on_border[second[on_border]] = True
    creases = np.concatenate([first[edges.is_crease], second[edges.is_crease]])
    # How much a vertex is held: 0 in the open, 1 on a crease, 2 where creases meet or end.
    num_creases = np.bincount(creases, minlength=count)
    held = np.where(num_creases == 2, 1, np.minimum(2, 2 * num_creases))
    least = np.minimum(held[first], held[second])
    # An edge between two places of a crease that is no part of it would tie a knot.
    usable = (edges.num_faces <= excess) & ((least == 0) | edges.is_crease & (least == 1))
    if len(mesh.refused):
        place = np.searchsorted(mesh.refused, edges.keys).clip(max=len(mesh.refused) - 1)
        usable &= mesh.refused[place] != edges.keys
    first, second, least = first[usable], second[usable], least[usable]
    swapped = held[second] > held[first]
    kept, lost = np.where(swapped, second, first), np.where(swapped, first, second)
    places, costs = _place(mesh, kept, lost, held[kept], held[lost])
    order = np.argsort(costs, kind="stable")[: max(64, int(_CHEAPEST * len(costs)))]
    found = Collapses(kept, lost, places, edges.num_faces[usable], edges.keys[usable])
    return found.take(order)


def _find_edges(mesh: CollapsingMesh) -> _Edges:
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    keys = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    if mesh.groups is None:
        keys, num_faces = np.unique(keys, return_counts=True)
        return _Edges(keys, num_faces, num_faces == 1)
    order = np.argsort(keys, kind="stable")
    keys, place, num_faces = np.unique(keys[order], return_index=True, return_counts=True)
    group = np.repeat(mesh.groups.of_face, 3)[order]
    is_between = group[place] != group[place + num_faces - 1]
    return _Edges(keys, num_faces, is_between | (num_faces == 1))


def _place(
    mesh: CollapsingMesh, kept: Ints, lost: Ints, held_kept: Ints, held_lost: Ints
) -> tuple[Floats, Floats]:
    """Return where edges would collapse to, [E, 3], and what that costs, [E]."""
    quadrics = mesh.quadrics[kept] + mesh.quadrics[lost]
    start, end = mesh.vertices[kept], mesh.vertices[lost]
    places = best_places(quadrics, start, end)
    pinned = held_kept > held_lost
    places[pinned] = start[pinned]
    along = ~pinned & (held_kept > 0)
    places[along] = best_of_ends(quadrics[along], start[along], end[along])
    return places, quadric_error(quadrics, places) + length_cost(quadrics, start, end)


def edges_apart(mesh: CollapsingMesh, edges: Collapses) -> Collapses:
    """Return edges none of whose ends is at or next to an end of another, cheapest first."""
    count = len(mesh.vertices)
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    # Whether a vertex is an end of a chosen edge, or next to one.
    is_near = np.zeros(count, dtype=bool)
    chosen = np.zeros(len(edges.keys), dtype=bool)
    for _ in range(_PASSES):
        rank = np.flatnonzero(~(is_near[edges.kept] | is_near[edges.lost]))
        kept, lost = edges.kept[rank], edges.lost[rank]
        best = np.full(count, len(edges.keys))
        np.minimum.at(best, kept, rank)
        np.minimum.at(best, lost, rank)
        nearby = best.copy()
        np.minimum.at(nearby, start, best[end])
        np.minimum.at(nearby, end, best[start])
        wins = rank[(rank <= nearby[kept]) & (rank <= nearby[lost])]
        chosen[wins] = True
        is_end = np.zeros(count, dtype=bool)
        is_end[edges.kept[wins]] = is_end[edges.lost[wins]] = True
        is_near |= is_end
        is_near[end[is_end[start]]] = True
        is_near[start[is_end[end]]] = True
    return edges.take(chosen)
