# SPDX-License-Identifier: GPL-3.0-or-later
"""Which way round the faces of a mesh go: made the same within each part, by as few as possible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..topology import connected_components, link_faces


@dataclass(frozen=True, slots=True)
class Winding:
    """The directions of a mesh's faces."""

    part: NDArray[np.int64]
    """The part of each face; parts hang together by edges with two faces each, [F]."""
    num_parts: int
    is_odd: NDArray[np.bool_]
    """Faces that go the other way round than most of their part's area, [F]."""
    is_one_sided: NDArray[np.bool_]
    """Parts that have no two sides, such as a Möbius strip, [P]."""


def read_winding(faces: NDArray[np.int32], areas: NDArray[np.float64]) -> Winding:
    """Find the faces that go against the others around them.

    Every face stands in a graph twice, as it is and turned over, and is linked with its neighbors
    so that directions agree. A part with two sides falls into two halves there, of which the one
    with more area as it is gets to say; in a part with one side both are the same.

    Args:
        faces: vertex indices, each triangle with three different ones, [F, 3].
        areas: [F].
    """
    links = link_faces(faces)
    first, second = links.faces().T
    count = len(faces)
    # Two faces agree if they go along their edge in opposite directions.
    starts = faces.ravel()
    disagrees = starts[links.first] == starts[links.second]
    turned = np.where(disagrees, second + count, second)
    turned_back = np.where(disagrees, second, second + count)
    pairs = np.concatenate(
        [np.stack([first, turned], 1), np.stack([first + count, turned_back], 1)]
    )
    _, half = connected_components(2 * count, pairs)
    num_parts, part = connected_components(count, np.stack([first, second], axis=1))
    as_is, turned_over = half[:count], half[count:]
    is_one_sided = np.zeros(num_parts, dtype=bool)
    is_one_sided[part[as_is == turned_over]] = True
    # Of the two halves of a part, that of its first face as it is.
    leading = np.full(num_parts, len(half), dtype=np.int64)
    np.minimum.at(leading, part, np.minimum(as_is, turned_over))
    with_leading = as_is == leading[part]
    balance = np.bincount(part, np.where(with_leading, areas, -areas), minlength=num_parts)
    is_odd = (with_leading != (balance >= 0)[part]) & ~is_one_sided[part]
    return Winding(part, num_parts, is_odd, is_one_sided)


def turn_over(faces: NDArray[np.int32], is_turned: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return faces of which some go the other way round, [F, 3]."""
    return np.where(is_turned[:, None], faces[:, ::-1], faces)


def six_volumes(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return what each face adds to six times the volume inside; counter-clockwise is out, [F]."""
    a, b, c = vertices[faces].transpose(1, 0, 2)
    volumes: NDArray[np.float64] = np.einsum("fi,fi->f", a, np.cross(b, c))
    return volumes
