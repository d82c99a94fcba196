# SPDX-License-Identifier: GPL-3.0-or-later
"""Which edges may become points: where the mesh stays manifold and no face turns over.

The link condition asks that the ends of an edge have no neighbours in common but the corners
opposite it (Dey et al. 1999, "Topology Preserving Edge Contraction").
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .collapse_state import Collapses, CollapsingMesh
from .quadrics import Floats, Ints

_MIN_COSINE = 0.2
"""Of the angle by which a collapse may turn a face; 78 degrees."""

_MIN_QUALITY, _MIN_SLIVER = 0.02, 1e-3
"""Faces may not become thinner than the one: height over longest side. Marching cubes leaves
some that are, in clusters around nodes of the grid; those may not become thinner than the other."""


def allowed_edges(mesh: CollapsingMesh, edges: Collapses) -> NDArray[np.bool_]:
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
        facing = np.einsum("mi,mdi->md", _measure(after)[0], directions)
        keeps_shape &= ((facing > 0) | ~directions.any(axis=2)).all(axis=1)
    allowed[edge[~keeps_shape]] = False
    return allowed


def _keeps_manifold(
    mesh: CollapsingMesh, edges: Collapses, faces: Ints, owners: Ints
) -> NDArray[np.bool_]:
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
