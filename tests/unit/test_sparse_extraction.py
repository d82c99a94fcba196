# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh of the sparse descent is that of the dense grid, vertex by vertex and face by face."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from maquette.core.geometry.cleanup import remove_specks
from maquette.core.geometry.extract import evaluate_grid, extract_mesh
from maquette.core.geometry.grid import axis_coordinates
from maquette.core.geometry.health import inspect_mesh
from maquette.core.geometry.marching_cubes import marching_cubes
from maquette.core.geometry.sparse_grid import sparse_strides
from maquette.tests.analytic_fields import (
    CPU,
    Field,
    ball,
    block,
    ring,
    rod,
    signed_volume,
    squashed,
    union,
)
from torch import Tensor


def slats(resolution: int, width: float) -> Field:
    """Return a board along the axes, a slanted one and a rod, all of a width in cells."""
    half = width / (resolution - 1)
    tilt = torch.tensor([[0.8, 0.6, 0.0], [-0.6, 0.8, 0.0], [0.0, 0.0, 1.0]])
    slanted = block((half, 0.4, 0.5), (0.3, 0.1, 0.0))
    return union(
        block((0.6, 0.5, half), (0.1, -0.1, 0.613)),
        lambda points: slanted(points @ tilt),
        rod((-0.83, -0.71, -0.67), (0.79, 0.83, -0.43), half),
    )


def wires(resolution: int) -> Field:
    """Return rods a cell thick that touch nothing, one of them along an axis."""
    half = 0.5 / (resolution - 1)
    return union(
        rod((-0.9, -0.5, 0.211), (0.9, 0.617, -0.3), half),
        rod((0.105, -0.9, 0.511), (0.105, 0.9, 0.511), 1.2 * half),
    )


def gyroid() -> Field:
    """Return a surface with a hundred handles that crosses the box on all sides."""

    def field(points: Tensor) -> Tensor:
        x, y, z = (8.0 * points).unbind(1)
        waves = torch.sin(x) * torch.cos(y) + torch.sin(y) * torch.cos(z)
        return (waves + torch.sin(z) * torch.cos(x)) / 12.0

    return field


def assert_same_mesh(field: Field, resolution: int) -> None:
    sparse = extract_mesh(field, resolution, device=CPU, method="sparse")
    dense = extract_mesh(field, resolution, device=CPU, method="dense", chunk_size=1 << 18)

    assert np.array_equal(sparse[0], dense[0])
    assert np.array_equal(sparse[1], dense[1])
    if resolution == 64:
        assert inspect_mesh(*sparse).is_sound


@pytest.mark.parametrize("resolution", [64, 96, 128])
@pytest.mark.parametrize("width", [1.2, 1.5, 2.0])
def test_slats_are_the_same(width: float, resolution: int) -> None:
    assert_same_mesh(squashed(slats(resolution, width)), resolution)


SHAPES: dict[str, Callable[[int], Field]] = {
    "wires": wires,
    "two objects": lambda _: union(ball(0.3, (-0.5, 0.0, 0.0)), ball(0.06, (0.7, 0.2, 0.3))),
    "touches the box": lambda _: block((0.4, 0.3, 0.2), (0.6, 0.0, 0.0)),
    "crosses the box": lambda _: ball(0.5, (0.8, 0.7, -0.9)),
    "sphere": lambda _: ball(0.7),
    "thin ring": lambda _: ring(0.6, 0.04),
    "gyroid": lambda _: gyroid(),
}


@pytest.mark.parametrize("resolution", [64, 96])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_the_same(shape: str, resolution: int) -> None:
    assert_same_mesh(squashed(SHAPES[shape](resolution)), resolution)


