# SPDX-License-Identifier: GPL-3.0-or-later
"""Collapse the edges of a mesh, many at once, until so many faces are left; numpy alone.

Each round takes edges that cost little and whose surroundings do not touch, so that what is true
of each alone is true of all together. A collapse is allowed where it leaves a manifold one (the
link condition: the ends have no neighbours in common but the corners opposite the edge; Dey et
al. 1999, "Topology Preserving Edge Contraction") and turns no face over. A closed mesh hence
stays closed, keeps its parts and its holes.

Creases are the border of an open mesh and the edges between groups of faces, such as the islands
of a texture. What lies on one only slides along it; where creases meet or end, nothing moves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..topology import link_faces
from .grid import OnFraction, ignore_fraction
from .quadrics import (
    Floats,
    Ints,
    best_of_ends,
    best_places,
    crease_quadrics,
    length_cost,
    quadric_error,
    vertex_quadrics,
)

_CHEAPEST = 0.4
"""Share of the edges that a round chooses from."""

_PASSES = 3
"""How often a round looks for edges whose surroundings are still untouched."""

_PATIENCE, _LEAST_PROGRESS = 30, 0.98
"""Rounds after which at least one face in fifty must be gone, or it is no use to go on."""

_MIN_COSINE = 0.2
"""Of the angle by which a collapse may turn a face; 78 degrees."""

_MIN_QUALITY, _MIN_SLIVER = 0.02, 1e-3
"""Faces may not become thinner than the one: height over longest side. Marching cubes leaves
some that are, in clusters around nodes of the grid; those may not become thinner than the other."""


@dataclass(frozen=True, slots=True)
class Groups:
    """Faces that belong together, whose borders are to stay where they are."""

    of_face: Ints  # numbered from 0, [F]
    directions: Floats
    """A direction that no face of a group may come to look away from, [N, 3]; zeros for any."""


@dataclass(slots=True)
class _Mesh:
    """What a round starts from and leaves behind."""

    vertices: Floats  # [V, 3]
    quadrics: Floats  # [V, 10]
    faces: Ints  # [F, 3]
    groups: Groups | None
    refused: Ints  # keys of edges that may not collapse as things are, sorted
    on_border: NDArray[np.bool_]  # [V]


@dataclass(frozen=True, slots=True)
class _Edges:
    """The edges of a mesh."""

    keys: Ints  # lower end * V + higher end, sorted, [E]
    num_faces: Ints  # two, or one on the border
    is_crease: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Collapses:
    """Edges that are to become points."""

    kept: Ints  # the end that stays, [N]
    lost: Ints  # the end that goes
    places: Floats  # where the kept end moves, [N, 3]
    num_faces: Ints  # faces at the edge, which go with it: two, or one on the border
    keys: Ints

    def take(self, which: NDArray[np.bool_] | Ints) -> _Collapses:
        return _Collapses(
            self.kept[which],
            self.lost[which],
            self.places[which],
            self.num_faces[which],
            self.keys[which],
        )


def collapse_edges(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    num_faces: int,
    *,
    check: Check = ignore,
    on_progress: OnFraction = ignore_fraction,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return a mesh with at most so many faces, or with more where nothing else may collapse.

    A closed mesh has an even number of faces: of an odd number one is left free.

    Args:
        vertices: positions, [V, 3].
        faces: of a manifold mesh, consistently oriented, closed or with borders, [F, 3].
        num_faces: how many to keep.
        check: called before each round and within it; may raise to stop.
        on_progress: called with the fraction of the faces that went.
    """
    return collapse_groups(vertices, faces, None, num_faces, check=check, on_progress=on_progress)[
        :2
    ]


def collapse_groups(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    groups: Groups | None,
    num_faces: int,
    *,
    check: Check = ignore,
    on_progress: OnFraction = ignore_fraction,
) -> tuple[NDArray[np.float32], NDArray[np.int32], Ints]:
    """Do the same with the borders between groups kept; return the group of each face too."""
    check()
    mesh = _start(vertices, faces, groups)
    if _is_closed(mesh.faces):
        num_faces -= num_faces % 2
    excess = len(faces) - num_faces
    counts = [len(faces)]
    while len(mesh.faces) > num_faces:
        check()
        num_refused = len(mesh.refused)
        _round(mesh, len(mesh.faces) - num_faces, check)
        counts.append(len(mesh.faces))
        if counts[-1] == counts[-2] and len(mesh.refused) == num_refused:
            break
        if counts[-1] > _LEAST_PROGRESS * counts[-_PATIENCE:][0] and len(counts) > _PATIENCE:
            break
        on_progress(min(1.0, (len(faces) - len(mesh.faces)) / excess))
    used = np.zeros(len(mesh.vertices), dtype=bool)
    used[mesh.faces] = True
    renumbered = (np.cumsum(used) - 1)[mesh.faces].astype(np.int32)
    of_face = mesh.groups.of_face if mesh.groups else np.zeros(len(renumbered), dtype=np.int64)
    return mesh.vertices[used].astype(np.float32), renumbered, of_face


