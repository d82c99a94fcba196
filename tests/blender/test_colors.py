# SPDX-License-Identifier: GPL-3.0-or-later
"""Colours come out of a render and of a glTF file as they went in: sRGB and linear are right."""

from __future__ import annotations

import json
import math
import struct

import bpy
import numpy as np
import pytest
from maquette.operators import mesh_build

FRONT = 2
"""The side of the cube that faces -Y."""


def srgb_to_linear(encoded):
    """IEC 61966-2-1, values in [0, 1]."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(linear):
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def add(result):
    return mesh_build.add_object(bpy.context, result, location=(0.0, 0.0, 0.0))


def read_pixels(image):
    values = np.empty(image.size[0] * image.size[1] * image.channels, dtype=np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], image.channels)


def front_in_a_white_furnace(added, path):
    """Render the front in uniform white light, where a matt surface shows its base colour.

    Returns the sRGB value in the middle of the picture, [3] in [0, 255].
    """
    shader = next(n for n in added.active_material.node_tree.nodes if n.type == "BSDF_PRINCIPLED")
    shader.inputs["Specular IOR Level"].default_value = 0.0
    scene = bpy.context.scene
    world = scene.world = bpy.data.worlds.new("White")
    if bpy.app.version < (5, 0):
        world.use_nodes = True
    background = next(node for node in world.node_tree.nodes if node.type == "BACKGROUND")
    background.inputs["Color"].default_value = (1.0, 1.0, 1.0, 1.0)

    camera = bpy.data.cameras.new("Camera")
    camera.type, camera.ortho_scale = "ORTHO", 0.5
    scene.camera = bpy.data.objects.new("Camera", camera)
    scene.camera.location = (0.0, -3.0, 0.5)
    scene.camera.rotation_euler = (math.radians(90.0), 0.0, 0.0)
    scene.collection.objects.link(scene.camera)

    scene.render.engine, scene.cycles.device = "CYCLES", "CPU"
    scene.cycles.samples, scene.cycles.use_denoising = 64, False
    scene.render.resolution_x = scene.render.resolution_y = 9
    scene.view_settings.view_transform = "Standard"
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = str(path)
    bpy.ops.render.render(write_still=True)
    return read_pixels(bpy.data.images.load(str(path)))[4, 4, :3] * 255.0


def test_the_texture_shows_its_colors_in_a_render(make_result, face_colors, tmp_path):
    added = add(make_result())

    shown = front_in_a_white_furnace(added, tmp_path / "front.png")

    np.testing.assert_allclose(shown, face_colors[FRONT], atol=2.0)


def test_the_color_attribute_shows_its_colors_in_a_render(make_result, tmp_path):
    added = add(make_result(texture=False))

    shown = front_in_a_white_furnace(added, tmp_path / "front.png")

    # The middle of the front lies halfway between the linear colours (0, 0, 0) and (1, 0, 1).
    expected = linear_to_srgb(np.array([0.5, 0.0, 0.5])) * 255.0
    # Pixels of the middle reach some hundredths of a metre to each side.
    np.testing.assert_allclose(shown, expected, atol=4.0)


def export(added, path):
    """Export an object to GLB and return the file's JSON and its binary chunk."""
    assert bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB") == {"FINISHED"}
    content = path.read_bytes()
    (json_length,) = struct.unpack_from("<I", content, 12)
    header = json.loads(content[20 : 20 + json_length])
    return header, content[28 + json_length :]


def accessor(header, binary, index):
    entry = header["accessors"][index]
    view = header["bufferViews"][entry["bufferView"]]
    kind, scale = {5126: (np.float32, 1.0), 5123: (np.uint16, 65535.0), 5121: (np.uint8, 255.0)}[
        entry["componentType"]
    ]
    width = {"VEC2": 2, "VEC3": 3, "VEC4": 4}[entry["type"]]
    start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
    values = np.frombuffer(binary, kind, entry["count"] * width, start)
    return values.reshape(-1, width) / scale


def test_gltf_carries_the_texture_pixel_by_pixel(make_result, tmp_path):
    result = make_result()
    header, binary = export(add(result), tmp_path / "cube.glb")
    material = header["materials"][0]["pbrMetallicRoughness"]
    texture = header["textures"][material["baseColorTexture"]["index"]]
    image = header["images"][texture["source"]]
    assert image["mimeType"] == "image/png"
    view = header["bufferViews"][image["bufferView"]]
    picture = tmp_path / "embedded.png"
    picture.write_bytes(binary[view["byteOffset"] :][: view["byteLength"]])

    pixels = np.rint(read_pixels(bpy.data.images.load(str(picture))) * 255.0)

    np.testing.assert_array_equal(pixels[..., :3], result.mesh.texture.pixels[..., :3])


def test_gltf_multiplies_the_texture_with_white_only(make_result, tmp_path):
    header, binary = export(add(make_result()), tmp_path / "cube.glb")

    # A viewer multiplies the texture with both of these; Blender may write a white COLOR_0.
    assert "baseColorFactor" not in header["materials"][0]["pbrMetallicRoughness"]
    attributes = header["meshes"][0]["primitives"][0]["attributes"]
    if "COLOR_0" in attributes:
        assert (accessor(header, binary, attributes["COLOR_0"]) == 1.0).all()


def test_gltf_carries_linear_vertex_colors(make_result, tmp_path):
    header, binary = export(add(make_result(texture=False)), tmp_path / "cube.glb")
    attributes = header["meshes"][0]["primitives"][0]["attributes"]

    position = accessor(header, binary, attributes["POSITION"])
    color = accessor(header, binary, attributes["COLOR_0"])

    # glTF is Y up. The linear colour of a corner is its place in the cube, by construction.
    x, y, z = position.T
    corner = np.stack([x + 0.5, -z + 0.5, y], axis=1)
    np.testing.assert_allclose(color[:, :3], corner, atol=1e-4)


def test_gltf_comes_back_with_the_same_texture(make_result, tmp_path):
    result = make_result()
    export(add(result), tmp_path / "cube.glb")
    bpy.ops.wm.read_factory_settings(use_empty=True)

    assert bpy.ops.import_scene.gltf(filepath=str(tmp_path / "cube.glb")) == {"FINISHED"}

    (image,) = [each for each in bpy.data.images if each.size[0] == 64]
    assert image.colorspace_settings.name == "sRGB"
    pixels = np.rint(read_pixels(image)[..., :3] * 255.0)
    np.testing.assert_array_equal(pixels, result.mesh.texture.pixels[..., :3])


def test_gltf_comes_back_with_the_same_vertex_colors(make_result, tmp_path):
    export(add(make_result(texture=False)), tmp_path / "cube.glb")
    bpy.ops.wm.read_factory_settings(use_empty=True)

    assert bpy.ops.import_scene.gltf(filepath=str(tmp_path / "cube.glb")) == {"FINISHED"}

    (mesh,) = [each for each in bpy.data.meshes if each.name.startswith("Red Cube")]
    for corner, color in zip(mesh.loops, mesh.color_attributes[0].data, strict=True):
        x, y, z = mesh.vertices[corner.vertex_index].co
        # `color` is linear, whichever way the attribute is stored.
        np.testing.assert_allclose(color.color[:3], (x + 0.5, y + 0.5, z), atol=1e-3)


def test_the_two_conversions_of_this_test_are_inverse():
    values = np.linspace(0.0, 1.0, 256)

    np.testing.assert_allclose(linear_to_srgb(srgb_to_linear(values)), values, atol=1e-9)
    assert srgb_to_linear(np.array(188 / 255)) == pytest.approx(0.5029, abs=1e-4)
