# SPDX-License-Identifier: GPL-3.0-or-later
"""Every defect that a mesh can have is counted, one planted at a time."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.geometry.health import MeshHealth, inspect_mesh
from maquette.tests.analytic_fields import Mesh, shape_mesh, signed_volume
from numpy.typing import NDArray


def cube() -> Mesh:
    """A cube of side 2 around the origin."""
    vertices = np.array(
        [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float32
    )
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [corners for a, b, c, d in quads for corners in ((a, b, c), (a, c, d))]
    return vertices, np.array(faces, dtype=np.int32)


def inspected(vertices: NDArray[np.float32], faces: object) -> MeshHealth:
    return inspect_mesh(vertices, np.array(faces, dtype=np.int32))


def test_a_cube_is_sound() -> None:
    health = inspect_mesh(*cube())

    assert health.is_sound and health.euler_number == 2
    assert (health.num_vertices, health.num_edges, health.num_faces) == (8, 18, 12)
    assert health.volume == pytest.approx(8)
    assert health.num_parts == 1 and health.num_unused_vertices == 0


@pytest.mark.parametrize(
    ("name", "parts", "euler"), [("ring", 1, 0), ("two", 2, 4), ("table", 1, 2)]
)
def test_parts_and_handles_of_known_shapes_are_counted(name: str, parts: int, euler: int) -> None:
    vertices, faces = shape_mesh(name)

    health = inspect_mesh(vertices, faces)

    assert health.is_sound
    assert (health.num_parts, health.euler_number) == (parts, euler)
    assert health.volume == pytest.approx(signed_volume(vertices, faces), rel=1e-9)


def test_a_missing_face_opens_three_edges() -> None:
    vertices, faces = cube()

    health = inspected(vertices, faces[1:])

    assert not health.is_closed and health.num_border_edges == 3
    assert health.is_manifold and health.is_oriented and not health.is_sound


def test_a_face_turned_over_twists_three_edges() -> None:
    vertices, faces = cube()
    faces[0] = faces[0, ::-1]

    health = inspected(vertices, faces)

    assert health.num_twisted_edges == 3 and not health.is_oriented
    assert health.is_closed and not health.is_sound


def test_a_mesh_inside_out_has_a_negative_volume() -> None:
    vertices, faces = cube()

    health = inspected(vertices, faces[:, ::-1])

    assert health.is_oriented and health.volume == pytest.approx(-8) and not health.is_sound


def test_a_fin_makes_an_edge_crowded() -> None:
    vertices, faces = cube()
    vertices = np.concatenate([vertices, np.array([[3, 0, 0]], np.float32)])

    health = inspected(vertices, [*faces.tolist(), [4, 6, 8]])

    assert health.num_crowded_edges == 1 and not health.is_manifold


def test_two_cubes_that_touch_in_a_vertex_pinch_it() -> None:
    vertices, faces = cube()
    second = vertices + 2
    # Vertex 7 of the first, at (1, 1, 1), is vertex 0 of the second.
    moved = np.where(faces == 0, 7, faces + 8)

    health = inspected(np.concatenate([vertices, second]), [*faces.tolist(), *moved.tolist()])

    assert health.num_pinched_vertices == 1 and not health.is_manifold
    assert health.is_closed and health.num_crowded_edges == 0
    assert health.num_unused_vertices == 1


def test_flat_and_repeated_faces_are_counted() -> None:
    vertices, faces = cube()

    health = inspected(vertices, [*faces.tolist(), faces[0, [1, 2, 0]].tolist(), [0, 1, 1]])

    assert health.num_duplicate_faces == 1 and health.num_degenerate_faces == 1
    assert not health.is_clean and not health.is_sound


def test_an_edge_across_a_patch_from_border_to_border_is_a_chord() -> None:
    corners = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], np.float32)

    health = inspected(corners, [(0, 1, 2), (0, 2, 3)])

    assert health.num_border_chords == 1 and health.num_border_edges == 4
    assert health.is_manifold and health.num_pinched_vertices == 0
