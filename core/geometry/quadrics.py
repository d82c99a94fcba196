# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a place is from the planes around a vertex: the measure by which meshes are simplified.

Garland and Heckbert (1997), "Surface Simplification Using Quadric Error Metrics". A quadric is a
symmetric 4 x 4 matrix, kept as its ten numbers: xx, xy, xz, yy, yz, zz, xw, yw, zw, ww.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_STIFFNESS = 1e-3
"""Pull towards the middle of an edge, relative to that of the planes: where the planes leave a
direction free, as on flat faces, it alone decides."""

_LENGTH_WEIGHT = 1e-5
"""What the squared length of an edge adds to its cost: on flat faces short ones go first, which
keeps the triangles even. An edge of length 1 counts as much as an error of 0.003."""


_CREASE_WEIGHT = 10.0
"""What leaving a crease costs, relative to leaving a face as large as its edges squared."""


def vertex_quadrics(vertices: Floats, faces: Ints) -> Floats:
    """Return the sum of the squared distances from the planes of the faces around each vertex.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
    Returns:
        Quadrics weighted by twice the area, [V, 10].
    """
    a, b, c = vertices[faces].transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    doubled = np.linalg.norm(normals, axis=1)
    planes = _plane_quadrics(normals / np.maximum(doubled, 1e-300)[:, None], a, doubled)
    return _summed(planes, faces, len(vertices))


def crease_quadrics(vertices: Floats, faces: Ints, creases: Ints) -> Floats:
    """Return the same for the planes along creases, square to the faces beside them, [V, 10].

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, [F, 3].
        creases: edges, each as 3 * face + the corner that it starts from, [E].
    """
    ring = faces[creases // 3]
    ends = np.stack(
        [faces.ravel()[creases], ring[np.arange(len(ring)), (creases % 3 + 1) % 3]], axis=1
    )
    a, b, c = vertices[ring].transpose(1, 0, 2)
    start, end = vertices[ends].transpose(1, 0, 2)
    across = np.cross(end - start, np.cross(b - a, c - a))
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
    weights = _CREASE_WEIGHT * np.square(end - start).sum(axis=1)
    return _summed(_plane_quadrics(across, start, weights), ends, len(vertices))


def _plane_quadrics(normals: Floats, points: Floats, weights: Floats) -> Floats:
    x, y, z = normals.T
    w = -np.einsum("fi,fi->f", normals, points)
    terms = (x * x, x * y, x * z, y * y, y * z, z * z, x * w, y * w, z * w, w * w)
    quadrics: Floats = np.stack(terms, axis=1) * weights[:, None]
    return quadrics


def _summed(quadrics: Floats, corners: Ints, count: int) -> Floats:
    """Return the sums of quadrics, [N, 10], at the vertices that each belongs to, [N, K]."""
    places = corners.T.ravel()
    summed = np.empty((count, quadrics.shape[1]))
    for column, term in enumerate(quadrics.T):
        summed[:, column] = np.bincount(places, np.tile(term, corners.shape[1]), count)
    return summed


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
    solved = [row[0] * right[0] + row[1] * right[1] + row[2] * right[2] for row in cofactors]
    places: Floats = np.stack(solved, axis=1) / np.maximum(determinant, 1e-300)[:, None]
    return places


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
