# SPDX-License-Identifier: GPL-3.0-or-later
"""Points on surfaces: spread by area, coloured right, placed as ground truth is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.core.mesh import MeshData
from maquette.evaluation.ground_truth import cell_centres, occupancy, shape_surface
from maquette.evaluation.surface import (
    ground_truth_clouds,
    linear_to_srgb,
    mesh_cloud,
    normalise,
    surface_cloud,
)
from maquette.training.shapes.attributes import ShapeAttributes
from maquette.training.shapes.builder import HALF_EXTENT, Shape, ShapeBuilder, Style
from maquette.training.shapes.field import ShapeBatch

pytestmark = pytest.mark.needs_torch

TETRAHEDRON = np.array([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]], dtype=np.int32)


def two_balls(first_radius: float, second_radius: float) -> Shape:
    """Return a red ball on the left and a blue one on the right."""
    builder = ShapeBuilder(
        np.random.default_rng(0),
        Style(),
        {"main": (1.0, 0.0, 0.0), "other": (0.0, 0.0, 1.0)},
        {"main": 0.0, "other": 0.0},
        None,
    )
    builder.ball("main", (-2.0, 0.0, 0.0), first_radius)
    builder.ball("other", (2.0, 0.0, 0.0), second_radius)
    return builder.finish(ShapeAttributes(kind="snowman", main_colour="red"))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_normalise_undoes_any_size_and_place() -> None:
    rng = np.random.default_rng(1)
    original = rng.uniform(-1, 1, (50, 3)) * [HALF_EXTENT, 0.5, 0.3]
    for axis, half in enumerate((HALF_EXTENT, 0.5, 0.3)):
        original[:2, axis] = -half, half

    moved = (original * 1.7 + [3.0, -2.0, 8.0]).astype(np.float32)

    np.testing.assert_allclose(normalise(moved), original, atol=2e-6)


@pytest.mark.parametrize(
    ("linear", "srgb"),
    [(0.0, 0.0), (0.0031308, 0.04045), (0.2140411, 0.5), (0.5, 0.7353569), (1.0, 1.0)],
)
def test_linear_to_srgb_at_known_values(linear: float, srgb: float) -> None:
    found = linear_to_srgb(np.array([linear], dtype=np.float32))

    assert found[0] == pytest.approx(srgb, abs=1e-5)


def test_points_fall_on_faces_by_their_area() -> None:
    # Two squares in one plane, the second three times as large.
    side = 3.0**0.5
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    flat = corners + [(2 + side * x, side * y) for x, y in corners]
    vertices = np.array([(x, y, 0) for x, y in flat], dtype=np.float32)
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]], dtype=np.int32)
    colors = np.repeat(np.eye(3, dtype=np.float32)[:2], 4, axis=0)

    points, painted = surface_cloud(vertices, faces, colors, 40000, generator())

    # Four standard deviations of a share of 1/4 among 40,000 draws.
    assert float(painted[:, 0].mean()) == pytest.approx(0.25, abs=4 * (0.1875 / 40000) ** 0.5)
    assert float(points[:, 2].abs().max()) == 0.0


def test_colours_are_interpolated_where_the_points_lie() -> None:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=np.float32)

    # Painted with their own positions, so that every point should wear its position.
    points, colors = surface_cloud(vertices, TETRAHEDRON, vertices, 500, generator())

    expected = points / (2 * HALF_EXTENT) + 0.5
    torch.testing.assert_close(colors, expected, atol=1e-6, rtol=0)


def test_a_mesh_in_metres_is_read_with_its_linear_colours() -> None:
    vertices = np.array([[0, 0, 0], [4, 0, 0], [0, 2, 0], [0, 0, 1]], dtype=np.float32)
    normals = np.tile(np.array([0, 0, 1], dtype=np.float32), (4, 1))
    mesh = MeshData(
        vertices=vertices,
        faces=TETRAHEDRON,
        normals=normals,
        vertex_colors=np.full((4, 3), 0.2140411, dtype=np.float32),
    )

    points, colors = mesh_cloud(mesh, 2000, generator())

    assert float(points[:, 0].max()) <= HALF_EXTENT + 1e-6
    assert float(points[:, 0].min()) == pytest.approx(-HALF_EXTENT, abs=0.02)
    torch.testing.assert_close(colors, torch.full_like(colors, 0.5), atol=1e-5, rtol=0)


def test_ground_truth_points_are_spread_by_area_too() -> None:
    batch = ShapeBatch([two_balls(1.0, 0.4)])

    _, colors = ground_truth_clouds(batch, 4000, generator())

    share = 0.4**2 / (1.0 + 0.4**2)  # of the small ball; by root of area it would be 0.29
    assert float(colors[0, :, 2].mean()) == pytest.approx(share, abs=0.03)


def test_occupancy_fills_the_volume_of_a_ball() -> None:
    shape = two_balls(1.0, 1.0)
    radius = HALF_EXTENT / 3.0  # the pair is six radii long

    inside = occupancy(shape, cell_centres(64))

    volume = float(inside.float().mean()) * 8
    assert volume == pytest.approx(2 * 4 / 3 * np.pi * radius**3, rel=0.01)


def test_surface_of_a_shape_lies_on_its_balls_in_their_colours() -> None:
    shape = two_balls(1.0, 1.0)
    radius = HALF_EXTENT / 3.0

    vertices, faces, colors = shape_surface(shape, 48)

    is_left = vertices[:, 0] < 0
    centres = np.where(is_left[:, None], [-2 * radius, 0, 0], [2 * radius, 0, 0])
    distances = np.linalg.norm(vertices - centres, axis=1)
    assert np.abs(distances - radius).max() < 2e-3
    np.testing.assert_allclose(colors[:, 0], is_left.astype(np.float32), atol=1e-6)
    assert faces.max() < len(vertices)
