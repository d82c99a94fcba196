# SPDX-License-Identifier: GPL-3.0-or-later
"""Results as assets: what is written, what is left alone, and how it is taken back."""

from __future__ import annotations

import json
import uuid

import bpy
import numpy as np
import pytest
from maquette.operators import mesh_build, user_files
from maquette.operators.assets import catalogs, ledger
from maquette.operators.assets.metadata import file_name, tags_of
from maquette.operators.variants import thumbnails

CHAIRS = "2f4a9c1e-0d4b-4a7e-9c55-0a1b2c3d4e5f"
CATALOG_FILE = f"""\
# Written by hand, with a comment.
VERSION 1

{CHAIRS}:Props/Chairs:Props-Chairs
"""


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Keep what Maquette remembers of one test from the next."""
    folder = tmp_path / "user"
    folder.mkdir()
    monkeypatch.setattr(user_files, "folder", lambda: folder)


@pytest.fixture
def result(make_result):
    added = mesh_build.add_object(bpy.context, make_result(), location=(4.0, 5.0, 6.0))
    thumbnails.render(added, bpy.context.evaluated_depsgraph_get())
    return added


@pytest.fixture
def library(tmp_path):
    """A configured library with one catalog."""
    folder = tmp_path / "My Library 库"
    folder.mkdir()
    (folder / catalogs.FILE_NAME).write_text(CATALOG_FILE, encoding="utf-8")
    libraries = bpy.context.preferences.filepaths.asset_libraries
    added = libraries.new(name="Mine", directory=str(folder))
    yield folder
    libraries.remove(added)


def save(**values):
    return bpy.ops.maquette.asset_save(**values)


def only_blend(folder):
    (file,) = folder.glob("*.blend")
    return file


def append(file):
    """Read the one asset of a file into an empty scene."""
    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    with bpy.data.libraries.load(str(file), assets_only=True) as (source, target):
        target.objects = source.objects
    (found,) = target.objects
    return found


def pixels(image):
    values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    return np.rint(values * 255).astype(np.uint8)


def picture(owner):
    return np.array(owner.preview.image_pixels[:])


def test_in_this_file_the_asset_says_where_it_came_from(result):
    assert save(author="Ada", license="CC0-1.0") == {"FINISHED"}

    data = result.asset_data
    record = json.loads(data["maquette"])
    assert (data.author, data.license) == ("Ada", "CC0-1.0")
    assert data.description == record["prompt"] == result["maquette_prompt"]
    assert {tag.name for tag in data.tags} == {
        "red",
        "cube",
        "ein",
        "roter",
        "würfel",
        "红色立方体",
    }
    assert (data["maquette_seed"], data["maquette_pack"]) == (7, "starter")
    assert record["settings"]["resolution"] == 128


def test_what_the_user_says_goes_before_what_the_prompt_says(result):
    save(tags="Kitchen,  blue thing ,", description="For the kitchen")

    assert [tag.name for tag in result.asset_data.tags] == ["Kitchen", "blue thing"]
    assert result.asset_data.description == "For the kitchen"


def test_saving_again_changes_what_is_said(result):
    save(tags="one, two", author="Ada")
    save(tags="two, three", author="Grace")

    assert {tag.name for tag in result.asset_data.tags} == {"two", "three"}
    assert result.asset_data.author == "Grace"


def test_the_asset_keeps_its_picture_and_clearing_takes_nothing_else(result):
    drawn = picture(result)
    save()
    np.testing.assert_array_equal(picture(result), drawn)

    assert bpy.ops.maquette.asset_clear() == {"FINISHED"}

    assert result.asset_data is None
    np.testing.assert_array_equal(picture(result), drawn)
    assert list(bpy.data.objects) == [result]


def test_an_asset_without_a_picture_gets_one(make_result):
    added = mesh_build.add_object(bpy.context, make_result(), location=(0, 0, 0))
    assert added.preview is None

    save()

    assert added.preview.image_size[0] > 0


def test_undo_takes_the_asset_back(result):
    bpy.ops.ed.undo_push(message="Generate Mesh")
    save()
    bpy.ops.ed.undo_push(message="Save to Asset Browser")

    bpy.ops.ed.undo()

    (found,) = bpy.data.objects
    assert found.asset_data is None


def test_in_a_saved_file_the_catalog_is_written_beside_it(result, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "scene.blend"))

    save(catalog="Maquette/Cubes")

    (line,) = [
        line
        for line in (tmp_path / catalogs.FILE_NAME).read_text().splitlines()
        if line and not line.startswith(("#", "VERSION"))
    ]
    catalog_id, path, name = line.split(":")
    assert (path, name) == ("Maquette/Cubes", "Maquette-Cubes")
    assert result.asset_data.catalog_id == str(uuid.UUID(catalog_id))


def test_an_unsaved_file_has_no_catalogs_but_assets(result):
    save(catalog="Maquette")

    assert uuid.UUID(result.asset_data.catalog_id).int == 0


def test_a_library_gets_a_file_of_its_own_with_texture_and_picture(result, library, make_result):
    drawn = picture(result)

    assert save(library="Mine", catalog="Props/Chairs", author="Ada") == {"FINISHED"}

    file = only_blend(library)
    assert file.name == "Red Cube.blend"
    asset = append(file)
    assert asset.name == "Red Cube"
    assert (asset.asset_data.catalog_id, asset.asset_data.author) == (CHAIRS, "Ada")
    np.testing.assert_array_equal(picture(asset), drawn)
    assert tuple(asset.location) == (0.0, 0.0, 0.0)
    (image,) = [n.image for n in asset.active_material.node_tree.nodes if n.type == "TEX_IMAGE"]
    assert image.packed_file is not None
    np.testing.assert_array_equal(pixels(image), make_result().mesh.texture.pixels.ravel())
    assert json.loads(asset["maquette"])["seed"] == 7


def test_this_file_stays_as_it_is_when_a_library_is_chosen(result, library):
    parent = bpy.data.objects.new("Parent", None)
    bpy.context.collection.objects.link(parent)
    result.parent = parent
    parent.location = (0.0, 0.0, 9.0)
    bpy.context.view_layer.update()
    place = result.matrix_world.copy()
    before = (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.images))

    save(library="Mine")

    assert result.name == "Red Cube"
    assert result.asset_data is None
    assert (result.parent, result.matrix_world) == (parent, place)
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.images)) == before
    with bpy.data.libraries.load(str(only_blend(library))) as (source, _):
        assert source.objects == ["Red Cube"]


def test_a_texture_that_was_saved_to_a_file_is_packed_into_the_library_only(
    result, library, tmp_path
):
    (image,) = bpy.data.images
    before = pixels(image)
    image.filepath_raw, image.file_format = str(tmp_path / "mine.png"), "PNG"
    image.save()
    image.unpack(method="REMOVE")
    assert image.packed_file is None

    save(library="Mine")

    assert image.packed_file is None
    assert image.filepath == str(tmp_path / "mine.png")
    np.testing.assert_array_equal(pixels(image), before)
    asset = append(only_blend(library))
    (node,) = [n for n in asset.active_material.node_tree.nodes if n.type == "TEX_IMAGE"]
    assert node.image.packed_file is not None


def test_paint_that_was_not_saved_is_not_lost(result, library, tmp_path):
    (image,) = bpy.data.images
    image.filepath_raw, image.file_format = str(tmp_path / "mine.png"), "PNG"
    image.save()
    image.unpack(method="REMOVE")
    image.pixels.foreach_set(np.full(len(image.pixels), 1.0, dtype=np.float32))
    image.update()

    save(library="Mine")

    assert pixels(image).min() == 255


def test_nothing_in_a_library_is_ever_replaced(result, library):
    save(library="Mine")
    first = only_blend(library)
    content = first.read_bytes()

    save(library="Mine")

    assert first.read_bytes() == content
    assert sorted(file.name for file in library.glob("*.blend")) == [
        "Red Cube 2.blend",
        "Red Cube.blend",
    ]


def test_other_catalogs_and_comments_stay_as_they_were(result, library):
    save(library="Mine", catalog="Maquette")
    save(library="Mine", catalog="Maquette")

    text = (library / catalogs.FILE_NAME).read_text(encoding="utf-8")
    assert text.startswith(CATALOG_FILE)
    assert len(text.removeprefix(CATALOG_FILE).splitlines()) == 1
    assert sorted(file.name for file in library.iterdir() if file.suffix != ".blend") == [
        catalogs.FILE_NAME
    ]


def test_no_library_is_changed_unless_it_is_chosen(result, library):
    before = {file.name: file.read_bytes() for file in library.iterdir()}

    save(catalog="Maquette")

    assert {file.name: file.read_bytes() for file in library.iterdir()} == before


def test_a_library_that_is_gone_is_told_in_words(result, tmp_path):
    libraries = bpy.context.preferences.filepaths.asset_libraries
    added = libraries.new(name="Gone", directory=str(tmp_path / "gone"))

    with pytest.raises(RuntimeError, match="choose another library"):
        save(library="Gone")
    libraries.remove(added)


def test_what_was_written_can_be_deleted_and_nothing_else(result, library):
    (library / "Other.blend").write_bytes(b"precious")
    save(library="Mine")
    written = library / "Red Cube.blend"
    assert ledger.present() == [written]

    assert bpy.ops.maquette.asset_delete_file(file=str(written)) == {"FINISHED"}

    assert [file.name for file in library.glob("*.blend")] == ["Other.blend"]
    assert ledger.present() == []


def test_what_was_changed_since_is_not_deleted(result, library):
    save(library="Mine")
    written = only_blend(library)
    written.write_bytes(written.read_bytes() + b"more")

    with pytest.raises(RuntimeError, match="changed since"):
        bpy.ops.maquette.asset_delete_file(file=str(written))

    assert written.exists()


def test_several_objects_are_each_described_by_their_own_prompt(result, library, make_result):
    other = mesh_build.add_object(bpy.context, make_result("Other"), location=(0, 0, 0))
    other["maquette_prompt"] = "a tall lamp"
    result.select_set(True)

    save(tags="ignored", description="ignored")

    assert {tag.name for tag in other.asset_data.tags} == {"tall", "lamp"}
    assert other.asset_data.description == "a tall lamp"
    assert "red" in {tag.name for tag in result.asset_data.tags}


def test_other_objects_are_refused_in_words():
    bpy.ops.object.empty_add()

    with pytest.raises(RuntimeError, match="Select an object that Maquette made"):
        save()


@pytest.mark.parametrize(
    ("prompt", "tags"),
    [
        ("A red mushroom with a white stem", ("red", "mushroom", "white", "stem")),
        ("the cat, the cat!", ("cat",)),
        ("stand-up chair, child's", ("stand-up", "chair", "child's")),
        ("一把红色的椅子", ("一把红色的椅子",)),
        ("🍄 🍄", ()),
        (" ".join(f"w{number}" for number in range(40)), tuple(f"w{n}" for n in range(12))),
    ],
)
def test_tags_are_the_words_that_mean_something(prompt, tags):
    assert tags_of(prompt) == tags


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Red Cube.001", "Red Cube.001"),
        ("a/b\\c:d", "a-b-c-d"),
        ("../../etc", "etc"),
        ("con", "_con"),
        ("…", "…"),
        ("???", "Maquette"),
        ("椅子", "椅子"),
        ("ends in dots...", "ends in dots"),
    ],
)
def test_names_of_files_are_taken_by_every_system(name, safe):
    assert file_name(name) == safe


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("", []),
        ("VERSION 1\n", []),
        (f"VERSION 1\r\n{CHAIRS}:Props/Chairs:x\r\n", ["Props/Chairs"]),
        (f"\ufeffVERSION 1\n{CHAIRS}:B:\nnonsense\n:::\n{CHAIRS}:a:\n", ["a", "B"]),
    ],
)
def test_catalogs_are_read_whatever_stands_between_them(tmp_path, text, paths):
    (tmp_path / catalogs.FILE_NAME).write_bytes(text.encode())

    assert [each.path for each in catalogs.read(tmp_path)] == paths


def test_a_catalog_file_of_a_later_version_is_left_alone(tmp_path):
    file = tmp_path / catalogs.FILE_NAME
    file.write_text("VERSION 2\n")

    with pytest.raises(catalogs.CatalogError):
        catalogs.find_or_add(tmp_path, "Maquette")
    assert file.read_text() == "VERSION 2\n"


@pytest.mark.parametrize(
    ("path", "normal"),
    [(" Props // Chairs/ ", "Props/Chairs"), ("a:b\\c", "a-b/c"), ("  ", ""), ("x\ny", "x y")],
)
def test_a_catalog_path_cannot_break_the_file(path, normal):
    assert catalogs.normal_path(path) == normal


def test_line_ends_and_links_stay(tmp_path):
    real = tmp_path / "real.txt"
    real.write_bytes(f"VERSION 1\r\n{CHAIRS}:Chairs:Chairs".encode())
    link = tmp_path / catalogs.FILE_NAME
    link.symlink_to(real)

    added = catalogs.find_or_add(tmp_path, "Lamps")

    assert link.is_symlink()
    assert real.read_bytes() == (
        f"VERSION 1\r\n{CHAIRS}:Chairs:Chairs\r\n{added}:Lamps:Lamps\r\n".encode()
    )
