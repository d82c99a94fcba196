# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a place is from the planes around a vertex: the measure by which meshes are simplified.

Garland and Heckbert (1997), "Surface Simplification Using Quadric Error Metrics". A quadric is a
symmetric 4 x 4 matrix, kept as its ten numbers: xx, xy, xz, yy, yz, zz, xw, yw, zw, ww.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_STIFFNESS = 1e-3
"""Pull towards the middle of an edge, relative to that of the planes: where the planes leave a
direction free, as on flat faces, it alone decides."""

_LENGTH_WEIGHT = 1e-5
"""What the squared length of an edge adds to its cost: on flat faces short ones go first, which
keeps the triangles even. An edge of length 1 counts as much as an error of 0.003."""


def vertex_quadrics(vertices: Floats, faces: NDArray[np.int64]) -> Floats:
    """Return the sum of the squared distances from the planes of the faces around each vertex.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
    Returns:
        Quadrics weighted by area, [V, 10].
    """
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    doubled = np.linalg.norm(normal, axis=1)
    normal /= np.maximum(doubled, 1e-300)[:, None]
    x, y, z = normal.T
    w = -np.einsum("fi,fi->f", normal, a)
    terms = (x * x, x * y, x * z, y * y, y * z, z * z, x * w, y * w, z * w, w * w)
    corners = faces.T.ravel()
    quadrics = np.empty((len(vertices), 10))
    for column, term in enumerate(terms):
        quadrics[:, column] = np.bincount(corners, np.tile(doubled * term, 3), len(vertices))
    return quadrics


def best_places(quadrics: Floats, start: Floats, end: Floats) -> Floats:
    """Return where the quadrics are least, close to the middles of edges, [E, 3].

    Args:
        quadrics: of the edges, each the sum of those of its ends, [E, 10].
        start: one end of each edge, [E, 3].
        end: the other end.
    """
    middle = (start + end) / 2
    xx, xy, xz, yy, yz, zz, xw, yw, zw, _ = quadrics.T
    pull = _STIFFNESS * (xx + yy + zz) + 1e-300
    xx, yy, zz = xx + pull, yy + pull, zz + pull
    right = [pull * each - shift for each, shift in zip(middle.T, (xw, yw, zw), strict=True)]
    # Cramer's rule: the matrix is positive definite, thanks to the pull.
    cofactors = (
        (yy * zz - yz * yz, xz * yz - xy * zz, xy * yz - xz * yy),
        (xz * yz - xy * zz, xx * zz - xz * xz, xy * xz - xx * yz),
        (xy * yz - xz * yy, xy * xz - xx * yz, xx * yy - xy * xy),
    )
    determinant = xx * cofactors[0][0] + xy * cofactors[0][1] + xz * cofactors[0][2]
    places = np.empty_like(start)
    for axis, row in enumerate(cofactors):
        places[:, axis] = sum(each * value for each, value in zip(row, right, strict=True))
    return places / np.maximum(determinant, 1e-300)[:, None]


def best_of_ends(quadrics: Floats, start: Floats, end: Floats) -> Floats:
    """Return the best of both ends and the middle of each edge, [E, 3]."""
    choices = np.stack([(start + end) / 2, start, end])
    errors = np.stack([quadric_error(quadrics, choice) for choice in choices])
    best: Floats = choices[errors.argmin(axis=0), np.arange(len(start))]
    return best


def quadric_error(quadrics: Floats, places: Floats) -> Floats:
    """Return the squared distances of places from the planes, weighted and added up, [E]."""
    x, y, z = places.T
    xx, xy, xz, yy, yz, zz, xw, yw, zw, ww = quadrics.T
    error = x * (xx * x + 2 * (xy * y + xz * z + xw))
    error += y * (yy * y + 2 * (yz * z + yw))
    error += z * (zz * z + 2 * zw) + ww
    result: Floats = np.maximum(error, 0.0)
    return result


def length_cost(quadrics: Floats, start: Floats, end: Floats) -> Floats:
    """Return what the length of each edge adds to its cost, [E]."""
    weight = quadrics[:, 0] + quadrics[:, 3] + quadrics[:, 5]
    squared = np.square(end - start).sum(axis=1)
    result: Floats = _LENGTH_WEIGHT * weight * squared
    return result