def boards_and_a_ball(resolution: int) -> Tensor:
    """Return the values at all nodes of boards 1.2 to 2 cells thick, a wire, and a ball that
    leaves the box, [R, R, R]."""
    axis = axis_coordinates(resolution, CPU)
    x, y, z = axis[:, None, None], axis[:, None], axis
    cell = 2 / (resolution - 1)
    parts = [
        0.5 - ((x - 0.8).square() + (y + 0.7).square() + (z - 0.9).square()).sqrt(),
        torch.minimum(torch.minimum(0.6 * cell - (z - 0.113).abs(), 0.4 - x.abs()), 0.3 - y.abs()),
        torch.minimum(torch.minimum(0.75 * cell - (x + 0.6).abs(), 0.4 - y.abs()), 0.3 - z.abs()),
        torch.minimum(torch.minimum(cell - (y - 0.6).abs(), 0.5 - x.abs()), 0.4 - z.abs()),
        torch.minimum(0.9 - x.abs(), 0.6 * cell - ((y + 0.5).square() + (z + 0.5) ** 2).sqrt()),
    ]
    values = parts[0]
    for part in parts[1:]:
        values = torch.maximum(values, part)
    return torch.tanh(8.0 * values)


@pytest.mark.parametrize("resolution", [128, 256])
def test_a_large_grid_gives_the_same_mesh_as_its_values_do(resolution: int) -> None:
    values = boards_and_a_ball(resolution)

    def field(points: Tensor) -> Tensor:
        x, y, z = ((points + 1) / 2 * (resolution - 1)).round().long().unbind(1)
        return values[x, y, z]

    sparse = extract_mesh(field, resolution, device=CPU, method="sparse")

    vertices, faces = marching_cubes(values)
    assert np.array_equal(sparse[0], vertices.numpy())
    assert np.array_equal(sparse[1], faces.numpy())
    assert inspect_mesh(*sparse).num_parts == 5


@pytest.mark.parametrize("shape", [name for name in SHAPES if name != "gyroid"])
def test_the_same_is_found_without_asking_everywhere(shape: str) -> None:
    found = evaluate_grid(squashed(SHAPES[shape](128)), 128, device=CPU, method="sparse")

    assert not found.is_dense
    assert found.num_queries < 0.12 * 128**3


def test_the_surface_is_cut_flat_at_the_box() -> None:
    vertices, faces = extract_mesh(squashed(ball(0.5, (1.0, 0.0, 0.0))), 64, device=CPU)

    assert inspect_mesh(vertices, faces).is_sound
    assert vertices[:, 0].max() == pytest.approx(1.0, abs=5e-6)
    assert signed_volume(vertices, faces) == pytest.approx(2 / 3 * math.pi * 0.5**3, rel=5e-3)


def test_parts_too_steep_to_be_seen_coming_make_it_ask_everywhere() -> None:
    # Crumbs two cells wide, at whose sides the field rises a hundred times as steeply as anywhere
    # that the descent looks: they lie far from the ball, and between the coarsest nodes.
    resolution = 64
    coarse = 2 * sparse_strides(resolution)[0] / (resolution - 1)

    def gentle(points: Tensor) -> Tensor:
        return torch.tanh(2.0 * ball(0.15)(points))

    def field(points: Tensor) -> Tensor:
        offset = (points + 1) % coarse - coarse / 2
        crumb = torch.tanh(200.0 * (2 / (resolution - 1) - offset.norm(dim=1)))
        is_far = (points[:, 0] > 0.55) & (points.amax(dim=1) < 0.8)
        return torch.where(is_far, torch.maximum(gentle(points), crumb), gentle(points))

    found = evaluate_grid(field, resolution, device=CPU, method="sparse")

    assert not evaluate_grid(gentle, resolution, device=CPU, method="sparse").is_dense
    assert found.is_dense and found.num_queries == resolution**3
    assert_same_mesh(field, resolution)
    assert inspect_mesh(*extract_mesh(field, resolution, device=CPU)).num_parts > 20


def test_specks_below_the_share_are_removed_and_counted() -> None:
    # Balls of 1/8, 1/27 and 1/64 of the volume of the largest.
    balls = [ball(0.4 / n, (0.8 - 0.4 * n, 0.75, 0.0)) for n in (2, 3, 4)]
    mesh = extract_mesh(squashed(union(ball(0.4, (0.0, -0.3, 0.0)), *balls)), 96, device=CPU)

    left = [inspect_mesh(*remove_specks(*mesh, share)[:2]).num_parts for share in (0, 0.03, 0.1)]
    counts = [remove_specks(*mesh, share)[2] for share in (0, 0.03, 0.1, 1.0)]

    assert left == [4, 3, 2]
    assert counts == [0, 1, 2, 3]
