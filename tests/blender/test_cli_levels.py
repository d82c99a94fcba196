# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of detail and collision meshes in the files of the command line, read back."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import bpy
import pytest
from maquette.cli.destination import Destination
from maquette.cli.save import save_result
from maquette.core.geometry.hull import box_around


@pytest.fixture
def result(make_result):
    """A cube with one level, of half its triangles less the back, and its box."""
    made = make_result(name="Cube")
    mesh = made.mesh
    count = len(mesh.faces) // 2
    texture = replace(mesh.texture, corner_uvs=mesh.texture.corner_uvs[:count])
    level = replace(mesh, faces=mesh.faces[:count], texture=texture)
    return replace(made, lods=(level,), collision=box_around(mesh.vertices))


def save(result, folder, suffix):
    destination = Destination(folder, suffix, stem="cube", replaces=True)
    return save_result(result, destination, is_numbered=False)[0]


def test_a_blend_file_holds_them_hidden_below_the_result(result, tmp_path):
    path = save(result, tmp_path, ".blend")

    bpy.ops.wm.open_mainfile(filepath=str(path))
    objects = {each.name: each for each in bpy.data.objects}
    assert set(objects) == {"Cube", "Cube_LOD1", "UCX_Cube"}
    cube = objects["Cube"]
    assert not cube.hide_get()
    for name in ("Cube_LOD1", "UCX_Cube"):
        assert objects[name].parent == cube
        assert objects[name].hide_get() and objects[name].hide_render
    assert len(objects["Cube_LOD1"].data.polygons) == len(result.mesh.faces) // 2
    # One material, hence one texture, for all levels.
    assert list(objects["Cube_LOD1"].data.materials) == list(cube.data.materials)
    assert len(bpy.data.materials) == 1


def test_a_glb_file_holds_them_under_the_names_of_engines(result, tmp_path):
    path = save(result, tmp_path, ".glb")

    content = path.read_bytes()
    (length,) = struct.unpack("<I", content[12:16])
    scene = json.loads(content[20 : 20 + length])
    nodes = {node["name"]: node for node in scene["nodes"]}
    assert set(nodes) == {"Cube_LOD0", "Cube_LOD1", "UCX_Cube_LOD0"}
    below = {scene["nodes"][number]["name"] for number in nodes["Cube_LOD0"]["children"]}
    assert below == {"Cube_LOD1", "UCX_Cube_LOD0"}
    counts = {
        name: sum(
            scene["accessors"][part["indices"]]["count"] // 3
            for part in scene["meshes"][node["mesh"]]["primitives"]
        )
        for name, node in nodes.items()
    }
    full = len(result.mesh.faces)
    assert counts == {"Cube_LOD0": full, "Cube_LOD1": full // 2, "UCX_Cube_LOD0": 12}
    assert len(scene["materials"]) == 1


@pytest.mark.parametrize("suffix", [".obj", ".ply", ".usd"])
def test_other_formats_hold_the_result_alone(result, tmp_path, suffix):
    save(result, tmp_path, suffix)

    assert [each.name for each in bpy.data.objects if each.type == "MESH"] == ["Cube"]
