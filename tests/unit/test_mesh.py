# SPDX-License-Identifier: GPL-3.0-or-later
"""What crosses to Blender checks itself, because Blender trusts its arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from maquette.core.mesh import HullData, MapImage, MeshData, TextureData


def _tetrahedron(**changes: Any) -> MeshData:
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    arrays: dict[str, Any] = {
        "vertices": vertices,
        "faces": np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]], np.int32),
        "normals": vertices,
        "vertex_colors": vertices,
    }
    return MeshData(**(arrays | changes))


def test_a_face_that_points_outside_the_vertices_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the 4 vertices"):
        _tetrahedron(faces=np.array([[0, 1, 4]], np.int32))


def test_arrays_of_the_wrong_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="float32"):
        _tetrahedron(vertices=np.zeros((4, 3), np.float64))
    with pytest.raises(ValueError, match="int32"):
        _tetrahedron(faces=np.zeros((1, 3), np.int64))
    with pytest.raises(ValueError, match="not numbers"):
        _tetrahedron(vertices=np.full((4, 3), np.nan, np.float32))


def test_the_texture_must_have_a_triangle_for_every_face() -> None:
    texture = TextureData(
        pixels=np.zeros((4, 4, 4), np.uint8),
        corner_uvs=np.zeros((3, 3, 2), np.float32),
        num_islands=1,
    )
    with pytest.raises(ValueError, match="3 UV triangles for 4 faces"):
        _tetrahedron(texture=texture)


def test_a_texture_is_square_rgba() -> None:
    with pytest.raises(ValueError, match="uint8"):
        TextureData(
            pixels=np.zeros((4, 5, 4), np.uint8),
            corner_uvs=np.zeros((1, 3, 2), np.float32),
            num_islands=1,
        )


def test_a_way_of_shading_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="rough"):
        _tetrahedron(shading="rough")


def test_a_hull_checks_its_arrays_as_a_mesh_does() -> None:
    mesh = _tetrahedron()
    assert HullData(vertices=mesh.vertices, faces=mesh.faces).faces.shape == (4, 3)
    with pytest.raises(ValueError, match="outside the 4 vertices"):
        HullData(vertices=mesh.vertices, faces=mesh.faces + 1)
    with pytest.raises(ValueError, match="not numbers"):
        HullData(vertices=mesh.vertices * np.float32(np.nan), faces=mesh.faces)
    with pytest.raises(ValueError, match="float32"):
        HullData(vertices=mesh.vertices.astype(np.float64), faces=mesh.faces)


def test_maps_are_of_the_size_of_the_base_color() -> None:
    arrays: dict[str, Any] = {
        "pixels": np.zeros((4, 4, 4), np.uint8),
        "corner_uvs": np.zeros((1, 3, 2), np.float32),
        "num_islands": 1,
    }
    color, gray = (MapImage(pixels=np.zeros((4, 4, channels), np.uint8)) for channels in (3, 1))

    TextureData(**arrays, normal=color, occlusion=gray)

    with pytest.raises(ValueError, match=r"expected \[4, 4, 1\] occlusion"):
        TextureData(**arrays, occlusion=color)
    with pytest.raises(ValueError, match=r"expected \[4, 4, 3\] normal"):
        TextureData(**arrays, normal=MapImage(pixels=np.zeros((8, 8, 3), np.uint8)))


@pytest.mark.parametrize("shape", [(4, 5, 3), (4, 4, 2), (4, 4)])
def test_a_map_is_square_with_one_or_three_channels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="uint8"):
        MapImage(pixels=np.zeros(shape, np.uint8))
