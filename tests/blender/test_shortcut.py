# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyboard shortcut and the dialog that it opens."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import addon_utils
import bpy
import pytest
from maquette.operators import shortcut
from maquette.panels import shortcuts

KEYMAPS = Path(bpy.utils.system_resource("SCRIPTS")) / "presets" / "keyconfig" / "keymap_data"


def items() -> list:
    keymap = bpy.context.window_manager.keyconfigs.addon.keymaps.get(shortcut.KEYMAP)
    found = [] if keymap is None else keymap.keymap_items
    return [item for item in found if item.idname.startswith("maquette.")]


def test_the_shortcut_is_there_once_and_gone_after_disabling():
    (item,) = items()
    assert (item.type, item.value) == ("M", "PRESS")
    assert (item.shift, item.alt, item.ctrl) == (1, 1, 0)
    assert item.idname.partition(".")[2] in dir(bpy.ops.maquette)

    addon_utils.disable("maquette", default_set=True)
    assert items() == []
    addon_utils.enable("maquette", default_set=True)
    assert len(items()) == 1


def test_the_preferences_look_for_what_is_registered():
    assert (shortcuts.KEYMAP, shortcuts.OPERATORS) == (shortcut.KEYMAP, (shortcut.OPERATOR,))


def uses(keys: dict, wanted: dict) -> bool:
    """Tell whether an entry of Blender's keymaps answers to a key."""
    if keys["type"] != wanted["type"]:
        return False
    modifiers = ("shift", "ctrl", "alt", "oskey")
    return keys.get("any", False) or all(
        bool(keys.get(each)) == bool(wanted.get(each)) for each in modifiers
    )


@pytest.mark.parametrize("name", ["blender_default", "industry_compatible_data"])
def test_blender_itself_does_not_use_the_key(name):
    spec = importlib.util.spec_from_file_location(name, KEYMAPS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    keymaps = [
        (title, content["items"])
        for title, about, content in module.generate_keymaps(module.Params())
        if about["space_type"] in {"EMPTY", "VIEW_3D"}
        and not about.get("modal")
        # Some modal maps are not marked so; they are at work only inside another operator.
        and "Modal" not in title
    ]
    assert len(keymaps) > 20
    assert any(uses(item[1], {"type": "M"}) for _, entries in keymaps for item in entries)

    clashes = [
        (title, item[0])
        for title, entries in keymaps
        for item in entries
        if uses(item[1], shortcut.KEY)
    ]

    assert clashes == []


# The dialog


def test_the_prompt_of_the_dialog_is_the_one_of_the_sidebar(pipeline):
    bpy.context.scene.maquette.source = "IMAGE"

    assert bpy.ops.maquette.generate_from_prompt(prompt="a chair") == {"FINISHED"}

    (request,) = pipeline.requests
    assert request.prompt == "a chair"
    settings = bpy.context.scene.maquette
    assert (settings.source, settings.prompt) == ("TEXT", "a chair")


def test_without_a_prompt_it_says_what_to_do(pipeline):
    with pytest.raises(RuntimeError, match="Enter a prompt first"):
        bpy.ops.maquette.generate_from_prompt()

    assert pipeline.requests == []


def test_the_last_prompt_is_not_used_instead(pipeline):
    bpy.ops.maquette.generate_from_prompt(prompt="a chair")
    bpy.context.scene.maquette.prompt = "a mug"

    bpy.ops.maquette.generate_from_prompt()

    assert [request.prompt for request in pipeline.requests] == ["a chair", "a mug"]
