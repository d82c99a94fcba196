# SPDX-License-Identifier: GPL-3.0-or-later
"""Who touches whom on a triangle mesh, with numpy alone and no loop over faces."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class FaceLinks:
    """Pairs of faces that share an edge; edges with one face or more than two link nothing."""

    first: NDArray[np.int64]
    """The shared edge as 3 * face + corner: it leads from that corner to the face's next, [E]."""
    second: NDArray[np.int64]
    """The same edge seen from the other face, [E]."""

    def faces(self) -> NDArray[np.int64]:
        """Return the two faces of each link, [E, 2]."""
        return np.stack([self.first // 3, self.second // 3], axis=1)


def link_faces(faces: NDArray[np.int32]) -> FaceLinks:
    """Find the faces that share an edge, [F, 3]."""
    start = faces.astype(np.int64)
    end = np.roll(start, -1, axis=1)
    count = 1 + int(faces.max(initial=0))
    edges = (np.minimum(start, end) * count + np.maximum(start, end)).ravel()
    edges, order = sort_with_order(edges, count**2)
    same_as_next = edges[1:] == edges[:-1]
    is_pair = same_as_next.copy()
    is_pair[1:] &= ~same_as_next[:-1]
    is_pair[:-1] &= ~same_as_next[1:]
    place = np.flatnonzero(is_pair)
    return FaceLinks(first=order[place], second=order[place + 1])


def sort_with_order(
    keys: NDArray[np.int64], bound: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return keys in rising order, and where each was; equal ones stay in their order.

    Args:
        keys: not negative, [N].
        bound: more than the largest.
    """
    shift = max(1, len(keys)).bit_length()
    if bound << shift >= 1 << 63:
        order = np.argsort(keys, kind="stable")
        return keys[order], order
    # Each with its place in the lower bits: to sort numbers is several times as fast as to find
    # their order.
    packed = np.sort(keys << shift | np.arange(len(keys)))
    return packed >> shift, packed & (1 << shift) - 1


def connected_components(count: int, links: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Number the connected parts of a graph.

    Args:
        count: how many nodes there are.
        links: pairs of nodes, [E, 2].
    Returns:
        How many parts there are, and the part of each node, [count], parts numbered in the
        order of their first node.
    """
    root = np.arange(count)
    first, second = links[:, 0], links[:, 1]
    while len(first):
        low, high = np.minimum(root[first], root[second]), np.maximum(root[first], root[second])
        # Where several links write to one root any of them may win: the rest get their turn in
        # the next round. Roots only ever point to smaller ones, so no cycle can form.
        root[high] = low
        above = root[root]
        while (above != root).any():
            root, above = above, above[above]
        apart = root[first] != root[second]
        first, second = first[apart], second[apart]
    is_root = root == np.arange(count)
    part: NDArray[np.int64] = (np.cumsum(is_root) - 1)[root]
    return int(np.count_nonzero(is_root)), part
