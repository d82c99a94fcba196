# SPDX-License-Identifier: GPL-3.0-or-later
"""Marching cubes against closed forms, scikit-image, and numbers from Shap-E's own code."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
import torch
from maquette.core.geometry.marching_cubes import Border, marching_cubes
from maquette.core.geometry.mc_tables import edge_corners, triangle_table
from maquette.tests.analytic_fields import (
    Field,
    ball,
    block,
    canonical,
    face_areas,
    is_closed_and_consistent,
    ring,
    signed_volume,
    squashed,
)
from skimage.measure import marching_cubes as skimage_marching_cubes
from torch import Tensor

SHAP_E_TABLE = "e57d42f90ea7c99ce0e10af4dbfcf13a4b3f29f8dd8e09b9077b881d2619e93a"
"""SHA-256 of the published table, in the form that `table_digest` gives it."""


def on_grid(field: Field, resolution: int) -> Tensor:
    axis = torch.linspace(-1, 1, resolution)
    values = field(torch.cartesian_prod(axis, axis, axis))
    return values.view(resolution, resolution, resolution)


def noise(shape: tuple[int, int, int] = (12, 13, 14)) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def waves() -> Tensor:
    """Return a field without structure; at no node is it nearer to zero than 0.002."""
    x, y, z = torch.meshgrid(
        torch.arange(11.0), torch.arange(12.0), torch.arange(13.0), indexing="ij"
    )
    first = torch.sin(1.9 * x + 0.7 * y * y + 0.3)
    return first + torch.cos(2.3 * y - 1.1 * z * x) + torch.sin(1.7 * z * z + 0.5 * x * y)


def digest(triangles: list[list[tuple[int, ...]]]) -> str:
    lines = (" ".join(",".join(map(str, edges)) for edges in case) for case in triangles)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def test_all_256_cases_hold_the_triangles_of_shap_e() -> None:
    triangles, counts = triangle_table()

    cases = [canonical(triangles[case, : counts[case]]) for case in range(256)]

    assert digest(cases) == SHAP_E_TABLE


def test_triangles_use_each_crossed_edge_and_no_other() -> None:
    triangles, counts = triangle_table()

    for case in range(256):
        crossed = {
            edge
            for edge, (low, high) in enumerate(edge_corners())
            if (case >> low & 1) != (case >> high & 1)
        }
        assert set(triangles[case, : counts[case]].ravel().tolist()) == crossed


def test_surface_equals_that_of_shap_e_s_own_code() -> None:
    # Recorded from shap_e/rendering/mc.py of commit 5013101; the field meets 240 of 256 cases.
    vertices, faces = marching_cubes(waves(), border="open")

    assert vertices.shape == (2372, 3) and faces.shape == (4252, 3)
    sums = vertices.double().sum(dim=0)
    assert torch.allclose(
        sums, torch.tensor([86.680837, 36.849227, -8.660854], dtype=torch.float64), atol=1e-4
    )
    assert vertices.double().square().sum().item() == pytest.approx(2554.344675, abs=1e-4)
    lines = "\n".join(",".join(map(str, face)) for face in canonical(faces.numpy()))
    assert hashlib.sha256(lines.encode()).hexdigest() == (
        "7dfe08f46bbc187bdd17d92ab2667490002f272ed8288eb9457869de1abd798a"
    )


@pytest.mark.parametrize("border", ["closed", "openai"])
def test_even_noise_gives_a_closed_mesh_without_unused_vertices(border: Border) -> None:
    vertices, faces = marching_cubes(noise(), border=border)

    assert is_closed_and_consistent(faces.numpy())
    assert np.array_equal(np.unique(faces), np.arange(len(vertices)))
    assert len(torch.unique(vertices, dim=0)) == len(vertices)
    assert face_areas(vertices.numpy(), faces.numpy()).min() > 0
    assert signed_volume(vertices.numpy(), faces.numpy()) > 0


def test_zeros_at_nodes_leave_no_face_without_area() -> None:
    # The faces of this block go through nodes: each vertex there would fall on a node.
    field = on_grid(block((0.5, 0.5, 0.5), (0.0, 0.0, 0.0)), 17)

    vertices, faces = marching_cubes(field)

    assert is_closed_and_consistent(faces.numpy())
    assert len(torch.unique(vertices, dim=0)) == len(vertices)
    assert face_areas(vertices.numpy(), faces.numpy()).min() > 0
    # The edges of the block are bevelled by one cell: twelve prisms, corners counted once.
    bevels = 12 * 0.125**2 / 2 - 8 * 0.125**3 * (3 / 2 - 5 / 6)
    assert signed_volume(vertices.numpy(), faces.numpy()) == pytest.approx(1 - bevels, abs=3e-3)


def test_ball_has_the_area_and_volume_of_a_ball() -> None:
    vertices, faces = marching_cubes(on_grid(ball(0.7), 64))

    # Chords lie inside: both errors are negative and fall with the square of the cell size.
    assert signed_volume(vertices.numpy(), faces.numpy()) == pytest.approx(
        4 / 3 * math.pi * 0.7**3, rel=2e-3
    )
    assert face_areas(vertices.numpy(), faces.numpy()).sum() == pytest.approx(
        4 * math.pi * 0.7**2, rel=2e-3
    )


def test_ring_has_the_area_and_volume_of_a_torus() -> None:
    vertices, faces = marching_cubes(on_grid(ring(0.6, 0.25), 64))

    assert signed_volume(vertices.numpy(), faces.numpy()) == pytest.approx(
        2 * math.pi**2 * 0.6 * 0.25**2, rel=5e-3
    )
    assert face_areas(vertices.numpy(), faces.numpy()).sum() == pytest.approx(
        4 * math.pi**2 * 0.6 * 0.25, rel=5e-3
    )
    assert len(vertices) - len(faces) * 3 // 2 + len(faces) == 0  # Euler: one hole


def test_vertices_equal_those_of_scikit_image() -> None:
    field = on_grid(squashed(ring(0.6, 0.25), 3.0), 48)

    vertices, faces = marching_cubes(field)
    expected, expected_faces, _, _ = skimage_marching_cubes(
        field.numpy(), 0.0, method="lorensen", gradient_direction="descent"
    )

    expected = expected / 47 * 2 - 1
    assert len(faces) == len(expected_faces)
    order = np.lexsort(np.round(expected, 4).T)
    mine = vertices.numpy()[np.lexsort(np.round(vertices.numpy(), 4).T)]
    assert np.abs(mine - expected[order]).max() < 2e-5
    assert face_areas(vertices.numpy(), faces.numpy()).sum() == pytest.approx(
        face_areas(expected, expected_faces).sum(), rel=1e-4
    )


def test_surface_leaving_the_box_is_cut_flat_at_its_face() -> None:
    # Half of the ball lies beyond x = 1.
    vertices, faces = marching_cubes(on_grid(ball(0.6, (1.0, 0.0, 0.0)), 64))

    assert is_closed_and_consistent(faces.numpy())
    assert vertices.abs().max() <= 1 + 5e-6
    assert signed_volume(vertices.numpy(), faces.numpy()) == pytest.approx(
        2 / 3 * math.pi * 0.6**3, rel=3e-3
    )
    cap = (vertices[faces.long()][..., 0] > 1 - 1e-6).all(dim=1).numpy()
    assert face_areas(vertices.numpy(), faces.numpy())[cap].sum() == pytest.approx(
        math.pi * 0.6**2, rel=5e-3
    )


def test_full_field_is_the_box() -> None:
    vertices, faces = marching_cubes(torch.ones(9, 9, 9))

    assert is_closed_and_consistent(faces.numpy())
    assert face_areas(vertices.numpy(), faces.numpy()).min() > 0
    assert signed_volume(vertices.numpy(), faces.numpy()) == pytest.approx(8.0, rel=1e-4)


def test_openai_border_shrinks_by_127_over_129() -> None:
    field = on_grid(ball(0.7), 128)

    true, _ = marching_cubes(field)
    shrunk, _ = marching_cubes(field, border="openai")

    assert torch.allclose(shrunk, true * (127 / 129), atol=1e-6)


def test_box_may_be_given_per_axis() -> None:
    field = on_grid(ball(0.5), 33)

    vertices, _ = marching_cubes(
        field, torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 2.0, 4.0])
    )

    low, high = vertices.amin(dim=0), vertices.amax(dim=0)
    assert torch.allclose(low, torch.tensor([0.25, 0.5, 1.0]), atol=1e-5)
    assert torch.allclose(high, torch.tensor([0.75, 1.5, 3.0]), atol=1e-5)


def test_no_inside_gives_no_faces() -> None:
    vertices, faces = marching_cubes(-torch.ones(5, 6, 7))

    assert vertices.shape == (0, 3) and faces.shape == (0, 3)
    assert vertices.dtype == torch.float32 and faces.dtype == torch.int32
