# SPDX-License-Identifier: GPL-3.0-or-later
"""What `maquette encode` reads of files that Blender wrote."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from maquette.cli.encode import GUESSED, read_mesh
from maquette.cli.errors import UsageError
from maquette.core.errors import MeshInputError

WRITERS = {
    ".blend": lambda path: bpy.ops.wm.save_as_mainfile(filepath=path, copy=True),
    ".glb": lambda path: bpy.ops.export_scene.gltf(filepath=path, export_format="GLB"),
    ".obj": lambda path: bpy.ops.wm.obj_export(filepath=path),
    ".stl": lambda path: bpy.ops.wm.stl_export(filepath=path),
    ".ply": lambda path: bpy.ops.wm.ply_export(filepath=path),
}


def add_box(size=(1.0, 0.5, 2.0), location=(0.0, 0.0, 1.0)):
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=location)
    bpy.context.object.scale = size
    bpy.context.view_layer.update()
    return bpy.context.object


@pytest.mark.parametrize("suffix", WRITERS)
def test_a_file_is_read_upright_whatever_its_format(tmp_path, suffix):
    add_box()
    path = tmp_path / f"Box{suffix}"
    WRITERS[suffix](str(path))

    mesh = read_mesh(path)

    assert mesh.source == path.name
    assert len(mesh.surface.faces) == 12
    corners = mesh.surface.corners.reshape(-1, 3)
    np.testing.assert_allclose(np.ptp(corners, axis=0), (1.0, 0.5, 2.0), atol=1e-5)


def test_all_that_would_be_rendered_is_one_object(tmp_path):
    add_box()
    add_box(location=(3.0, 0.0, 1.0))
    add_box(location=(9.0, 0.0, 1.0)).hide_render = True
    path = tmp_path / "Two.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)

    assert len(read_mesh(path).surface.faces) == 24


def test_guessed_colors_are_noted(tmp_path):
    box = add_box()
    material = bpy.data.materials.new("Noise")
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    (shader,) = [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]
    noise = tree.nodes.new("ShaderNodeTexNoise")
    tree.links.new(noise.outputs[0], shader.inputs["Base Color"])
    box.data.materials.append(material)
    path = tmp_path / "Noise.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)

    assert read_mesh(path).notes == (GUESSED,)


def test_a_file_without_a_mesh_and_a_broken_one_are_told(tmp_path):
    path = tmp_path / "Empty.blend"
    bpy.ops.wm.save_as_mainfile(filepath=str(path), copy=True)
    with pytest.raises(MeshInputError, match=r"Empty\.blend, it has no faces"):
        read_mesh(path)

    broken = tmp_path / "Broken.glb"
    broken.write_bytes(b"glTF and no more")
    with pytest.raises(UsageError, match="Blender cannot read it"):
        read_mesh(broken)
