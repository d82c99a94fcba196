# SPDX-License-Identifier: GPL-3.0-or-later
"""Nearest places on meshes, against looking at every triangle."""

from __future__ import annotations

import numpy as np
import pytest

from core.closest import NearestFaces
from core.errors import CancelledError

RNG = np.random.default_rng(5)


def soup(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Triangles of very different sizes, anywhere in a box."""
    middle = RNG.uniform(-1, 1, (count, 1, 3))
    size = 10 ** RNG.uniform(-3, -0.3, (count, 1, 1))
    corners = middle + size * RNG.normal(size=(count, 3, 3))
    faces = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    return corners.reshape(-1, 3).astype(np.float32), faces


def least_distance(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Distance from points to the nearest of all triangles, by dense sampling and by its limits."""
    grid = np.array([(i, j, 60 - i - j) for i in range(61) for j in range(61 - i)]) / 60
    places = np.einsum("gk,fki->fgi", grid, corners).reshape(-1, 3)
    return np.array([np.linalg.norm(places - point, axis=1).min() for point in points])


@pytest.mark.parametrize("spread", [0.01, 0.5, 20.0])
def test_no_triangle_is_nearer_than_the_one_that_is_found(spread: float) -> None:
    vertices, faces = soup(60)
    points = (vertices[RNG.integers(len(vertices), size=40)]).astype(np.float32)
    points += RNG.normal(0, spread, points.shape).astype(np.float32)

    found = NearestFaces(vertices, faces).find(points)

    places = found.interpolate(vertices[faces])
    distance = np.linalg.norm(places - points, axis=1)
    sampled = least_distance(points, vertices[faces].astype(np.float64))
    longest = np.linalg.norm(np.ptp(vertices[faces], axis=1), axis=1).max()
    assert (distance <= sampled * (1 + 1e-5) + 1e-5).all()
    assert (distance >= sampled - longest / 60).all()
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-5)
    assert found.weights.min() >= -1e-5


def test_places_of_a_square_are_what_geometry_says() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3]], dtype=np.int32)
    points = np.array(
        [[0.25, 0.5, 3], [2, 0.5, 0], [-1, -1, 0], [0.5, 7, -7], [0.9, 0.1, 0]], dtype=np.float32
    )
    expected = np.array([[0.25, 0.5, 0], [1, 0.5, 0], [0, 0, 0], [0.5, 1, 0], [0.9, 0.1, 0]])

    found = NearestFaces(vertices, faces).find(points)

    np.testing.assert_allclose(found.interpolate(vertices[faces]), expected, atol=1e-6)


def test_both_sides_of_a_thin_slab_are_told_apart_by_where_they_look() -> None:
    corners = [[0, 0], [1, 0], [1, 1], [0, 1]]
    vertices = np.array([[x, y, z] for z in (0.0, 0.01) for x, y in corners], dtype=np.float32)
    faces = np.array([[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7]], dtype=np.int32)
    # Above the middle of the slab, but looking down; and the other way round.
    points = np.array([[0.3, 0.6, 0.008], [0.3, 0.6, 0.002]], dtype=np.float32)
    normals = np.array([[0, 0, -1], [0, 0, 1]], dtype=np.float32)
    nearest = NearestFaces(vertices, faces)

    height = nearest.find(points).interpolate(vertices[faces])[:, 2]
    np.testing.assert_allclose(height, [0.01, 0.0], atol=1e-6)
    height = nearest.find(points, normals=normals).interpolate(vertices[faces])[:, 2]
    np.testing.assert_allclose(height, [0.0, 0.01], atol=1e-6)
    # Where nothing looks that way, the nearest place has to do.
    height = NearestFaces(vertices, faces[:2]).find(points, normals=-normals[:1].repeat(2, 0))
    np.testing.assert_allclose(height.interpolate(vertices[faces[:2]])[:, 2], 0.0, atol=1e-6)


def test_triangles_without_area_are_lines_and_points() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]], dtype=np.float32)
    faces = np.array([[0, 1, 2], [3, 3, 3]], dtype=np.int32)
    points = np.array([[1.5, 1, 0], [4, 5, 5]], dtype=np.float32)

    found = NearestFaces(vertices, faces).find(points)

    np.testing.assert_allclose(
        found.interpolate(vertices[faces]), [[1.5, 0, 0], [5, 5, 5]], atol=1e-6
    )


def test_the_search_stops_when_it_is_told_to() -> None:
    vertices, faces = soup(10)

    def check() -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        NearestFaces(vertices, faces).find(vertices, check)
