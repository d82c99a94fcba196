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

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..topology import link_faces
from .collapse_choice import cheapest_edges, edges_apart
from .collapse_rules import allowed_edges
from .collapse_state import Collapses, CollapsingMesh, Groups
from .grid import OnFraction, ignore_fraction
from .quadrics import Ints, crease_quadrics, vertex_quadrics

_PATIENCE, _LEAST_PROGRESS = 30, 0.98
"""Rounds after which at least one face in fifty must be gone, or it is no use to go on."""


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


def _start(
    vertices: NDArray[np.float32], faces: NDArray[np.int32], groups: Groups | None
) -> CollapsingMesh:
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
    return CollapsingMesh(
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


def _round(mesh: CollapsingMesh, excess: int, check: Check) -> None:
    """Collapse some edges, of all together at most so many faces."""
    candidates = cheapest_edges(mesh, excess)
    check()
    chosen = edges_apart(mesh, candidates)
    check()
    allowed = allowed_edges(mesh, chosen)
    refused = chosen.keys[~allowed]
    chosen = chosen.take(allowed)
    chosen = chosen.take(np.cumsum(chosen.num_faces) <= excess)
    _apply(mesh, chosen, refused)


def _apply(mesh: CollapsingMesh, edges: Collapses, refused: Ints) -> None:
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
