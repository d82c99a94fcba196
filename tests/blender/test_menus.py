# SPDX-License-Identifier: GPL-3.0-or-later
"""Our entries in Blender's menus: there where they have a sense, nowhere else, gone afterwards."""

from __future__ import annotations

from types import SimpleNamespace

import addon_utils
import bpy
import pytest
from maquette.panels import menus
from maquette.panels.image_editor import MAQUETTE_PT_image
from maquette.panels.menus import MAQUETTE_MT_add, MAQUETTE_MT_more
from maquette.panels.picture import draw_picture

ICONS = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())


class Recorder:
    """Takes a menu's calls as a UILayout does, and fails where Blender would print an error."""

    operator_context = scale_y = None
    alert = False

    def __init__(self, calls=None):
        self.calls = [] if calls is None else calls

    def row(self, **_):
        return self

    column = row

    def operator(self, name, text="", icon="NONE"):
        assert name.partition(".")[2] in dir(bpy.ops.maquette)
        assert icon in ICONS
        self.calls.append(name)
        return SimpleNamespace(image="")

    def menu(self, name, icon="NONE"):
        assert hasattr(bpy.types, name) and icon in ICONS
        self.calls.append(name)

    def label(self, text="", icon="NONE", translate=True):
        assert icon in ICONS
        self.calls.append(text)

    def template_icon(self, icon_value, scale):
        self.calls.append("picture")

    def separator(self):
        pass


def shown(draw, **context) -> list[str]:
    recorder = Recorder()
    draw(SimpleNamespace(layout=recorder), SimpleNamespace(**context))
    return recorder.calls


FROM_IMAGE = ["maquette.generate_from_image"]


@pytest.fixture
def image():
    return bpy.data.images.new("Chair", 64, 64)


@pytest.fixture
def empty(image):
    found = bpy.data.objects.new("Reference", None)
    found.empty_display_type, found.data = "IMAGE", image
    return found


def drawers(name: str) -> list:
    """Return our functions among those that draw a menu."""
    functions = getattr(getattr(bpy.types, name).draw, "_draw_funcs", [])
    return [each for each in functions if each.__module__ == menus.__name__]


def test_every_entry_is_in_its_menu_once_and_gone_after_disabling():
    names = [name for name, _, _ in menus.ENTRIES]
    assert all(len(drawers(name)) == names.count(name) for name in names)

    addon_utils.disable("maquette", default_set=True)
    assert not any(drawers(name) for name in names)

    addon_utils.enable("maquette", default_set=True)
    assert all(len(drawers(name)) == names.count(name) for name in names)


def test_our_own_menus_name_operators_that_exist():
    assert shown(MAQUETTE_MT_add.draw) == [
        "maquette.generate_from_prompt",
        "maquette.generate_from_image_file",
        "maquette.batch",
    ]
    assert shown(MAQUETTE_MT_more.draw) == ["maquette.generate_from_image_file", "maquette.batch"]


def test_the_add_menu_in_object_mode_only():
    assert shown(menus._in_add, mode="OBJECT") == ["MAQUETTE_MT_add"]
    assert shown(menus._in_add, mode="EDIT_MESH") == []


def test_meshes_can_be_rebuilt_in_object_mode_only(empty):
    mesh = bpy.data.objects.new("Cube", bpy.data.meshes.new("Cube"))

    assert shown(menus._in_meshes, object=mesh, mode="OBJECT") == ["maquette.rebuild"]
    assert shown(menus._in_meshes, object=mesh, mode="EDIT_MESH") == []
    assert shown(menus._in_meshes, object=empty, mode="OBJECT") == []
    assert shown(menus._in_meshes, object=None, mode="OBJECT") == []


def test_a_reference_image_in_the_viewport_and_nothing_else(empty):
    axes = bpy.data.objects.new("Axes", None)

    assert shown(menus._in_object, object=empty) == FROM_IMAGE
    assert shown(menus._in_object, object=axes) == []
    assert shown(menus._in_object, object=None) == []


def test_the_image_menu_and_the_text_menu_always_have_their_entry():
    assert shown(menus._in_image) == FROM_IMAGE
    assert shown(menus._in_text) == ["maquette.batch"]


def test_a_field_that_holds_an_image(image, empty):
    data, location = empty.bl_rna.properties["data"], empty.bl_rna.properties["location"]
    name = image.bl_rna.properties["name"]

    assert shown(menus._in_field, button_pointer=empty, button_prop=data) == FROM_IMAGE
    assert shown(menus._in_field, button_pointer=image, button_prop=name) == FROM_IMAGE
    assert shown(menus._in_field, button_pointer=empty, button_prop=location) == []
    assert shown(menus._in_field) == []


def test_an_image_node_that_is_selected():
    tree = bpy.data.node_groups.new("Nodes", "GeometryNodeTree")
    node = tree.nodes.new("GeometryNodeImageTexture")
    other = tree.nodes.new("ShaderNodeMath")

    assert shown(menus._in_nodes, active_node=node) == FROM_IMAGE
    assert shown(menus._in_nodes, active_node=other) == []
    node.select = False
    assert shown(menus._in_nodes, active_node=node) == []
    assert shown(menus._in_nodes, active_node=None) == []


def test_rows_of_the_outliner(image, empty):
    assert shown(menus._in_outliner, id=image) == FROM_IMAGE
    assert shown(menus._in_outliner, id=empty) == FROM_IMAGE
    assert shown(menus._in_outliner, id=bpy.context.scene) == []
    assert shown(menus._in_outliner) == []


@pytest.mark.parametrize(
    ("mode", "name", "is_shown"),
    [
        ("FILES", "chair.PNG", True),
        ("FILES", "chair.blend", False),
        ("FILES", None, False),
        ("ASSETS", "chair.png", False),
    ],
)
def test_files(mode, name, is_shown):
    entry = SimpleNamespace(name=name) if name else None
    space = SimpleNamespace(browse_mode=mode)

    calls = shown(menus._in_files, active_file=entry, space_data=space)

    assert calls == (FROM_IMAGE if is_shown else [])


@pytest.mark.parametrize(
    ("kind", "is_shown"),
    [("IMAGE", True), ("OBJECT", True), ("COLLECTION", True), ("MATERIAL", False)],
)
def test_assets(kind, is_shown):
    calls = shown(menus._in_assets, asset=SimpleNamespace(id_type=kind))

    assert calls == (FROM_IMAGE if is_shown else [])
    assert shown(menus._in_assets, asset=None) == []


# Panels


def test_the_image_editor_shows_the_picture_and_the_button(image):
    def calls():
        space = SimpleNamespace(image=image)
        return shown(
            MAQUETTE_PT_image.draw,
            space_data=space,
            window_manager=bpy.context.window_manager,
            preferences=bpy.context.preferences,
            region=None,
        )

    assert calls() == ["maquette.preview_image", "maquette.generate_from_image"]

    bpy.ops.maquette.preview_image(image="Chair")
    told = " ".join(calls())
    assert "This image cannot be used" in told and "background" in told
    assert "picture" not in calls()


def test_without_an_image_the_panel_says_what_to_do():
    calls = shown(MAQUETTE_PT_image.draw, space_data=SimpleNamespace(image=None))

    assert calls == ["Open an image first"]


def test_a_prepared_picture_is_shown_with_its_warnings(image):
    picture = bpy.context.window_manager.maquette_pictures.add()
    picture.name, picture.notes = str(image.session_uid), "First\nSecond"
    recorder = Recorder()

    draw_picture(recorder, bpy.context, image)

    at = recorder.calls.index("picture")
    assert recorder.calls[at + 1 :] == ["First", "Second"]
