# SPDX-License-Identifier: GPL-3.0-or-later
"""The distances of single solids and of their unions against closed forms and brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.training.shapes.attributes import ShapeAttributes
from maquette.training.shapes.builder import CARVED_ROLE, CUTTER_ROLE, Shape, ShapeBuilder, Style
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.primitives import Solid, solid_distance
from torch import Tensor

ATTRIBUTES = ShapeAttributes(kind="crate", main_colour="red")


def params_of(*sizes: float) -> Tensor:
    return torch.tensor([*sizes, *[0.0] * (6 - len(sizes))], dtype=torch.float64)


def cube_points(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return 2.4 * torch.rand(count, 3, generator=generator, dtype=torch.float64) - 1.2


def distance_at(solid: Solid, params: Tensor, points: Tensor) -> Tensor:
    return solid_distance(solid, *points.unbind(-1), params)


def build(*pieces: tuple[str, tuple, dict]) -> Shape:
    builder = ShapeBuilder(
        np.random.default_rng(0),
        Style(),
        {"main": (0.8, 0.1, 0.1), "other": (0.1, 0.1, 0.8)},
        {"main": 0.0, "other": 0.0},
    )
    for method, arguments, options in pieces:
        getattr(builder, method)(*arguments, **options)
    return builder.finish(ATTRIBUTES)


def test_ball_distance_is_radius_subtracted_from_length() -> None:
    points = cube_points(500)

    ellipsoid = distance_at(Solid.ELLIPSOID, params_of(0.5, 0.5, 0.5), points)
    round_cone = distance_at(Solid.ROUND_CONE, params_of(0.5, 0.5, 1e-6), points)

    expected = points.norm(dim=1) - 0.5
    torch.testing.assert_close(ellipsoid, expected, atol=5e-5, rtol=0)
    torch.testing.assert_close(round_cone, expected, atol=2e-6, rtol=0)


def test_box_distance_at_face_edge_corner_and_inside() -> None:
    points = torch.tensor(
        [[0.9, 0.0, 0.0], [0.9, 0.8, 0.0], [0.9, 0.8, 0.7], [0.1, 0.0, 0.0]], dtype=torch.float64
    )

    distance = distance_at(Solid.BOX, params_of(0.5, 0.4, 0.3, 0.1), points)

    expected = torch.tensor([0.3, 0.32**0.5 - 0.1, 0.48**0.5 - 0.1, -0.4], dtype=torch.float64)
    torch.testing.assert_close(distance, expected, atol=2e-6, rtol=0)


def test_straight_frustum_equals_box() -> None:
    points = cube_points(2000)

    frustum = distance_at(Solid.FRUSTUM, params_of(0.5, 0.4, 0.5, 0.4, 0.3, 0.05), points)

    box = distance_at(Solid.BOX, params_of(0.5, 0.4, 0.3, 0.05), points)
    torch.testing.assert_close(frustum, box, atol=3e-6, rtol=0)


def test_cylinder_distance_beside_above_and_at_the_rim() -> None:
    points = torch.tensor([[0.9, 0, 0.1], [0, 0.2, 1.0], [0.0, 0.8, 1.0]], dtype=torch.float64)

    distance = distance_at(Solid.CONE, params_of(0.4, 0.4, 0.6, 0.1), points)

    expected = torch.tensor([0.4, 0.3, 0.32**0.5 - 0.1], dtype=torch.float64)
    torch.testing.assert_close(distance, expected, atol=2e-6, rtol=0)


def test_torus_distance_and_ends_of_its_arc() -> None:
    points = torch.tensor([[0.9, 0, 0], [0, 0, 0.6], [-0.6, 0, 0]], dtype=torch.float64)

    whole = distance_at(Solid.TORUS, params_of(0.6, 0.1, np.pi), points)
    half = distance_at(Solid.TORUS, params_of(0.6, 0.1, np.pi / 2), points)

    expected = [0.2, 0.72**0.5 - 0.1, -0.1]
    assert whole.tolist() == pytest.approx(expected, abs=2e-6)
    # The arc ends at (0, +-0.6, 0), so the far side of the circle is 0.6 * sqrt(2) away.
    assert half.tolist() == pytest.approx([*expected[:2], 0.72**0.5 - 0.1], abs=2e-6)


def test_capsule_distance_is_distance_to_its_segment() -> None:
    points = cube_points(500)

    distance = distance_at(Solid.ROUND_CONE, params_of(0.2, 0.2, 0.7), points)

    nearest = torch.zeros_like(points)
    nearest[:, 2] = points[:, 2].clamp(0.0, 0.7)
    expected = (points - nearest).norm(dim=1) - 0.2
    torch.testing.assert_close(distance, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("solid", "sizes"),
    [
        (Solid.ELLIPSOID, (0.7, 0.3, 0.06)),
        (Solid.FRUSTUM, (0.6, 0.4, 0.0, 0.3, 0.4, 0.03)),
        (Solid.FRUSTUM, (0.2, 0.5, 0.5, 0.1, 0.3, 0.0)),
        (Solid.CONE, (0.6, 0.1, 0.3, 0.05)),
        (Solid.ROUND_CONE, (0.4, 0.1, 0.8)),
        (Solid.TORUS, (0.5, 0.12, 2.2)),
    ],
)
def test_distance_agrees_with_the_nearest_point_of_the_zero_level(
    solid: Solid, sizes: tuple[float, ...]
) -> None:
    """Drop a dense cloud onto the zero level and compare with the nearest dropped point."""
    params = params_of(*sizes)
    cloud = cube_points(20_000)
    for _ in range(4):
        cloud = cloud.detach().requires_grad_(True)
        distance = distance_at(solid, params, cloud)
        (gradient,) = torch.autograd.grad(distance.sum(), cloud)
        cloud = (cloud - distance[:, None] * gradient).detach()
    cloud = cloud[distance_at(solid, params, cloud).abs() < 1e-5]
    points = cube_points(400)

    distance = distance_at(solid, params, points)

    nearest = torch.cdist(points, cloud).amin(dim=1)
    # The cloud is about 0.02 dense, which bounds how far its nearest point can be off.
    assert (distance.abs() <= nearest + 3e-5).all()
    assert (nearest - distance.abs()).max() < 0.025


def test_public_distance_is_positive_inside() -> None:
    batch = ShapeBatch([build(("ball", ("main", (0, 0, 0), 0.5), {}))])

    distance = batch.signed_distance(torch.tensor([[[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]]]))

    torch.testing.assert_close(distance, torch.tensor([[0.85, -0.15]]), atol=1e-3, rtol=0)


def test_union_takes_the_nearer_piece_and_its_colour() -> None:
    shape = build(
        ("ball", ("main", (-0.5, 0, 0), 0.5), {}), ("ball", ("other", (0.5, 0, 0), 0.5), {})
    )
    points = torch.tensor([[[-0.425, 0.0, 0.0], [0.425, 0.0, 0.425]]])

    distance, colours = ShapeBatch([shape]).distance_and_colour(points)

    torch.testing.assert_close(distance, torch.tensor([[0.425, 0.0]]), atol=2e-4, rtol=0)
    assert colours[0].tolist() == [pytest.approx([0.8, 0.1, 0.1]), pytest.approx([0.1, 0.1, 0.8])]


def test_cutter_removes_from_carved_pieces_only() -> None:
    shape = build(
        ("ball", ("main", (0, 0, 0), 1.0), {"role": CARVED_ROLE}),
        ("ball", ("main", (0, 0, 0), 0.6), {"role": CUTTER_ROLE}),
        ("ball", ("other", (0, 0, 0), 0.2), {}),
    )
    points = torch.tensor([[[0.0, 0.0, 0.0], [0.34, 0.0, 0.0], [0.68, 0.0, 0.0]]])

    distance, colours = ShapeBatch([shape]).distance_and_colour(points)

    expected = torch.tensor([[0.17, -0.17, 0.17]])
    torch.testing.assert_close(distance, expected, atol=2e-4, rtol=0)
    assert colours[0, 0].tolist() == pytest.approx([0.1, 0.1, 0.8])


def test_batch_gives_the_same_as_each_shape_alone() -> None:
    shapes = [
        build(("ball", ("main", (0, 0, 0), 0.5), {})),
        build(
            ("box", ("main", (0, 0, 0), (0.3, 0.2, 0.5)), {"turn": (20.0, 30.0, 40.0)}),
            ("limb", ("other", (0, 0, 0), (1, 0, 0.3), 0.1, 0.2), {}),
        ),
    ]
    points = cube_points(64).float().expand(2, -1, -1)

    together = ShapeBatch(shapes).signed_distance(points)

    alone = [ShapeBatch([shape]).signed_distance(points[:1])[0] for shape in shapes]
    torch.testing.assert_close(together, torch.stack(alone), atol=1e-6, rtol=0)
