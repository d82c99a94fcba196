# SPDX-License-Identifier: GPL-3.0-or-later
"""Collision meshes contain everything, are convex, and small enough for game engines."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.errors import CancelledError
from maquette.core.geometry.health import inspect_mesh
from maquette.core.geometry.hull import MAX_HULL_VERTICES, box_around, convex_hull
from maquette.core.mesh import HullData
from maquette.tests.analytic_fields import shape_mesh
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

SHAPES = ["ball", "ring", "lumpy", "spiral", "two", "table"]


def farthest_outside(hull: HullData, points: NDArray[np.float32]) -> float:
    """Return how far any point lies outside the planes of a hull."""
    a, b, c = hull.vertices[hull.faces].astype(np.float64).transpose(1, 0, 2)
    normals = np.cross(b - a, c - a)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    heights = points.astype(np.float64) @ normals.T - np.einsum("fi,fi->f", normals, a)
    return float(heights.max())


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("size", [0.01, 1.0, 300.0])
def test_a_hull_is_sound_convex_and_contains_every_vertex(name: str, size: float) -> None:
    vertices = size * shape_mesh(name)[0] + np.float32(size)

    hull = convex_hull(vertices)

    health = inspect_mesh(hull.vertices, hull.faces)
    assert health.is_sound and health.euler_number == 2
    assert len(hull.vertices) <= MAX_HULL_VERTICES and len(hull.faces) <= 255
    assert farthest_outside(hull, vertices) <= 0
    assert farthest_outside(hull, hull.vertices) < 3e-6 * size  # convex, but for rounding


@pytest.mark.parametrize("name", SHAPES)
def test_a_hull_is_little_larger_than_the_exact_one(name: str) -> None:
    vertices = shape_mesh(name)[0]
    exact = ConvexHull(vertices.astype(np.float64)).volume

    hull = convex_hull(vertices)

    assert exact <= inspect_mesh(hull.vertices, hull.faces).volume < 1.16 * exact


def test_a_hull_of_few_corners_is_exact() -> None:
    random = np.random.default_rng(2)
    # Turned and stretched, with points inside that must not matter.
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    turn = np.linalg.qr(random.standard_normal((3, 3)))[0] * (5.0, 1.0, 0.05)
    inside = random.random((2000, 3)) * 0.98 + 0.01
    vertices = (np.concatenate([corners, inside]) @ turn.T).astype(np.float32)

    hull = convex_hull(vertices)

    assert len(hull.vertices) == 8 and len(hull.faces) == 12
    expected = abs(np.linalg.det(turn))
    assert inspect_mesh(hull.vertices, hull.faces).volume == pytest.approx(expected, rel=1e-3)
    assert farthest_outside(hull, vertices) <= 0


@pytest.mark.parametrize("limit", [4, 8, 20])
def test_fewer_vertices_still_contain_everything(limit: int) -> None:
    vertices = shape_mesh("lumpy")[0]

    hull = convex_hull(vertices, max_vertices=limit)

    assert len(hull.vertices) <= limit
    assert farthest_outside(hull, vertices) <= 0
    assert inspect_mesh(hull.vertices, hull.faces).is_sound


@pytest.mark.parametrize("name", SHAPES)
def test_a_box_is_sound_and_as_large_as_the_object(name: str) -> None:
    vertices = shape_mesh(name)[0]

    box = box_around(vertices)

    health = inspect_mesh(box.vertices, box.faces)
    assert health.is_sound and len(box.faces) == 12
    assert np.array_equal(box.vertices.min(axis=0), vertices.min(axis=0))
    assert np.array_equal(box.vertices.max(axis=0), vertices.max(axis=0))
    assert health.volume == pytest.approx(float(np.prod(np.ptp(vertices, axis=0))), rel=1e-5)


def test_what_is_flat_gets_its_box() -> None:
    flat = np.zeros((100, 3), np.float32)
    flat[:, :2] = np.random.default_rng(0).random((100, 2))

    hull = convex_hull(flat)

    assert len(hull.vertices) == 8
    assert not hull.vertices[:, 2].any()


def test_hulls_do_not_depend_on_chance_and_stop_when_asked() -> None:
    vertices = shape_mesh("spiral")[0]

    def check() -> None:
        raise CancelledError

    first, second = convex_hull(vertices), convex_hull(vertices)
    assert np.array_equal(first.vertices, second.vertices)
    assert np.array_equal(first.faces, second.faces)
    with pytest.raises(CancelledError):
        convex_hull(vertices, check=check)