def _start(vertices: NDArray[np.float32], faces: NDArray[np.int32], groups: Groups | None) -> _Mesh:
    places, corners = vertices.astype(np.float64), faces.astype(np.int64)
    quadrics = vertex_quadrics(places, corners)
    links = link_faces(faces)
    is_crease = np.ones(faces.size, dtype=bool)
    inner = np.ones(len(links.first), dtype=bool)
    if groups is not None:
        inner = groups.of_face[links.first // 3] == groups.of_face[links.second // 3]
    is_crease[links.first[inner]] = is_crease[links.second[inner]] = False
    if is_crease.any():
        quadrics += crease_quadrics(places, corners, np.flatnonzero(is_crease))
    return _Mesh(
        vertices=places,
        quadrics=quadrics,
        faces=corners,
        groups=groups,
        refused=np.empty(0, dtype=np.int64),
        on_border=np.zeros(len(places), dtype=bool),
    )


def _is_closed(faces: Ints) -> bool:
    start, end = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    keys = np.minimum(start, end) * (1 + faces.max(initial=0)) + np.maximum(start, end)
    return 2 * len(np.unique(keys)) == faces.size


def _round(mesh: _Mesh, excess: int, check: Check) -> None:
    """Collapse some edges, of all together at most so many faces."""
    candidates = _cheapest(mesh, excess)
    check()
    chosen = _apart(mesh, candidates)
    check()
    allowed = _is_allowed(mesh, chosen)
    refused = chosen.keys[~allowed]
    chosen = chosen.take(allowed)
    chosen = chosen.take(np.cumsum(chosen.num_faces) <= excess)
    _apply(mesh, chosen, refused)


def _cheapest(mesh: _Mesh, excess: int) -> _Collapses:
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
    found = _Collapses(kept, lost, places, edges.num_faces[usable], edges.keys[usable])
    return found.take(order)


def _find_edges(mesh: _Mesh) -> _Edges:
    start, end = mesh.faces.ravel(), np.roll(mesh.faces, -1, axis=1).ravel()
    keys = np.minimum(start, end) * len(mesh.vertices) + np.maximum(start, end)
    if mesh.groups is None:
        keys, num_faces = np.unique(keys, return_counts=True)
        return _Edges(keys, num_faces, num_faces == 1)
    order = np.argsort(keys, kind="stable")
    keys, place, num_faces = np.unique(keys[order], return_index=True, return_counts=True)
    group = np.repeat(mesh.groups.of_face, 3)[order]
    return _Edges(keys, num_faces, group[place] != group[place + num_faces - 1])


def _place(
    mesh: _Mesh, kept: Ints, lost: Ints, held_kept: Ints, held_lost: Ints
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


def _apart(mesh: _Mesh, edges: _Collapses) -> _Collapses:
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


def _is_allowed(mesh: _Mesh, edges: _Collapses) -> NDArray[np.bool_]:
    """Return which collapses keep the mesh manifold and turn no face over, [N]."""
    owner = np.full(len(mesh.vertices), -1)
    owner[edges.kept] = owner[edges.lost] = np.arange(len(edges.keys))
    owners = owner[mesh.faces]
    near = np.flatnonzero((owners >= 0).any(axis=1))
    faces, owners = mesh.faces[near], owners[near]
    allowed = _keeps_manifold(mesh, edges, faces, owners)
    moving = (owners >= 0).sum(axis=1) == 1
    faces, owners = faces[moving], owners[moving]
    edge = owners.max(axis=1)
    before = mesh.vertices[faces]
    after = np.where((owners >= 0)[..., None], edges.places[edge][:, None], before)
    keeps_shape = _keeps_shape(before, after, edge)
    if mesh.groups is not None:
        directions = mesh.groups.directions[mesh.groups.of_face[near][moving]]
        facing = np.einsum("mi,mi->m", _measure(after)[0], directions)
        keeps_shape &= (facing > 0) | ~directions.any(axis=1)
    allowed[edge[~keeps_shape]] = False
    return allowed


def _keeps_manifold(mesh: _Mesh, edges: _Collapses, faces: Ints, owners: Ints) -> NDArray[np.bool_]:
    """Return which edges have no neighbours in common but the corners opposite, [N].

    Args:
        faces: those that touch an end of one of the edges, [M, 3].
        owners: the edge that each corner is an end of, or -1, [M, 3].
    """
    count = len(mesh.vertices)
    edge = owners.max(axis=1)
    is_lost = faces == edges.lost[edge][:, None]
    is_kept = faces == edges.kept[edge][:, None]
    row, column = np.nonzero(owners < 0)
    place = (edge[row] * count + faces[row, column]) * 2
    of_kept, of_lost = place[is_kept.any(axis=1)[row]], place[is_lost.any(axis=1)[row]] + 1
    neighbours = np.unique(np.concatenate([of_kept, of_lost])) >> 1
    # Twice for those in common, which come one after the other.
    is_new = np.diff(neighbours, prepend=-1) > 0
    around = neighbours[is_new]
    size = len(edges.keys)
    num_around = np.bincount(around // count, minlength=size)
    in_common = np.bincount(neighbours // count, minlength=size) - num_around
    # Fewer than three around a point, or two on the border, are no surface any more.
    allowed: NDArray[np.bool_] = (in_common == edges.num_faces) & (num_around > edges.num_faces)
    # A border vertex that only the lost end knows would be joined to the kept one across the
    # inside: where the mesh is mirrored at its border, that edge would have four faces.
    known = np.unique(of_kept)
    strange = np.unique(of_lost - 1)
    strange = strange[mesh.on_border[(strange >> 1) % count]]
    strange = strange[~np.isin(strange, known)]
    edge_of_strange = (strange >> 1) // count
    pinned = mesh.on_border[edges.kept] & ~mesh.on_border[edges.lost]
    allowed[edge_of_strange[pinned[edge_of_strange]]] = False
    return allowed


def _keeps_shape(before: Floats, after: Floats, edge: Ints) -> NDArray[np.bool_]:
    """Return which faces neither turn too far nor become slivers, [M].

    Args:
        before: corners as they are, [M, 3, 3].
        after: corners as they would be.
        edge: the one whose collapse moves each face, [M].
    """
    (normals, quality), (new_normals, new_quality) = _measure(before), _measure(after)
    # The normal of a sliver says nothing: those of all faces around it together do.
    around = np.stack([np.bincount(edge, axis) for axis in normals.T], axis=1)
    normals = np.where((quality < _MIN_QUALITY)[:, None], around[edge], normals)
    lengths = np.linalg.norm(normals, axis=1) * np.linalg.norm(new_normals, axis=1)
    cosine = np.einsum("mi,mi->m", normals, new_normals) / np.maximum(lengths, 1e-300)
    least = np.where(quality < _MIN_QUALITY, _MIN_SLIVER, _MIN_QUALITY)
    fit = (new_quality > least) | (new_quality > quality)
    kept: NDArray[np.bool_] = fit & (cosine > _MIN_COSINE)
    return kept


def _measure(corners: Floats) -> tuple[Floats, Floats]:
    """Return normals as long as twice the area, and height over longest side, of triangles."""
    sides = np.roll(corners, -1, axis=1) - corners
    normal = np.cross(sides[:, 0], sides[:, 1])
    longest = np.square(sides).sum(axis=2).max(axis=1)
    return normal, np.linalg.norm(normal, axis=1) / np.maximum(longest, 1e-300)


def _apply(mesh: _Mesh, edges: _Collapses, refused: Ints) -> None:
    count = len(mesh.vertices)
    is_end = np.zeros(count, dtype=bool)
    is_end[edges.kept] = is_end[edges.lost] = True
    changed = np.zeros(count, dtype=bool)
    changed[mesh.faces[is_end[mesh.faces].any(axis=1)]] = True
    mesh.vertices[edges.kept] = edges.places
    mesh.quadrics[edges.kept] += mesh.quadrics[edges.lost]
    target = np.arange(count)
    target[edges.lost] = edges.kept
    faces = target[mesh.faces]
    a, b, c = faces.T
    is_left = (a != b) & (b != c) & (c != a)
    mesh.faces = faces[is_left]
    if mesh.groups is not None:
        mesh.groups = Groups(mesh.groups.of_face[is_left], mesh.groups.directions)
    # What was refused may be allowed now that something near it has changed.
    refused = np.union1d(mesh.refused, refused)
    first, second = np.divmod(refused, count)
    mesh.refused = refused[~(changed[first] | changed[second])]
