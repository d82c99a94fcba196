# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of Blender as painted surfaces, compared with what Cycles renders of them."""

from __future__ import annotations

import math
from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.asset import Cameras, Places, boxed
from maquette.core.assets_in.cameras import FOV, sphere_cameras
from maquette.core.assets_in.closed import is_closed, signed_volume
from maquette.core.assets_in.raster import visible
from maquette.operators.capture.surface import capture
from mathutils import Matrix

SIZE = 48


def captured(objects=None):
    return capture(bpy.context.evaluated_depsgraph_get(), objects)


def add_cube(**options):
    bpy.ops.mesh.primitive_cube_add(**options)
    return bpy.context.object


def add_image(width=8, height=8):
    """Return an image whose rows and columns can be told apart, in sRGB."""
    image = bpy.data.images.new("Stripes", width, height)
    rows, columns = np.mgrid[0:height, 0:width]
    pixels = np.stack([columns / width, rows / height, np.full_like(rows, 0.2, float)], -1)
    image.pixels.foreach_set(np.dstack([pixels, np.ones_like(rows, float)]).ravel().astype("f4"))
    return image


def add_material(name="Paint"):
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    tree = material.node_tree
    (shader,) = [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]
    return material, tree, shader.inputs["Base Color"]


def image_node(tree, image, **settings):
    node = tree.nodes.new("ShaderNodeTexImage")
    node.image = image
    for name, value in settings.items():
        setattr(node, name, value)
    return node


def colors_everywhere(surface, count=500):
    """Return colours at random places of a surface, and where those are."""
    rng = np.random.default_rng(0)
    weights = rng.dirichlet((1, 1, 1), count).astype(np.float32)
    places = Places(rng.integers(len(surface.faces), size=count), weights)
    return surface.colors(places), places.at(surface.corners)


