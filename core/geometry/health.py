# SPDX-License-Identifier: GPL-3.0-or-later
"""What is right and wrong with a mesh, by its faces alone.

Whether faces run through one another is not asked: that needs a search over all pairs nearby,
which costs more than everything here together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..topology import connected_components, link_faces

_MOST_PACKED = 2_000_000
"""Vertices up to which three numbers of them fit into one of 64 bits, which sort far faster."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshHealth:
    """Counts of what a sound mesh has none of, and what it is made of."""

    num_vertices: int
    """Those that faces use."""
    num_faces: int
    num_edges: int
    num_parts: int
    """Pieces that hang together by vertices."""
    num_border_edges: int
    """Edges with one face: the mesh is open there."""
    num_border_chords: int
    """Edges from one border vertex to another across the inside: crowded once mirrored there."""
    num_crowded_edges: int
    """Edges with more than two faces."""
    num_twisted_edges: int
    """Edges whose two faces look to different sides."""
    num_pinched_vertices: int
    """Fans of faces too many: two parts that touch in one vertex are one such."""
    num_degenerate_faces: int
    """Faces without area."""
    num_duplicate_faces: int
    """Faces with the same three vertices as another."""
    num_unused_vertices: int
    volume: float
    """Enclosed, positive where the faces look outward; of closed meshes only."""

    @property
    def is_closed(self) -> bool:
        """Whether no edge has fewer than two faces."""
        return self.num_border_edges == 0

    @property
    def is_manifold(self) -> bool:
        """Whether the surroundings of every place are a disc, or half of one at a border."""
        return self.num_crowded_edges == 0 and self.num_pinched_vertices == 0

    @property
    def is_oriented(self) -> bool:
        """Whether all faces of a part look to the same side of it."""
        return self.num_twisted_edges == 0 and self.num_crowded_edges == 0

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing that has no meaning: flat, repeated, unused."""
        return not (self.num_degenerate_faces or self.num_duplicate_faces)

    @property
    def is_sound(self) -> bool:
        """Whether a slicer or a physics engine can take it as a solid body."""
        is_surface = self.is_closed and self.is_manifold and self.is_oriented and self.is_clean
        return is_surface and self.volume > 0

    @property
    def euler_number(self) -> int:
        """Vertices less edges plus faces: 2 per closed part, less 2 for each of its handles."""
        return self.num_vertices - self.num_edges + self.num_faces


def inspect_mesh(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> MeshHealth:
    """Look a mesh over.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
    """
    start, end = faces.astype(np.int64).ravel(), np.roll(faces, -1, axis=1).astype(np.int64).ravel()
    count = len(vertices)
    low, high = np.minimum(start, end), np.maximum(start, end)
    edges, num_faces = np.unique(low * count + high, return_counts=True)
    directed = np.unique(start * count + end)
    used = np.unique(faces)
    parts, _ = connected_components(count, np.stack(np.divmod(edges, count), axis=1))
    on_border = np.zeros(count, dtype=bool)
    on_border[np.concatenate(np.divmod(edges[num_faces == 1], count))] = True
    chords = on_border[edges // count] & on_border[edges % count] & (num_faces > 1)
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    return MeshHealth(
        num_vertices=len(used),
        num_faces=len(faces),
        num_edges=len(edges),
        num_parts=parts - (count - len(used)),
        num_border_edges=int((num_faces == 1).sum()),
        num_border_chords=int(chords.sum()),
        num_crowded_edges=int((num_faces > 2).sum()),
        num_twisted_edges=len(start) - len(directed),
        num_pinched_vertices=_count_fans(faces) - len(used),
        num_degenerate_faces=int((np.square(normals).sum(axis=1) == 0).sum()),
        num_duplicate_faces=len(faces) - _count_triples(faces, count),
        num_unused_vertices=count - len(used),
        volume=float(np.einsum("fi,fi->", a, np.cross(b, c))) / 6,
    )


def _count_triples(faces: NDArray[np.int32], count: int) -> int:
    """Return how many different sets of three vertices faces have."""
    corners = np.sort(faces, axis=1).astype(np.int64)
    if count > _MOST_PACKED:
        return len(np.unique(corners, axis=0))
    first, second, third = corners.T
    return len(np.unique((first * count + second) * count + third))


def _count_fans(faces: NDArray[np.int32]) -> int:
    """Return how many fans of faces there are around all vertices."""
    links = link_faces(faces)
    # An edge leads from one corner of a face to the next, and the other way round on the face
    # beside it; corners are numbered 3 * face + corner.
    first, second = links.first, links.second
    after_first, after_second = _next_corner(first), _next_corner(second)
    turned = faces.ravel()[first] != faces.ravel()[second]
    beside = np.where(turned, after_second, second)
    beside_next = np.where(turned, second, after_second)
    pairs = np.concatenate(
        [np.stack([first, beside], axis=1), np.stack([after_first, beside_next], axis=1)]
    )
    count, _ = connected_components(faces.size, pairs)
    return count


def _next_corner(corners: NDArray[np.int64]) -> NDArray[np.int64]:
    following: NDArray[np.int64] = corners - corners % 3 + (corners + 1) % 3
    return following
