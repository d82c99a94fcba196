# SPDX-License-Identifier: GPL-3.0-or-later
"""Panels drawn into a recorder, which checks every property and operator that they name."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest
from maquette.operators import packs
from maquette.operators.status import show_progress, show_start
from maquette.panels.generate import MAQUETTE_PT_advanced, MAQUETTE_PT_generate
from maquette.panels.preferences import MaquettePreferences

ICONS = set(bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items.keys())


class Recorder:
    """Takes a panel's calls as a UILayout does, and fails where Blender would print an error."""

    def __init__(self, calls=None):
        self.calls = [] if calls is None else calls
        self.enabled = True

    def column(self, **_):
        child = Recorder(self.calls)
        self.calls.append(("column", child))
        return child

    def row(self, **_):
        return Recorder(self.calls)

    def prop(self, data, name, text=None, icon="NONE"):
        assert name in data.bl_rna.properties, name
        assert icon in ICONS
        self.calls.append(("prop", name))

    def operator(self, name, text=None, icon="NONE"):
        module, function = name.split(".")
        assert getattr(bpy.ops, module).__class__ and function in dir(getattr(bpy.ops, module))
        assert icon in ICONS
        self.calls.append(("operator", name))

    def label(self, text="", icon="NONE"):
        assert icon in ICONS
        self.calls.append(("label", text))

    def progress(self, factor=0.0, text=""):
        assert 0.0 <= factor <= 1.0
        self.calls.append(("progress", text))


def draw(cls):
    recorder = Recorder()
    cls.draw(SimpleNamespace(layout=recorder), bpy.context)
    return recorder.calls


def status():
    return bpy.context.window_manager.maquette


def test_at_rest_there_is_a_prompt_a_seed_and_a_button():
    calls = draw(MAQUETTE_PT_generate)

    assert [call for call in calls if call[0] != "column"] == [
        ("prop", "prompt"),
        ("prop", "seed"),
        ("operator", "maquette.generate"),
    ]


def test_during_a_run_there_is_a_bar_with_cancel_and_the_fields_are_locked():
    show_start(status())
    show_progress(status(), "Sampling", 0.5)

    calls = draw(MAQUETTE_PT_generate)

    assert ("progress", "Sampling") in calls
    assert ("operator", "maquette.cancel") in calls
    assert ("operator", "maquette.generate") not in calls
    assert not dict(calls)["column"].enabled


def test_an_error_and_a_warning_stay_in_the_panel():
    status().error, status().warning = "What went wrong", "What to know"

    calls = draw(MAQUETTE_PT_generate)

    assert ("label", "What went wrong") in calls
    assert ("label", "What to know") in calls


def test_advanced_shows_the_size_of_everything():
    names = [name for kind, name in draw(MAQUETTE_PT_advanced) if kind == "prop"]

    assert names == ["resolution", "texture_size", "target_size"]


def test_the_preferences_show_the_packs_folder():
    recorder = Recorder()
    preferences = bpy.context.preferences.addons["maquette"].preferences
    view = SimpleNamespace(layout=recorder, bl_rna=preferences.bl_rna)

    MaquettePreferences.draw(view, bpy.context)

    assert recorder.calls == [("prop", "packs_folder")]


def test_an_empty_packs_folder_means_the_usual_one(tmp_path):
    preferences = bpy.context.preferences.addons["maquette"].preferences
    assert packs.folder(bpy.context) is None

    preferences.packs_folder = str(tmp_path)
    assert packs.folder(bpy.context) == tmp_path


@pytest.mark.parametrize("cls", [MAQUETTE_PT_generate, MAQUETTE_PT_advanced])
def test_panels_are_in_the_sidebar_of_the_viewport(cls):
    assert (cls.bl_space_type, cls.bl_region_type, cls.bl_category) == (
        "VIEW_3D",
        "UI",
        "Maquette",
    )
