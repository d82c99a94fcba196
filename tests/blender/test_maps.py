# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps and shading in Blender: frames that agree with ours, materials, and the way out and back."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import addon_utils
import bpy
import numpy as np
import pytest
from maquette.core.mesh import MapImage, MeshData, TextureData
from maquette.core.texture.shading import corner_normals
from maquette.core.texture.tangents import tangent_frames
from maquette.core.texture.unwrap import unwrap
from maquette.operators import mesh_build
from maquette.operators.export import usd_occlusion
from mathutils.kdtree import KDTree

# Of Blender 5.2's own FBX exporter, with the newest numpy.
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")

SIZE = 64
SHADINGS = [("smooth", False), ("smooth", True), ("auto", False), ("flat", False)]


def lumpy_block() -> tuple[np.ndarray, np.ndarray]:
    """Return a closed block with round lumps and sharp corners: vertices and triangles."""
    count = 12
    axis = np.linspace(-1, 1, count + 1)
    points, faces = [], []
    for side in range(6):
        u, v = np.meshgrid(axis, axis, indexing="ij")
        sign = 1.0 if side % 2 else -1.0
        grid = np.stack([np.full_like(u, sign), u * sign, v], axis=-1)
        points.append(np.roll(grid, side // 2, axis=-1).reshape(-1, 3))
        start = side * (count + 1) ** 2 + np.arange(count)[:, None] * (count + 1) + np.arange(count)
        a, b, c, d = (start + step for step in (0, count + 1, count + 2, 1))
        faces += [np.stack(each, -1).reshape(-1, 3) for each in ((a, b, c), (a, c, d))]
    vertices, place = np.unique(np.round(np.concatenate(points), 9), axis=0, return_inverse=True)
    lumps = 1 + 0.12 * np.sin(4 * vertices).prod(axis=1, keepdims=True)
    vertices = vertices * lumps * (0.5, 0.4, 0.3) + (0, 0, 0.5)
    triangles = place.reshape(-1)[np.concatenate(faces)]
    return vertices.astype(np.float32), triangles.astype(np.int32)


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def mesh_data(shading="smooth", has_field_normals=False) -> MeshData:
    """Return the block with a texture of a gradient, and maps of other patterns."""
    vertices, faces = lumpy_block()
    # What a field might say: something that leans away from the mesh's own normals.
    normals = unit(vertices - (0, 0, 0.5) + 0.1 * np.sin(9 * vertices)).astype(np.float32)
    unwrapping = unwrap(vertices, faces, SIZE)
    ramp = np.arange(SIZE, dtype=np.uint8) * 4
    pixels = np.full((SIZE, SIZE, 4), 255, np.uint8)
    pixels[..., 0], pixels[..., 1], pixels[..., 2] = ramp[:, None], ramp, 77
    leaning = np.full((SIZE, SIZE, 3), 255, np.uint8)
    leaning[..., 0], leaning[..., 1] = 100 + ramp // 8, 140 - ramp[:, None] // 8
    gray = (255 - ramp[:, None] // 2).repeat(SIZE, axis=1)[..., None]
    return MeshData(
        vertices=vertices,
        faces=faces,
        normals=normals,
        vertex_colors=np.full_like(vertices, 0.5),
        texture=TextureData(
            pixels=pixels,
            corner_uvs=unwrapping.corner_uvs,
            num_islands=unwrapping.num_islands,
            normal=MapImage(pixels=leaning),
            occlusion=MapImage(pixels=gray),
        ),
        shading=shading,
        has_field_normals=has_field_normals,
    )


@pytest.fixture
def add(make_result):
    """Add a result with maps to the scene."""

    def add(data: MeshData | None = None, name="Lumpy Block"):
        result = replace(make_result(name), mesh=data or mesh_data())
        return mesh_build.add_object(bpy.context, result, location=(0.0, 0.0, 0.0))

    return add


def own_normals(data: MeshData) -> np.ndarray:
    normals = data.normals if data.has_field_normals else None
    return corner_normals(data.vertices, data.faces, data.shading, normals)


def read(collection, name, width):
    values = np.empty(len(collection) * width, dtype=np.float32)
    collection.foreach_get(name, values)
    return values.reshape(-1, 3, width)


def angles(first, second):
    """Return the angles between vectors, in degrees; exact also where they are tiny."""
    return np.degrees(2 * np.arcsin(np.clip(np.linalg.norm(first - second, axis=-1) / 2, 0, 1)))


@pytest.mark.parametrize(("shading", "has_field_normals"), SHADINGS)
def test_blender_shades_with_the_normals_that_maps_are_baked_against(
    add, shading, has_field_normals
):
    data = mesh_data(shading, has_field_normals)

    mesh = add(data).data

    off = angles(read(mesh.corner_normals, "vector", 3), own_normals(data))
    # Blender keeps custom normals in two numbers of 16 bits.
    assert np.median(off) < 0.01
    assert off.max() < (0.5 if has_field_normals else 0.05)
    assert mesh.has_custom_normals == has_field_normals
    assert mesh.validate(verbose=True) is False


def test_shadings_differ(add):
    flat, smooth, auto, field = (
        read(add(mesh_data(*each)).data.corner_normals, "vector", 3)
        for each in (("flat",), ("smooth",), ("auto",), ("smooth", True))
    )

    assert angles(flat, smooth).max() > 30
    # The corners of the block are sharp, its lumps are not.
    assert angles(auto, smooth).max() > 30 and angles(auto, flat).max() > 1
    assert np.median(angles(field, smooth)) > 1


@pytest.mark.parametrize(("shading", "has_field_normals"), SHADINGS)
def test_tangents_are_those_of_blender(add, shading, has_field_normals):
    data = mesh_data(shading, has_field_normals)
    mesh = add(data).data
    mesh.calc_tangents(uvmap=mesh_build.UV_MAP)

    frames = tangent_frames(data.vertices, data.faces, data.texture.corner_uvs, own_normals(data))

    off = angles(frames.tangents, read(mesh.loops, "tangent", 3))
    assert np.median(off) < 0.02
    assert np.quantile(off, 0.999) < 0.5
    signs = read(mesh.loops, "bitangent_sign", 1)[..., 0]
    np.testing.assert_array_equal(signs, frames.signs[:, None].repeat(3, axis=1))
    expected = signs[..., None] * np.cross(frames.normals, frames.tangents)
    assert np.quantile(angles(expected, read(mesh.loops, "bitangent", 3)), 0.999) < 0.5


def test_tangents_of_mirrored_islands_are_those_of_blender(add):
    data = mesh_data()
    uvs = data.texture.corner_uvs.copy()
    mirrored = data.vertices[data.faces].mean(axis=1)[:, 0] < 0
    uvs[mirrored, :, 0] = 1 - uvs[mirrored, :, 0]
    data = replace(data, texture=replace(data.texture, corner_uvs=uvs))
    mesh = add(data).data
    mesh.calc_tangents(uvmap=mesh_build.UV_MAP)

    frames = tangent_frames(data.vertices, data.faces, uvs, own_normals(data))

    assert (frames.signs == np.where(mirrored, -1, 1)).all()
    assert np.quantile(angles(frames.tangents, read(mesh.loops, "tangent", 3)), 0.99) < 0.5


def node_before(socket):
    (link,) = socket.links
    return link.from_node


def images_by_use(material):
    """Return the images of a material by what they are for, whoever wired it."""
    found = {}
    for node in material.node_tree.nodes:
        if node.type == "BSDF_PRINCIPLED":
            for name in ("Base Color", "Normal"):
                if node.inputs[name].is_linked:
                    found[name] = _image_behind(node.inputs[name])
        elif node.type == "GROUP" and node.inputs["Occlusion"].is_linked:
            found["Occlusion"] = _image_behind(node.inputs["Occlusion"])
    return found


def _image_behind(socket):
    node = node_before(socket)
    while node.type != "TEX_IMAGE":
        name = {"MIX": 6, "NORMAL_MAP": "Color", "SEPARATE_COLOR": 0}.get(node.type, 0)
        node = node_before(node.inputs[name])
    return node.image


def pixels_of(image):
    values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values.reshape(image.size[1], image.size[0], 4) * 255).astype(np.uint8)


def expected_pixels(texture: TextureData) -> dict[str, np.ndarray]:
    return {
        "Base Color": texture.pixels[..., :3],
        "Normal": texture.normal.pixels,
        "Occlusion": texture.occlusion.pixels.repeat(3, axis=2),
    }


def test_the_material_uses_every_map_for_what_it_is(add):
    data = mesh_data()

    material = add(data).active_material

    shader = next(node for node in material.node_tree.nodes if node.type == "BSDF_PRINCIPLED")
    normal_map = node_before(shader.inputs["Normal"])
    assert (normal_map.type, normal_map.space) == ("NORMAL_MAP", "TANGENT")
    assert (
        normal_map.uv_map == mesh_build.UV_MAP and normal_map.inputs["Strength"].default_value == 1
    )
    found = images_by_use(material)
    for name, expected in expected_pixels(data.texture).items():
        np.testing.assert_array_equal(pixels_of(found[name])[..., :3], expected)
    spaces = {name: image.colorspace_settings.name for name, image in found.items()}
    assert spaces == {"Base Color": "sRGB", "Normal": "Non-Color", "Occlusion": "Non-Color"}
    assert all(image.packed_file.data[:4] == b"\x89PNG" for image in found.values())


def test_occlusion_changes_no_render(add):
    material = add().active_material

    (group,) = [node for node in material.node_tree.nodes if node.type == "GROUP"]
    assert not any(socket.is_linked for socket in group.outputs)


def test_results_share_the_group_of_the_gltf_exporter(add):
    there = bpy.data.node_groups.new("glTF Material Output", "ShaderNodeTree")
    there.interface.new_socket("Thickness", in_out="INPUT", socket_type="NodeSocketFloat")

    add()
    add()

    assert list(bpy.data.node_groups) == [there]
    assert [each.name for each in there.interface.items_tree] == ["Thickness", "Occlusion"]


def test_without_maps_the_material_has_the_base_color_alone(add):
    data = mesh_data()
    plain = replace(data.texture, normal=None, occlusion=None)

    material = add(replace(data, texture=plain)).active_material

    assert set(images_by_use(material)) == {"Base Color"}
    assert not bpy.data.node_groups


def test_maps_survive_saving(add, tmp_path):
    data = mesh_data()
    add(data)

    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.open_mainfile(filepath=path)

    found = images_by_use(bpy.data.materials["Lumpy Block"])
    for name, expected in expected_pixels(data.texture).items():
        np.testing.assert_array_equal(pixels_of(found[name])[..., :3], expected)


def read_back(path):
    (mesh,) = read_back_all(path)
    return mesh


def read_back_all(path):
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    for name in ("io_scene_gltf2", "io_scene_fbx"):
        addon_utils.enable(name)
    importers = {
        ".glb": bpy.ops.import_scene.gltf,
        ".fbx": bpy.ops.import_scene.fbx,
        ".usd": bpy.ops.wm.usd_import,
        ".usdc": bpy.ops.wm.usd_import,
        ".obj": bpy.ops.wm.obj_import,
    }
    importers[path.suffix](filepath=str(path))
    return [each for each in bpy.context.scene.objects if each.type == "MESH"]


# Of these formats, Blender reads occlusion from glTF alone; USD has it too, see below.
KEPT = {
    "GLTF": (".glb", {"Base Color", "Normal", "Occlusion"}),
    "FBX": (".fbx", {"Base Color", "Normal"}),
    "USD": (".usdc", {"Base Color", "Normal"}),
    "OBJ": (".obj", {"Base Color", "Normal"}),
}


@pytest.mark.parametrize("file_format", KEPT)
def test_maps_come_back_from_files(add, tmp_path, file_format):
    for name in ("io_scene_gltf2", "io_scene_fbx"):
        addon_utils.enable(name)
    suffix, kept = KEPT[file_format]
    data = mesh_data()
    add(data)
    path = tmp_path / f"block{suffix}"

    bpy.ops.maquette.export(filepath=str(path), file_format=file_format)

    found = images_by_use(read_back(path).active_material)
    assert set(found) == kept
    expected = expected_pixels(data.texture)
    for name, image in found.items():
        channels = slice(0, 1) if name == "Occlusion" else slice(0, 3)
        np.testing.assert_array_equal(
            pixels_of(image)[..., channels], expected[name][..., channels]
        )
        # Blender's importer of OBJ takes every image for a colour.
        if file_format != "OBJ":
            space = "sRGB" if name == "Base Color" else "Non-Color"
            assert image.colorspace_settings.name == space


@pytest.fixture
def usd():
    """USD's own package, which Blender has where the bpy module does not look for it."""
    folders = Path(bpy.utils.resource_path("LOCAL")).glob("python/lib/python*/site-packages")
    places = [str(each) for each in folders if (each / "pxr").is_dir()]
    sys.path.extend(places)
    yield pytest.importorskip("pxr.Usd", reason="this bpy has no Python package of USD")
    for each in places:
        sys.path.remove(each)


def occlusion_in(stage, usd_shade):
    """Return the picture, color space and channel of each material's occlusion, by base color."""
    found = {}
    for prim in stage.Traverse():
        if prim.IsA(usd_shade.Material):
            surface = usd_shade.Material(prim).ComputeSurfaceSource()[0]
            (color,), (gray,) = (
                surface.GetInput(name).GetConnectedSources()[0]
                for name in ("diffuseColor", "occlusion")
            )
            color_shader, shader = (
                usd_shade.Shader(each.source.GetPrim()) for each in (color, gray)
            )
            uvs = [
                each.GetInput("st").GetConnectedSources()[0][0].source.GetPrim().GetPath()
                for each in (color_shader, shader)
            ]
            assert uvs[0] == uvs[1]
            # Some Blenders write ./ before a name, others do not.
            names = [
                each.GetInput("file").Get().path.removeprefix("./")
                for each in (color_shader, shader)
            ]
            found[names[0]] = (
                names[1],
                shader.GetInput("sourceColorSpace").Get(),
                gray.sourceName,
            )
    return found


def test_occlusion_comes_back_from_usd_files(add, tmp_path, usd):
    from pxr import UsdShade

    data = mesh_data()
    darker = MapImage(pixels=data.texture.occlusion.pixels // 2)
    add(data, name="First")
    add(replace(data, texture=replace(data.texture, occlusion=darker)), name="Second")
    for each in bpy.data.objects:
        each.select_set(True)

    bpy.ops.maquette.export(filepath=str(tmp_path / "both.usdc"), file_format="USD")

    stage = usd.Stage.Open(str(tmp_path / "both.usdc"))
    assert occlusion_in(stage, UsdShade) == {
        "both-base-color.png": ("both-occlusion.png", "raw", "r"),
        "both-base-color-2.png": ("both-occlusion-2.png", "raw", "r"),
    }
    for name, expected in (("", data.texture.occlusion), ("-2", darker)):
        image = bpy.data.images.load(str(tmp_path / f"both-occlusion{name}.png"))
        image.colorspace_settings.name = "Non-Color"
        np.testing.assert_array_equal(pixels_of(image)[..., :1], expected.pixels)
    # Blender reads what its own exporter has written as before.
    found = images_by_use(read_back_all(tmp_path / "both.usdc")[0].active_material)
    assert set(found) == {"Base Color", "Normal"}


@pytest.mark.parametrize(("file_format", "suffix"), [("USD", ".usdc"), ("OBJ", ".obj")])
def test_the_files_beside_are_named_after_their_use(
    add, tmp_path, file_format, suffix, monkeypatch
):
    monkeypatch.setattr(usd_occlusion, "is_possible", lambda: False)
    add(name="First")
    add(name="Second")
    for each in bpy.data.objects:
        each.select_set(True)

    bpy.ops.maquette.export(filepath=str(tmp_path / f"both{suffix}"), file_format=file_format)

    names = {"base-color", "base-color-2", "normal", "normal-2"}
    assert {path.stem for path in tmp_path.glob("*.png")} == {f"both-{name}" for name in names}


@pytest.mark.parametrize("suffix", [".glb", ".usd", ".obj"])
def test_maps_come_back_from_files_of_the_command_line(make_result, tmp_path, suffix):
    from maquette.cli import blend_export

    result = replace(make_result(), mesh=mesh_data())
    path = tmp_path / f"block{suffix}"

    blend_export.open_scene(result)
    for name in ("io_scene_gltf2", "io_scene_fbx"):
        addon_utils.enable(name)
    blend_export.write_file(result, path)

    found = images_by_use(read_back(path).active_material)
    assert set(found) == {"Base Color", "Normal"} | ({"Occlusion"} if suffix == ".glb" else set())
    expected = expected_pixels(result.mesh.texture)
    for name in ("Base Color", "Normal"):
        np.testing.assert_array_equal(pixels_of(found[name])[..., :3], expected[name])


@pytest.mark.parametrize("file_format", ["GLTF", "FBX", "USD"])
@pytest.mark.parametrize(("shading", "has_field_normals"), SHADINGS)
def test_shading_comes_back_from_files(add, tmp_path, file_format, shading, has_field_normals):
    for name in ("io_scene_gltf2", "io_scene_fbx"):
        addon_utils.enable(name)
    data = mesh_data(shading, has_field_normals)
    add(data)
    path = tmp_path / f"block{KEPT[file_format][0]}"

    bpy.ops.maquette.export(filepath=str(path), file_format=file_format)

    mesh = read_back(path)
    places = np.array([mesh.matrix_world @ vertex.co for vertex in mesh.data.vertices])
    turn = np.array(mesh.matrix_world.to_3x3().normalized())
    corners = np.array([loop.vertex_index for loop in mesh.data.loops])
    normals = read(mesh.data.corner_normals, "vector", 3).reshape(-1, 3) @ turn.T
    # Vertices and faces may have been put in another order: find each corner by its place.
    tree = KDTree(len(corners))
    for number, place in enumerate(places[corners]):
        tree.insert(place, number)
    tree.balance()
    expected = own_normals(data).reshape(-1, 3)
    for place, normal in zip(data.vertices[data.faces].reshape(-1, 3), expected, strict=True):
        near = [number for _, number, _ in tree.find_range(place, 1e-3)]
        assert near and angles(normals[near], normal).min() < 1.0
