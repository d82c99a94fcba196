# SPDX-License-Identifier: GPL-3.0-or-later
"""Which picture is meant, from the context of each editor that shows pictures."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import numpy as np
import pytest
from maquette.core.errors import ImageInputError
from maquette.operators import image_source
from maquette.operators.image_source import Found


def context(space: str | None = None, **members):
    """Return a context as Blender makes one for an editor: members that it lacks are missing."""
    data = SimpleNamespace(type=space, **members.pop("data", {})) if space else None
    return SimpleNamespace(space_data=data, **members)


@pytest.fixture
def image():
    return bpy.data.images.new("Chair", 40, 40)


@pytest.fixture
def empty(image):
    found = bpy.data.objects.new("Reference", None)
    found.empty_display_type, found.data = "IMAGE", image
    return found


# The viewport


@pytest.mark.parametrize("space", ["VIEW_3D", "PROPERTIES", None])
def test_a_reference_image_that_is_active(image, empty, space):
    assert image_source.find(context(space, object=empty)).image == image


def test_other_objects_show_no_picture(empty):
    mesh = bpy.data.objects.new("Mesh", bpy.data.meshes.new("Mesh"))
    axes = bpy.data.objects.new("Axes", None)
    bare = bpy.data.objects.new("Bare", None)
    bare.empty_display_type = "IMAGE"

    for each in (mesh, axes, bare, None):
        assert image_source.find(context("VIEW_3D", object=each)) is None
    assert image_source.find(context("VIEW_3D")) is None


# Other editors


def test_the_image_editor(image):
    user = object()
    shown = {"image": image, "image_user": user}

    assert image_source.find(context("IMAGE_EDITOR", data=shown)) == Found(image, user)
    assert image_source.find(context("IMAGE_EDITOR", data={"image": None})) is None


def test_an_image_node(image):
    tree = bpy.data.materials.new("Material")
    if bpy.app.version < (5, 0):
        tree.use_nodes = True
    node = tree.node_tree.nodes.new("ShaderNodeTexImage")

    assert image_source.find(context("NODE_EDITOR", active_node=node)) is None
    node.image = image
    assert image_source.find(context("NODE_EDITOR", active_node=node)).image == image


def test_an_image_in_the_socket_of_a_geometry_node(image):
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    node = tree.nodes.new("GeometryNodeImageTexture")
    node.inputs["Image"].default_value = image

    assert image_source.find(context("NODE_EDITOR", active_node=node)).image == image


def test_a_node_without_an_image_and_no_node_at_all():
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    node = tree.nodes.new("ShaderNodeMath")

    assert image_source.find(context("NODE_EDITOR", active_node=node)) is None
    assert image_source.find(context("NODE_EDITOR", active_node=None)) is None
    assert image_source.find(context("NODE_EDITOR")) is None


def test_the_row_under_the_mouse_in_the_outliner(image, empty):
    other = bpy.data.images.new("Other", 40, 40)

    found = image_source.find(context("OUTLINER", id=other, selected_ids=[image]))
    assert found.image == other
    assert image_source.find(context("OUTLINER", id=empty)).image == image
    assert image_source.find(context("OUTLINER", selected_ids=[image])).image == image
    assert image_source.find(context("OUTLINER", id=bpy.context.scene)) is None
    assert image_source.find(context("OUTLINER", id=None, selected_ids=None)) is None


def test_any_field_that_holds_an_image(image, empty):
    field = empty.bl_rna.properties["data"]
    found = image_source.find(context("VIEW_3D", button_pointer=empty, button_prop=field))
    assert found == Found(image)

    name = image.bl_rna.properties["name"]
    found = image_source.find(context("PROPERTIES", button_pointer=image, button_prop=name))
    assert found == Found(image)

    location = empty.bl_rna.properties["location"]
    other = context("PROPERTIES", button_pointer=empty, button_prop=location, object=None)
    assert image_source.find(other) is None


@pytest.mark.parametrize(("name", "is_picture"), [("Chair.PNG", True), ("notes.txt", False)])
def test_a_file(tmp_path, name, is_picture):
    params = SimpleNamespace(directory=bytes(tmp_path))
    entry = SimpleNamespace(name=name, relative_path=name)
    files = context(
        "FILE_BROWSER", data={"browse_mode": "FILES", "params": params}, active_file=entry
    )

    assert image_source.find(files) == (Found(path=str(tmp_path / name)) if is_picture else None)


def test_an_asset(image):
    def find(**asset):
        asset = SimpleNamespace(**({"id_type": "IMAGE", "local_id": None, "name": "Mug"} | asset))
        return image_source.find(
            context("FILE_BROWSER", data={"browse_mode": "ASSETS"}, asset=asset)
        )

    assert find(local_id=image) == Found(image)
    assert find(full_library_path="/a.blend") == Found(path="/a.blend", asset="Mug")
    assert find(id_type="MATERIAL") is None
    assert find(full_library_path="", is_online=True) is None


def test_an_asset_that_is_no_image_means_its_preview():
    def find(**asset):
        asset = SimpleNamespace(id_type="OBJECT", **asset)
        browser = {"browse_mode": "ASSETS"}
        return image_source.find(context("FILE_BROWSER", data=browser, asset=asset))

    own = bpy.data.objects.new("Chair", None)
    assert find(local_id=own, full_path="") == Found(preview="Object/Chair")
    path = "/library.blend/Object/Chair"
    assert find(local_id=None, full_path=path) == Found(preview=path)


def test_an_editor_without_pictures():
    assert image_source.find(context("CONSOLE")) is None


# Loading


def save(image: bpy.types.Image, path) -> str:
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    return str(path)


def test_a_file_is_loaded_once(tmp_path, image):
    path = save(bpy.data.images.new("Mug", 50, 40), tmp_path / "mug.png")

    first = image_source.load(Found(path=path))

    assert tuple(first.size) == (50, 40)
    assert image_source.load(Found(path=path)) == first


def test_the_frame_that_is_shown(tmp_path, empty):
    for number, width in ((1, 40), (5, 50)):
        save(bpy.data.images.new("Frame", width, 40), tmp_path / f"f_{number:04}.png")
    frames = bpy.data.images.load(str(tmp_path / "f_0001.png"))
    frames.source = "SEQUENCE"
    empty.data = frames
    empty.image_user.frame_current = 5

    found = image_source.find(context("VIEW_3D", object=empty))

    assert tuple(image_source.load(found).size) == (50, 40)
    empty.image_user.frame_current = 7
    with pytest.raises(ImageInputError, match="this frame has no file"):
        image_source.load(found)


def test_an_asset_of_another_file(tmp_path, image):
    image.pack()
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {image})
    bpy.data.images.remove(image)

    appended = image_source.load(Found(path=str(tmp_path / "library.blend"), asset="Chair"))

    assert (appended.name, appended.library, tuple(appended.size)) == ("Chair", None, (40, 40))


@pytest.mark.parametrize("asset", ["", "Chair"])
def test_what_cannot_be_loaded(tmp_path, asset):
    gone = Found(path=str(tmp_path / "gone"), asset=asset)

    with pytest.raises(ImageInputError, match="there is no picture"):
        image_source.load(gone)


def test_an_asset_that_is_not_in_its_library(tmp_path, image):
    bpy.data.libraries.write(str(tmp_path / "library.blend"), {image})

    with pytest.raises(ImageInputError, match="there is no picture"):
        image_source.load(Found(path=str(tmp_path / "library.blend"), asset="Mug"))


@pytest.mark.parametrize("is_own", [True, False])
def test_the_preview_of_an_asset(tmp_path, is_own):
    item = bpy.data.objects.new("Chair/blue", bpy.data.meshes.new("Chair"))
    item.asset_mark()
    preview = item.preview_ensure()
    preview.image_size = (128, 100)
    pixels = np.zeros((100, 128, 4), dtype=np.float32)
    pixels[10:20, 30:60] = (0.0, 0.0, 1.0, 1.0)
    preview.image_pixels_float.foreach_set(pixels.ravel())
    path = "Object/Chair/blue"
    if not is_own:
        bpy.data.libraries.write(str(tmp_path / "library.blend"), {item})
        bpy.data.objects.remove(item)
        path = str(tmp_path / "library.blend" / path)

    image = image_source.load(Found(preview=path))

    assert (image.name, tuple(image.size)) == ("Chair/blue", (128, 100))
    seen = np.empty(100 * 128 * 4, dtype=np.float32)
    image.pixels.foreach_get(seen)
    np.testing.assert_allclose(seen.reshape(100, 128, 4), pixels, atol=0.01)
    assert not bpy.data.libraries
    assert image.packed_file


@pytest.mark.parametrize("path", ["Object/Chair", "/gone.blend/Object/Chair", "/a/Material/Red"])
def test_an_asset_without_a_preview(path):
    bpy.data.objects.new("Chair", None)

    with pytest.raises(ImageInputError, match="there is no picture"):
        image_source.load(Found(preview=path))

    assert not bpy.data.images
