# SPDX-License-Identifier: GPL-3.0-or-later
"""From field to mesh, and what becomes of the mesh before it has a texture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from maquette.core.errors import CancelledError, EmptySurfaceError, NonFiniteError
from maquette.core.geometry.cleanup import remove_specks
from maquette.core.geometry.extract import extract_mesh
from maquette.core.geometry.normals import area_normals, surface_normals
from maquette.core.geometry.orient import place
from maquette.core.topology import connected_components, link_faces
from maquette.tests.analytic_fields import (
    CPU,
    ball,
    block,
    is_closed_and_consistent,
    lumpy,
    ring,
    shape_mesh,
    signed_volume,
    squashed,
    union,
)
from torch import Tensor


def test_sparse_and_dense_meshes_are_the_same() -> None:
    sparse = extract_mesh(squashed(lumpy()), 64, device=CPU, method="sparse")
    dense = extract_mesh(squashed(lumpy()), 64, device=CPU, method="dense")

    assert np.array_equal(sparse[0], dense[0])
    assert np.array_equal(sparse[1], dense[1])


def test_mesh_is_closed_outward_and_lies_on_the_surface() -> None:
    vertices, faces = extract_mesh(squashed(ball(0.6)), 64, device=CPU)

    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    assert is_closed_and_consistent(faces)
    assert signed_volume(vertices, faces) == pytest.approx(4 / 3 * math.pi * 0.6**3, rel=3e-3)
    # A chord of length c in a ball of radius r is c^2 / 8r away from it: 2.1e-4 here.
    assert np.abs(np.linalg.norm(vertices, axis=1) - 0.6).max() < 2.2e-4


def test_refining_moves_vertices_onto_the_surface() -> None:
    field = squashed(ball(0.6), 20.0)

    plain, faces = extract_mesh(field, 32, device=CPU)
    refined, refined_faces = extract_mesh(field, 32, device=CPU, refine_steps=2)

    assert np.array_equal(faces, refined_faces)
    assert np.abs(refined - plain).max() < 2 / 31
    error = np.abs(np.linalg.norm(plain, axis=1) - 0.6).max()
    refined_error = np.abs(np.linalg.norm(refined, axis=1) - 0.6).max()
    # What remains is on edges that graze the ball, along which distance is no line at all.
    assert error > 2e-3 and refined_error < 1e-4


def test_refining_leaves_the_cut_at_the_box_alone() -> None:
    field = squashed(ball(0.6, (1.0, 0.0, 0.0)))

    vertices, faces = extract_mesh(field, 32, device=CPU, refine_steps=2)

    assert is_closed_and_consistent(faces)
    assert vertices[:, 0].max() == pytest.approx(1.0, abs=5e-6)


def test_other_devices_only_evaluate_the_field() -> None:
    # The meta device computes nothing, so that a grid kept on it could not be looked at.
    devices: list[torch.device] = []

    def field(points: Tensor) -> Tensor:
        devices.append(points.device)
        raise CancelledError

    with pytest.raises(CancelledError):
        extract_mesh(field, 32, device=torch.device("meta"))

    assert devices == [torch.device("meta")]


def test_no_surface_says_what_to_try() -> None:
    with pytest.raises(EmptySurfaceError, match=r"-0\.7.*another seed"):
        extract_mesh(lambda points: -0.7 + 0 * points[:, 0], 32, device=CPU)


def test_nan_is_refused() -> None:
    with pytest.raises(NonFiniteError):
        extract_mesh(lambda points: points[:, 0] * torch.nan, 32, device=CPU)


def test_cancelling_while_refining_stops() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > grid_calls:
            raise CancelledError

    grid_calls = 10**9
    extract_mesh(squashed(ball(0.6)), 32, device=CPU, check=check)
    grid_calls, calls = calls, 0
    with pytest.raises(CancelledError):
        extract_mesh(squashed(ball(0.6)), 32, device=CPU, check=check, refine_steps=1)


def test_specks_are_removed_and_counted() -> None:
    specks = [ball(0.06, (0.9 * x, 0.9 * y, 0.0)) for x in (-1, 1) for y in (-1, 1)]
    moon = ball(0.25, (0.0, 0.0, 0.72))
    vertices, faces = extract_mesh(squashed(union(ball(0.4), moon, *specks)), 64, device=CPU)

    kept, kept_faces, count = remove_specks(vertices, faces)

    assert count == 4  # a moon of a quarter of the volume stays
    assert is_closed_and_consistent(kept_faces)
    assert np.array_equal(np.unique(kept_faces), np.arange(len(kept)))
    expected = 4 / 3 * math.pi * (0.4**3 + 0.25**3)
    assert signed_volume(kept, kept_faces) == pytest.approx(expected, rel=0.01)


def test_small_cavities_are_filled_and_large_ones_kept() -> None:
    def hollow(points: Tensor) -> Tensor:
        solid = torch.minimum(ball(0.7)(points), -ball(0.06, (0.0, 0.0, 0.5))(points))
        return torch.minimum(solid, -ball(0.35)(points))

    vertices, faces = extract_mesh(squashed(hollow), 64, device=CPU)

    kept, kept_faces, count = remove_specks(vertices, faces)

    assert count == 1
    expected = 4 / 3 * math.pi * (0.7**3 - 0.35**3)
    assert signed_volume(kept, kept_faces) == pytest.approx(expected, rel=0.01)


def test_nothing_to_remove_leaves_the_arrays_alone() -> None:
    vertices, faces = shape_mesh("two")

    kept, kept_faces, count = remove_specks(vertices, faces, 0.0)

    assert count == 0 and kept is vertices and kept_faces is faces


@pytest.mark.parametrize("target_size", [0.01, 1.0, 250.0])
def test_placed_object_stands_centred_on_the_ground_at_its_size(target_size: float) -> None:
    vertices, _ = extract_mesh(squashed(block((0.2, 0.3, 0.4), (0.3, -0.2, 0.1))), 32, device=CPU)

    placed, placement = place(vertices, target_size)

    low, high = placed.min(axis=0), placed.max(axis=0)
    assert low[2] == pytest.approx(0.0, abs=1e-6 * target_size)
    assert low[:2] == pytest.approx(-high[:2], abs=1e-6 * target_size)
    assert (high - low).max() == pytest.approx(target_size, rel=1e-6)
    assert (high - low).argmax() == 2  # nothing turns: the tall axis stays Z
    assert placement.to_field(placed) == pytest.approx(vertices, abs=1e-6)


def test_area_normals_of_a_ball_point_away_from_its_centre() -> None:
    vertices, faces = shape_mesh("ball")

    normals = area_normals(vertices, faces)

    assert np.linalg.norm(normals, axis=1) == pytest.approx(1.0, abs=1e-6)
    outward = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    assert (normals * outward).sum(axis=1).min() > 0.98


def test_surface_normals_follow_the_field_rather_than_the_facets() -> None:
    vertices, faces = shape_mesh("ring")

    normals = surface_normals(squashed(ring(0.6, 0.25)), vertices, faces, device=CPU, step=0.01)

    around = np.linalg.norm(vertices[:, :2], axis=1, keepdims=True)
    spine = np.concatenate([vertices[:, :2] / around * 0.6, np.zeros_like(around)], axis=1)
    outward = (vertices - spine) / np.linalg.norm(vertices - spine, axis=1, keepdims=True)
    assert (normals * outward).sum(axis=1).min() > 0.9995
    assert (area_normals(vertices, faces) * outward).sum(axis=1).min() < 0.9975


def test_flat_and_inverted_gradients_fall_back_to_the_faces() -> None:
    vertices, faces = shape_mesh("ball")
    expected = area_normals(vertices, faces)

    flat = surface_normals(lambda points: 0 * points[:, 0], vertices, faces, device=CPU)
    inverted = surface_normals(
        lambda points: -ball(0.7)(points), vertices, faces, device=CPU, chunk_size=1000
    )

    assert np.array_equal(flat, expected)
    assert np.array_equal(inverted, expected)


def test_components_are_numbered_by_their_first_node() -> None:
    links = np.array([[5, 3], [3, 1], [2, 4]])

    count, part = connected_components(7, links)

    assert count == 4
    assert part.tolist() == [0, 1, 2, 1, 2, 1, 3]


def test_a_long_chain_in_random_order_is_one_component() -> None:
    order = np.random.default_rng(0).permutation(5000)

    count, part = connected_components(5000, np.stack([order[:-1], order[1:]], axis=1))

    assert count == 1 and not part.any()


def test_links_join_faces_that_share_one_edge() -> None:
    faces = np.array([[0, 1, 2], [2, 1, 3], [5, 6, 7], [0, 1, 8], [1, 0, 9]], dtype=np.int32)

    links = link_faces(faces)

    # Edge 0-1 has three faces and links none of them; edge 1-2 links the first two.
    assert links.faces().tolist() == [[0, 1]]
    assert (links.first[0], links.second[0]) == (1, 3)
