# SPDX-License-Identifier: GPL-3.0-or-later
"""One half mirrored: the same to the last bit on both sides, closed, and where the field is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.core.geometry.extract import extract_mesh
from maquette.core.geometry.health import inspect_mesh
from maquette.core.geometry.simplify import simplify
from maquette.core.geometry.symmetry import cut_half, fold, larger_side, mirror_half
from maquette.tests.analytic_fields import (
    CPU,
    Mesh,
    ball,
    block,
    canonical,
    lumpy,
    shape_mesh,
    signed_volume,
    squashed,
    union,
)

RESOLUTIONS = [48, 49]
"""With the plane between nodes, and on some."""


def mirrored_faces(vertices: np.ndarray, faces: np.ndarray) -> list[tuple[int, ...]]:
    """Return the faces of the mirror image, in the numbers of the mesh itself."""
    number = {tuple(place): index for index, place in enumerate(vertices.tolist())}
    assert len(number) == len(vertices)
    image = [number[-x, y, z] for x, y, z in vertices.tolist()]
    return canonical(np.array(image, dtype=np.int32)[faces][:, ::-1])


def symmetric(mesh: Mesh, resolution: int, budget: int = 0) -> Mesh:
    half = cut_half(*mesh, resolution, larger_side(*mesh))
    if budget:
        made = simplify(*half, budget // 2)
        half = made.vertices, made.faces
    return mirror_half(*half)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("name", ["lumpy", "ring", "spiral", "ripples", "two", "table"])
def test_the_result_is_its_own_mirror_image_and_sound(name: str, resolution: int) -> None:
    vertices, faces = symmetric(shape_mesh(name, resolution), resolution)

    assert mirrored_faces(vertices, faces) == canonical(faces)
    assert inspect_mesh(vertices, faces).is_sound


@pytest.mark.parametrize("resolution", RESOLUTIONS)
@pytest.mark.parametrize("name", ["lumpy", "ring", "spiral", "ripples"])
def test_it_stays_so_within_a_budget(name: str, resolution: int) -> None:
    fine = symmetric(shape_mesh(name, resolution), resolution)
    before = inspect_mesh(*fine)

    vertices, faces = symmetric(shape_mesh(name, resolution), resolution, budget=3001)

    assert mirrored_faces(vertices, faces) == canonical(faces)
    health = inspect_mesh(vertices, faces)
    assert health.is_sound and 2998 <= len(faces) <= 3001
    assert (health.num_parts, health.euler_number) == (before.num_parts, before.euler_number)


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_the_surface_is_that_of_the_folded_field(resolution: int) -> None:
    mesh = shape_mesh("lumpy", resolution)
    side = larger_side(*mesh)
    vertices, faces = symmetric(mesh, resolution)
    cell = 2 / (resolution - 1)

    off = lumpy()(fold(torch.from_numpy(vertices), side)).abs()

    # A border that was moved over by half a cell is off where the surface meets it at a slant.
    assert off.mean() < 0.03 * cell and off.max() < 0.5 * cell
    dense = extract_mesh(squashed(lambda p: lumpy()(fold(p, side))), resolution, device=CPU)
    assert signed_volume(vertices, faces) == pytest.approx(signed_volume(*dense), rel=3e-3)


@pytest.mark.parametrize(("x", "side"), [(0.5, 1), (-0.5, -1)])
def test_the_larger_half_is_kept(x: float, side: int) -> None:
    lopsided = union(ball(0.3), block((0.1, 0.3, 0.3), (x, 0.0, 0.0)))
    mesh = extract_mesh(squashed(lopsided), 64, device=CPU)

    assert larger_side(*mesh) == side
    vertices, faces = symmetric(mesh, 64)

    # Both blocks, each 0.2 x 0.6 x 0.6, stand clear of the ball.
    assert inspect_mesh(vertices, faces).num_parts == 3
    assert vertices[:, 0].max() == pytest.approx(0.6, abs=0.01)
    assert signed_volume(vertices, faces) == pytest.approx(
        4 / 3 * np.pi * 0.3**3 + 2 * 0.2 * 0.6 * 0.6, rel=0.03
    )


def test_folding_moves_points_to_the_side_that_is_kept() -> None:
    points = torch.tensor([[0.5, 1.0, 2.0], [-0.25, 3.0, 4.0]])

    assert fold(points, 1)[:, 0].tolist() == [0.5, 0.25]
    assert fold(points, -1)[:, 0].tolist() == [-0.5, -0.25]
    assert torch.equal(fold(points, -1)[:, 1:], points[:, 1:])
