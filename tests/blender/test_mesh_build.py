# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from dataclasses import asdict

import bmesh
import bpy
import numpy as np
import pytest
from maquette.core.mesh import GenerationRecord
from maquette.operators import mesh_build


def add(result, location=(0.0, 0.0, 0.0)):
    return mesh_build.add_object(bpy.context, result, location=location)


def read(collection, name, width, dtype=np.float32):
    values = np.empty(len(collection) * width, dtype=dtype)
    collection.foreach_get(name, values)
    return values.reshape(-1, width) if width > 1 else values


def base_color_source(material):
    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    (link,) = shader.inputs["Base Color"].links
    return link.from_node


def test_vertices_and_faces_arrive_unchanged(make_result):
    result = make_result()

    mesh = add(result).data

    np.testing.assert_array_equal(read(mesh.vertices, "co", 3), result.mesh.vertices)
    corners = read(mesh.loops, "vertex_index", 1, np.int32).reshape(-1, 3)
    np.testing.assert_array_equal(corners, result.mesh.faces)


def test_the_mesh_is_valid_closed_and_faces_outward(make_result):
    mesh = add(make_result()).data

    assert mesh.validate(verbose=True) is False  # False: there was nothing to repair.
    solid = bmesh.new()
    solid.from_mesh(mesh)
    assert all(edge.is_manifold and edge.is_contiguous for edge in solid.edges)
    assert solid.calc_volume(signed=True) == pytest.approx(1.0)
    assert all(vertex.link_edges for vertex in solid.verts)
    solid.free()


def test_arrays_of_other_widths_and_orders_are_converted(make_result):
    result = make_result()
    flipped = np.asfortranarray(result.mesh.vertices)
    object.__setattr__(result.mesh, "vertices", flipped)

    mesh = add(result).data

    np.testing.assert_array_equal(read(mesh.vertices, "co", 3), flipped)


def test_every_face_is_smooth(make_result):
    mesh = add(make_result()).data

    assert all(polygon.use_smooth for polygon in mesh.polygons)


def test_colors_are_a_linear_point_attribute_that_is_active(make_result):
    result = make_result()

    mesh = add(result).data

    color = mesh.color_attributes["Color"]
    assert (color.domain, color.data_type) == ("POINT", "FLOAT_COLOR")
    rgba = read(color.data, "color", 4)
    np.testing.assert_array_equal(rgba[:, :3], result.mesh.vertex_colors)
    np.testing.assert_array_equal(rgba[:, 3], 1.0)
    assert mesh.color_attributes.active_color.name == "Color"
    assert mesh.color_attributes[mesh.color_attributes.render_color_index].name == "Color"


def test_uvs_arrive_unchanged(make_result):
    result = make_result()

    (layer,) = add(result).data.uv_layers

    uvs = read(layer.uv, "vector", 2).reshape(-1, 3, 2)
    np.testing.assert_array_equal(uvs, result.mesh.texture.corner_uvs)
    assert layer.active_render


def test_the_image_is_packed_srgb_and_keeps_every_pixel_through_a_file(make_result, tmp_path):
    result = make_result()
    image = base_color_source(add(result).active_material).image
    assert image.colorspace_settings.name == "sRGB"
    assert not image.is_float
    assert image.packed_file is not None

    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)

    (image,) = [each for each in bpy.data.images if each.name.startswith("Red Cube")]
    pixels = np.rint(read_pixels(image) * 255).astype(np.uint8)
    np.testing.assert_array_equal(pixels, result.mesh.texture.pixels)


def read_pixels(image):
    values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)


def test_the_base_color_comes_from_the_image(make_result):
    (material,) = add(make_result()).data.materials

    source = base_color_source(material)

    assert source.type == "TEX_IMAGE"
    assert tuple(source.image.size) == (64, 64)


def test_without_a_texture_the_base_color_comes_from_the_attribute(make_result):
    mesh = add(make_result(texture=False)).data

    source = base_color_source(mesh.materials[0])

    assert (source.type, source.layer_name) == ("VERTEX_COLOR", "Color")
    assert not mesh.uv_layers
    assert not bpy.data.images


def test_solid_shading_shows_the_mean_color(make_result):
    result = make_result()

    added = add(result)

    expected = [*result.mesh.vertex_colors.mean(axis=0), 1.0]
    assert list(added.active_material.diffuse_color) == pytest.approx(expected, abs=1e-6)


def test_the_record_on_the_object_says_everything(make_result):
    result = make_result(seed=2**31 - 1)

    added = add(result)

    stored = json.loads(added["maquette"])
    assert GenerationRecord(**stored) == result.record
    for key in ("prompt", "seed", "pack", "pack_hash", "version"):
        assert added[f"maquette_{key}"] == asdict(result.record)[key]


def test_the_record_survives_saving(make_result, tmp_path):
    result = make_result()
    add(result)

    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)

    assert GenerationRecord(**json.loads(bpy.data.objects[0]["maquette"])) == result.record


def test_the_object_is_placed_selected_and_active(make_result):
    first = add(make_result())
    second = add(make_result(), location=(1.0, -2.0, 0.5))

    assert tuple(second.location) == (1.0, -2.0, 0.5)
    assert bpy.context.view_layer.objects.active == second
    assert second.select_get()
    assert not first.select_get()


def test_the_object_goes_to_the_active_collection(make_result):
    collection = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(collection)
    layer = bpy.context.view_layer.layer_collection.children["Props"]
    bpy.context.view_layer.active_layer_collection = layer

    added = add(make_result())

    assert list(added.users_collection) == [collection]


@pytest.mark.parametrize("hide", ["exclude", "hide_viewport"])
def test_a_collection_that_is_not_seen_does_not_swallow_the_object(make_result, hide):
    collection = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(collection)
    layer = bpy.context.view_layer.layer_collection.children["Props"]
    bpy.context.view_layer.active_layer_collection = layer
    setattr(layer, hide, True)

    added = add(make_result())

    assert list(added.users_collection) == [bpy.context.scene.collection]
    assert added.select_get()


@pytest.mark.parametrize("name", ["红色蘑菇" * 40, "a" * 300, "🍄 mushroom", "../x", "_"])
def test_names_of_any_script_and_length_are_accepted(make_result, name):
    added = add(make_result(name))

    assert added.name
    assert name.startswith(added.name.rstrip("."))
