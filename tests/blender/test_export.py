# SPDX-License-Identifier: GPL-3.0-or-later
"""What the export row writes, read back by Blender."""

from __future__ import annotations

import shutil
import zipfile
from xml.etree import ElementTree

import addon_utils
import bpy
import numpy as np
import pytest
from maquette.operators import mesh_build

# Of Blender 5.2's own FBX exporter, with the newest numpy.
pytestmark = pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")

SUFFIXES = {"GLTF": ".glb", "FBX": ".fbx", "USD": ".usdc", "OBJ": ".obj", "STL": ".stl"}
TEXTURED = ["GLTF", "FBX", "USD", "OBJ"]


@pytest.fixture(autouse=True)
def exporters():
    """The add-ons that a fresh Blender has on, but the factory settings of a test do not."""
    for name in ("io_scene_gltf2", "io_scene_fbx"):
        addon_utils.enable(name)


@pytest.fixture
def add(make_result):
    def add(name="Red Cube", location=(2.0, 0.0, 0.0), **more):
        return mesh_build.add_object(bpy.context, make_result(name, **more), location=location)

    return add


def export(path, file_format, **more):
    return bpy.ops.maquette.export(filepath=str(path), file_format=file_format, **more)


def read_back(path):
    """Import a file into an empty scene and return its meshes."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    for name in ("io_scene_gltf2", "io_scene_fbx"):
        addon_utils.enable(name)
    importers = {
        ".glb": bpy.ops.import_scene.gltf,
        ".fbx": bpy.ops.import_scene.fbx,
        ".usdc": bpy.ops.wm.usd_import,
        ".obj": bpy.ops.wm.obj_import,
        ".stl": bpy.ops.wm.stl_import,
    }
    options = {"global_scale": 0.001} if path.suffix == ".stl" else {}
    importers[path.suffix](filepath=str(path), **options)
    bpy.context.view_layer.update()
    return [each for each in bpy.context.scene.objects if each.type == "MESH"]


def corners(mesh):
    points = [mesh.matrix_world @ vertex.co for vertex in mesh.data.vertices]
    return np.array([tuple(point) for point in points])


def texture(mesh):
    (image,) = [
        node.image
        for node in mesh.active_material.node_tree.nodes
        if node.type == "TEX_IMAGE" and node.image
    ]
    values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values.reshape(image.size[1], image.size[0], 4) * 255).astype(np.uint8)


@pytest.mark.parametrize("file_format", SUFFIXES)
def test_place_size_and_triangles_come_back(add, tmp_path, file_format):
    add()
    path = tmp_path / f"cube{SUFFIXES[file_format]}"

    assert export(path, file_format) == {"FINISHED"}

    (mesh,) = read_back(path)
    assert len(mesh.data.polygons) == 12
    points = corners(mesh)
    np.testing.assert_allclose(points.min(axis=0), (1.5, -0.5, 0.0), atol=1e-5)
    np.testing.assert_allclose(points.max(axis=0), (2.5, 0.5, 1.0), atol=1e-5)


@pytest.mark.parametrize(("millimeters", "length"), [(True, 500.0), (False, 1.0)])
def test_stl_is_in_millimeters_or_in_units_of_the_scene(add, tmp_path, millimeters, length):
    add()
    bpy.context.scene.unit_settings.scale_length = 0.5
    path = tmp_path / "cube.stl"

    export(path, "STL", millimeters=millimeters)

    # 80 bytes of anything, the number of triangles, and of each its normal, corners and 2 bytes.
    triangle = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    corners = np.frombuffer(path.read_bytes()[84:], dtype=triangle)["corners"].reshape(-1, 3)
    np.testing.assert_allclose(np.ptp(corners, axis=0), length, rtol=1e-5)


def test_3mf_has_the_size_the_faces_and_the_colors(add, tmp_path):
    add("Würfel", texture=False)
    path = tmp_path / "cube.3mf"

    assert export(path, "3MF") == {"FINISHED"}

    core = "{http://schemas.microsoft.com/3dmanufacturing/core/2015/02}"
    with zipfile.ZipFile(path) as package:
        model = ElementTree.fromstring(package.read("3D/3dmodel.model"))
    assert model.get("unit") == "millimeter"
    points = [[float(v.get(axis)) for axis in "xyz"] for v in model.iter(f"{core}vertex")]
    faces = [[int(t.get(key)) for key in ("v1", "v2", "v3")] for t in model.iter(f"{core}triangle")]
    np.testing.assert_allclose(np.ptp(points, axis=0), 1000.0, rtol=1e-6)
    a, b, c = np.array(points)[faces].transpose(1, 0, 2)
    assert np.einsum("fi,fi->", a, np.cross(b, c)) / 6 == pytest.approx(1e9, rel=1e-5)
    (each,) = model.iter(f"{core}object")
    assert each.get("name") == "Würfel"
    colors = [c.get("color") for c in model.iter() if c.tag.endswith("}color")]
    # Each corner of the cube is a corner of the cube of colors.
    assert len(colors) == 8 and {"#000000", "#FF0000", "#FFFFFF"} <= set(colors)


@pytest.mark.parametrize("file_format", TEXTURED)
def test_the_texture_comes_back_with_the_folder_moved(add, tmp_path, file_format, make_result):
    expected = make_result().mesh.texture.pixels
    add()
    folder = tmp_path / "from here"
    folder.mkdir()
    export(folder / f"cube{SUFFIXES[file_format]}", file_format)
    moved = tmp_path / "to there"
    shutil.move(folder, moved)

    (mesh,) = read_back(moved / f"cube{SUFFIXES[file_format]}")

    np.testing.assert_array_equal(texture(mesh)[:, :, :3], expected[:, :, :3])


@pytest.mark.parametrize(
    ("file_format", "names"),
    [
        ("GLTF", ["cube.glb"]),
        ("FBX", ["cube.fbx"]),
        ("USD", ["cube-base-color.png", "cube.usdc"]),
        ("OBJ", ["cube-base-color.png", "cube.mtl", "cube.obj"]),
        ("STL", ["cube.stl"]),
    ],
)
def test_no_files_but_the_needed_ones_are_written(add, tmp_path, file_format, names):
    add()

    export(tmp_path / f"cube{SUFFIXES[file_format]}", file_format)

    assert sorted(file.name for file in tmp_path.iterdir()) == names


@pytest.mark.parametrize("file_format", SUFFIXES)
def test_nothing_in_the_scene_is_changed(add, tmp_path, file_format):
    first, second = add("First"), add("Second")
    first.select_set(True)
    second.select_set(True)
    other = bpy.data.objects.new("Other", None)
    bpy.context.collection.objects.link(other)
    other.select_set(True)
    before = [
        (image.name, image.filepath, image.packed_file is not None) for image in bpy.data.images
    ]

    export(tmp_path / f"both{SUFFIXES[file_format]}", file_format)

    after = [
        (image.name, image.filepath, image.packed_file is not None) for image in bpy.data.images
    ]
    assert after == before
    assert {each.name for each in bpy.context.selected_objects} == {"First", "Second", "Other"}
    assert bpy.context.view_layer.objects.active == second
    assert not any("maquette" in each.name.lower() for each in bpy.data.images)


def test_paint_that_was_not_saved_is_exported(add, tmp_path):
    add()
    (image,) = bpy.data.images
    painted = np.tile(np.array([51, 102, 153, 255], dtype=np.float32) / 255, len(image.pixels) // 4)
    image.pixels.foreach_set(painted)
    image.update()

    export(tmp_path / "cube.obj", "OBJ")

    assert image.is_dirty
    (mesh,) = read_back(tmp_path / "cube.obj")
    assert {tuple(pixel) for pixel in texture(mesh).reshape(-1, 4)} == {(51, 102, 153, 255)}


def test_only_selected_results_are_written(add, tmp_path):
    add("First")
    add("Second")  # The last one added is the selected one.
    path = tmp_path / "one.glb"

    export(path, "GLTF")

    assert [each.name for each in read_back(path)] == ["Second"]


def test_each_object_can_have_a_file_of_its_own_name(add, tmp_path):
    for name in ("Роза", "a/b: c?", "Chair", "chair"):
        add(name).select_set(True)
    for each in bpy.data.objects:
        each.select_set(True)

    assert export(tmp_path / "any.obj", "OBJ", separate=True) == {"FINISHED"}

    names = sorted(file.name for file in tmp_path.glob("*.obj"))
    assert names == sorted(["Роза.obj", "a-b- c.obj", "Chair.obj", "chair 2.obj"])
    for file in tmp_path.glob("*.obj"):
        assert file.with_suffix(".mtl").exists()
        assert (tmp_path / f"{file.stem}-base-color.png").exists()


@pytest.mark.parametrize("file_format", SUFFIXES)
def test_an_existing_file_is_not_replaced_unless_that_is_said(add, tmp_path, file_format):
    add()
    path = tmp_path / f"mine{SUFFIXES[file_format]}"
    path.write_text("precious")

    with pytest.raises(RuntimeError, match="already there: choose another name"):
        export(path, file_format)
    assert path.read_text() == "precious"

    assert export(path, file_format, overwrite=True) == {"FINISHED"}
    assert len(read_back(path)) == 1


@pytest.mark.parametrize(
    ("file_format", "name"),
    [("OBJ", "cube-base-color.png"), ("OBJ", "cube.mtl"), ("USD", "cube-base-color.png")],
)
def test_a_file_beside_that_belongs_to_something_else_is_not_replaced(
    add, tmp_path, file_format, name
):
    add()
    (tmp_path / name).write_text("precious")

    with pytest.raises(RuntimeError, match="already there"):
        export(tmp_path / f"cube{SUFFIXES[file_format]}", file_format)

    assert (tmp_path / name).read_text() == "precious"
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_missing_suffix_is_added(add, tmp_path):
    add()

    export(tmp_path / "chair.v2", "STL")

    assert [file.name for file in tmp_path.iterdir()] == ["chair.v2.stl"]


@pytest.mark.parametrize(
    ("file_format", "addon"), [("GLTF", "io_scene_gltf2"), ("FBX", "io_scene_fbx")]
)
def test_a_switched_off_exporter_is_told_in_words(add, tmp_path, file_format, addon):
    add()
    addon_utils.disable(addon)

    with pytest.raises(RuntimeError, match="enable it in Preferences, Add-ons"):
        export(tmp_path / "cube", file_format)


def test_a_folder_that_cannot_be_written_is_told_in_words(add, tmp_path):
    add()

    (tmp_path / "file").write_text("precious")

    for file_format, suffix in SUFFIXES.items():
        with pytest.raises(RuntimeError, match="choose another place"):
            export(tmp_path / "file" / f"cube{suffix}", file_format)

    assert [image.name for image in bpy.data.images] == ["Red Cube Base Color"]
    (node,) = [n for n in add().active_material.node_tree.nodes if n.type == "TEX_IMAGE"]
    assert node.image.packed_file is not None


def test_without_a_texture_the_colors_of_vertices_are_written(add, tmp_path):
    add(texture=False)
    path = tmp_path / "cube.glb"

    export(path, "GLTF")

    (mesh,) = read_back(path)
    (attribute,) = mesh.data.color_attributes
    values = np.empty(len(attribute.data) * 4, dtype=np.float32)
    attribute.data.foreach_get("color", values)
    seen = {tuple(np.round(color, 2)) for color in values.reshape(-1, 4)[:, :3]}
    assert seen == {(x, y, z) for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)}