def render_emission(cameras: Cameras, size: int, folder):
    """Return what Cycles sees along each pixel's middle ray of one camera, linear, [H, W, 4]."""
    for material in bpy.data.materials:
        tree = material.node_tree
        (shader,) = [node for node in tree.nodes if node.type == "BSDF_PRINCIPLED"]
        emission = tree.nodes.new("ShaderNodeEmission")
        source = shader.inputs["Base Color"]
        emission.inputs["Color"].default_value = source.default_value
        if source.is_linked:
            tree.links.new(source.links[0].from_socket, emission.inputs["Color"])
        output = tree.get_output_node("ALL")
        tree.links.new(emission.outputs[0], output.inputs["Surface"])
    scene = bpy.context.scene
    data = bpy.data.cameras.new("Camera")
    data.angle = cameras.fov
    camera = bpy.data.objects.new("Camera", data)
    right, down, forward = cameras.axes[0].astype(float)
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([right, -down, -forward], axis=1)
    matrix[:3, 3] = cameras.origins[0]
    camera.matrix_world = Matrix(matrix.tolist())
    scene.collection.objects.link(camera)
    scene.camera = camera
    render = scene.render
    render.engine = "CYCLES"
    scene.cycles.samples, scene.cycles.use_denoising = 1, False
    scene.cycles.pixel_filter_type, scene.cycles.filter_width = "BOX", 0.01
    render.resolution_x = render.resolution_y = size
    render.film_transparent = True
    render.image_settings.file_format = "OPEN_EXR"
    render.image_settings.color_mode, render.image_settings.color_depth = "RGBA", "32"
    render.filepath = str(folder / "seen.exr")
    bpy.ops.render.render(write_still=True)
    image = bpy.data.images.load(render.filepath)
    values = np.empty(size * size * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(size, size, 4)[::-1]


def test_what_is_seen_is_what_cycles_sees(tmp_path):
    """Projection, images, attributes, constants and transforms, pixel by pixel."""
    material, tree, base = add_material("Image")
    tree.links.new(image_node(tree, add_image(), interpolation="Closest").outputs[0], base)
    cube = add_cube(size=1.0, location=(-0.35, 0.1, 0.0), rotation=(0.3, 0.5, 0.2))
    cube.data.materials.append(material)
    flat, _, base = add_material("Flat")
    base.default_value = (0.1, 0.6, 0.3, 1)
    cone_colors, tree, base = add_material("Attribute")
    node = tree.nodes.new("ShaderNodeVertexColor")
    node.layer_name = "Tint"
    tree.links.new(node.outputs[0], base)
    bpy.ops.mesh.primitive_cone_add(radius1=0.4, depth=0.9, location=(0.45, 0, 0.1))
    cone = bpy.context.object
    cone.scale = (1, 1.4, -1)
    cone.data.materials.append(cone_colors)
    tint = cone.data.color_attributes.new("Tint", "FLOAT_COLOR", "CORNER")
    tint.data.foreach_set("color", np.random.default_rng(1).random(4 * len(tint.data)))
    bpy.ops.object.text_add(location=(-0.2, -0.7, -0.6))
    bpy.context.object.data.materials.append(flat)
    cameras = sphere_cameras(1, seed=11)

    surface = captured().surface
    hits = visible(surface.corners, cameras, 0, SIZE)
    seen = np.zeros((SIZE * SIZE, 4), dtype=np.float32)
    seen[hits.pixels, :3], seen[hits.pixels, 3] = surface.colors(hits.places), 1
    expected = render_emission(cameras, SIZE, tmp_path)

    different = np.abs(seen.reshape(expected.shape) - expected).max(axis=-1) > 0.02
    assert expected[..., 3].sum() > 300
    # Rounding may take a ray past an edge, or past the border of two pixels of the image.
    assert different.sum() <= 6


def test_images_are_laid_out_by_the_uvs_they_name():
    material, tree, base = add_material()
    image = image_node(tree, add_image(), interpolation="Closest")
    layer = tree.nodes.new("ShaderNodeUVMap")
    layer.uv_map = "Second"
    tree.links.new(layer.outputs[0], image.inputs["Vector"])
    tree.links.new(image.outputs[0], base)
    cube = add_cube()
    cube.data.materials.append(material)
    second = cube.data.uv_layers.new(name="Second")
    second.uv.foreach_set("vector", np.full(2 * len(second.uv), 0.9, dtype=np.float32))

    colors, _ = colors_everywhere(captured().surface)

    # Column 7 of 8 and row 7 of 8: 0.875 in sRGB.
    np.testing.assert_allclose(colors[:, :2], ((0.875 + 0.055) / 1.055) ** 2.4, atol=0.005)


def test_colours_are_multiplied_as_nodes_say():
    material, tree, base = add_material()
    mix = tree.nodes.new("ShaderNodeMix")
    mix.data_type, mix.blend_type = "RGBA", "MULTIPLY"
    sockets = {socket.identifier: socket for socket in mix.inputs}
    sockets["Factor_Float"].default_value = 1.0
    sockets["A_Color"].default_value = (0.5, 0.5, 1.0, 1)
    sockets["B_Color"].default_value = (0.4, 1.0, 0.2, 1)
    (result,) = [each for each in mix.outputs if each.identifier == "Result_Color"]
    tree.links.new(result, base)
    add_cube().data.materials.append(material)

    found = captured()

    np.testing.assert_allclose(colors_everywhere(found.surface)[0][0], (0.2, 0.5, 0.2), atol=1e-6)
    assert found.notes == ()


def test_what_nodes_compute_is_left_out_and_noted():
    material, tree, base = add_material("Marble")
    base.default_value = (0.3, 0.2, 0.1, 1)
    tree.links.new(tree.nodes.new("ShaderNodeTexNoise").outputs[1], base)
    add_cube().data.materials.append(material)

    found = captured()

    (note,) = found.notes
    assert note.startswith("material Marble computes its color (Noise")
    np.testing.assert_allclose(colors_everywhere(found.surface)[0][0], (0.3, 0.2, 0.1), atol=1e-6)


def test_an_object_without_material_shows_its_own_colours():
    cube = add_cube()
    colors = cube.data.color_attributes.new("Any", "BYTE_COLOR", "POINT")
    for vertex, item in zip(cube.data.vertices, colors.data, strict=True):
        item.color = (1, 0, 0, 1) if vertex.co.x > 0 else (0, 0, 1, 1)
    add_cube(location=(9, 0, 0))

    found, points = colors_everywhere(captured().surface)

    with_colors = points[:, 0] < 5
    np.testing.assert_allclose(found[with_colors, 0], (points[with_colors, 0] + 1) / 2, atol=0.01)
    np.testing.assert_allclose(found[~with_colors], 0.8, atol=1e-6)


def test_modifiers_instances_and_mirrors_are_followed():
    cube = add_cube(size=2)
    cube.modifiers.new("Array", "ARRAY").use_relative_offset = False
    cube.modifiers["Array"].use_constant_offset = True
    cube.modifiers["Array"].constant_offset_displace = (5, 0, 0)
    cube.scale = (1, 1, -2)
    collection = bpy.data.collections.new("Kept")
    ball = bpy.data.objects.new("Inner", cube.data)
    collection.objects.link(ball)
    empty = bpy.data.objects.new("Instance", None)
    empty.instance_type, empty.instance_collection = "COLLECTION", collection
    empty.location = (0, 20, 0)
    bpy.context.scene.collection.objects.link(empty)
    bpy.context.view_layer.update()

    surface = captured().surface

    # Two boxes of 16 by the array, and the plain cube of 8 that is instanced.
    assert len(surface.faces) == 36
    assert signed_volume(surface) == pytest.approx(16 + 16 + 8, rel=1e-5)
    assert is_closed(boxed(surface)[0])
    assert surface.vertices[:, 1].max() == pytest.approx(21)


def test_only_the_objects_asked_for_are_taken():
    first, second = add_cube(), add_cube(location=(9, 0, 0))
    hidden = add_cube(location=(0, 9, 0))
    hidden.hide_render = True
    bpy.ops.object.light_add()
    bpy.context.view_layer.update()

    assert len(captured([second]).surface.faces) == 12
    assert captured([second]).surface.vertices[:, 0].min() == pytest.approx(8)
    assert len(captured().surface.faces) == 24
    assert len(captured([first, second, hidden]).surface.faces) == 36


def test_an_empty_scene_is_an_empty_surface():
    assert len(captured().surface.faces) == 0


def test_the_scene_stays_as_it_is():
    material, tree, base = add_material()
    tree.links.new(image_node(tree, add_image()).outputs[0], base)
    add_cube().data.materials.append(material)
    bpy.context.view_layer.update()
    before = [len(getattr(bpy.data, name)) for name in ("meshes", "images", "materials", "objects")]

    captured()

    after = [len(getattr(bpy.data, name)) for name in ("meshes", "images", "materials", "objects")]
    assert after == before
    assert math.isclose(FOV, bpy.data.cameras.new("Default").angle, rel_tol=1e-5)


@pytest.mark.needs_torch
def test_a_selected_mesh_becomes_a_latent_that_becomes_a_field():
    """The whole way of a mesh in Blender, with a small random network of the published kind."""
    torch = pytest.importorskip("torch")
    from maquette.core.decoder.stf import Decoder
    from maquette.core.encode import encode, measure
    from maquette.core.encoder.perceiver import AssetEncoder
    from maquette.core.specs import DECODERS, ENCODERS

    sizes = {"num_latents": 64, "channels": 32}
    spec = replace(
        ENCODERS["shap-e"],
        **sizes,
        width=32,
        num_layers=2,
        num_points=64,
        num_views=2,
        image_size=16,
        num_centers=8,
        num_neighbors=16,
        conv_widths=(32, 32),
    )
    torch.manual_seed(0)
    encoder = AssetEncoder(spec).requires_grad_(False).eval()
    decoder = Decoder(replace(DECODERS["shap-e"], **sizes, hidden_width=16)).requires_grad_(False)
    add_cube(location=(9, 0, 0))
    bpy.ops.mesh.primitive_monkey_add()

    surface = captured(bpy.context.selected_objects).surface
    latent = encode(measure(surface, spec), encoder)

    assert len(surface.faces) > 900 and latent.shape == (64, 32)
    field = decoder.field(latent)
    assert field.signed_distance(torch.zeros(5, 3)).isfinite().all()
