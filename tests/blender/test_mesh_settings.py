# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the mesh itself: what they ask for, and how stored records bring them back."""

from __future__ import annotations

import bpy
import pytest
from maquette.core.config import SurfaceConfig
from maquette.core.mesh import GenerationRecord
from maquette.operators import history, mesh_settings, presets, properties, records

ASKED = SurfaceConfig(
    triangles=7_000,
    symmetry="x",
    shading="auto",
    normal_map=False,
    occlusion_map=True,
    speck_share=0.25,
    num_lods=3,
    collision="convex",
)


@pytest.fixture
def settings():
    settings = bpy.context.scene.maquette
    settings.prompt = "a chair"
    return settings


def surface(settings):
    return properties.request_of(settings).surface


@pytest.mark.parametrize(
    ("preset", "triangles", "has_normals"),
    [
        ("DRAFT", 5_000, False),
        ("FAST", 20_000, True),
        ("NORMAL", 20_000, True),
        ("FINE", 100_000, True),
    ],
)
def test_a_preset_sets_how_many_triangles_there_are(settings, preset, triangles, has_normals):
    settings.preset = preset

    assert surface(settings) == SurfaceConfig(triangles=triangles, normal_map=has_normals)


def test_a_new_scene_asks_for_what_normal_asks_for(settings):
    assert settings.preset == "NORMAL"
    assert surface(settings) == SurfaceConfig(triangles=20_000, normal_map=True)


def test_detail_can_be_kept_and_a_number_can_be_chosen(settings):
    settings.triangle_budget = "KEEP"
    assert surface(settings).triangles == 0
    assert settings.preset == "CUSTOM"

    settings.triangle_budget, settings.triangles = "CUSTOM", 1_234
    assert surface(settings).triangles == 1_234


def test_specks_are_the_business_of_the_pack_unless_they_are_set(settings):
    assert surface(settings).speck_share is None

    settings.use_speck_share, settings.speck_share = True, 0.25
    assert surface(settings).speck_share == 0.25


def test_what_is_set_comes_back_from_a_record(settings):
    values = {"resolution": 128, **mesh_settings.settings_of(ASKED)}

    properties.show_record(settings, {"settings": values})

    assert surface(settings) == ASKED


def test_a_record_of_before_there_was_a_choice_keeps_every_triangle(settings):
    settings.num_lods, settings.use_speck_share, settings.shading = 4, True, "FLAT"

    properties.show_record(settings, {"settings": {"resolution": 128}})

    assert surface(settings) == SurfaceConfig()


def test_a_record_that_says_nothing_leaves_the_mesh_alone(settings):
    settings.preset, settings.num_lods = "DRAFT", 2
    before = surface(settings)

    properties.show_record(settings, {"prompt": "a lamp", "settings": {}})

    assert surface(settings) == before


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("triangles", "many"),
        ("triangles", True),
        ("triangles", -5),
        ("symmetry", 3),
        ("shading", "shiny"),
        ("normal_map", 1),
        ("num_lods", 99),
        ("collision", None),
        ("speck_share", 7.0),
    ],
)
def test_a_value_that_cannot_be_used_asks_for_nothing_strange(settings, key, value):
    values = {"resolution": 128, **mesh_settings.settings_of(ASKED), key: value}

    properties.show_record(settings, {"settings": values})

    surface(settings)  # Would raise on a value out of range.
    for name in ("symmetry", "shading", "num_lods"):
        if name != key:
            assert getattr(surface(settings), name) == getattr(ASKED, name)


def record(**settings):
    return {"prompt": "a chair", "pack": "starter", "seed": 3, "settings": settings}


def test_a_result_is_made_again_with_its_own_surface(settings):
    values = mesh_settings.settings_of(ASKED)

    again = records.request_of(bpy.context, record(resolution=64, **values))
    old = records.request_of(bpy.context, record(resolution=64))

    assert again.surface == ASKED
    assert old.surface == SurfaceConfig()


@pytest.mark.parametrize(("key", "value"), [("triangles", 3), ("shading", 1), ("normal_map", "no")])
def test_a_damaged_surface_is_a_damaged_record(settings, key, value):
    with pytest.raises(records.RecordError, match="cannot be used"):
        records.request_of(bpy.context, record(resolution=64, **{key: value}))


def test_the_history_brings_the_surface_back(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(history, "path", lambda: tmp_path / "history.json")
    settings.triangle_budget, settings.num_lods, settings.collision = "FINE", 2, "BOX"
    asked = surface(settings)

    history.remember(properties.request_of(settings))
    settings.preset, settings.num_lods, settings.collision = "DRAFT", 0, "NONE"
    bpy.ops.maquette.history_recall()

    assert surface(settings) == asked


def test_settings_survive_saving_and_opening(settings, tmp_path):
    settings.triangle_budget, settings.triangles, settings.symmetry = "CUSTOM", 4_321, "X"
    asked = surface(settings)

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_homefile(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))

    bpy.context.scene.maquette.prompt = "a chair"
    assert surface(bpy.context.scene.maquette) == asked


def test_a_record_holds_every_setting_of_the_surface():
    """What is stored and what is read back must not drift apart."""
    stored = mesh_settings.settings_of(ASKED)

    assert GenerationRecord.__annotations__["settings"] == "dict[str, str | int | float]"
    assert all(isinstance(value, str | int | float) for value in stored.values())
    assert mesh_settings.surface_from(stored) == ASKED
    assert set(presets.BUDGETS.values()) == {0, 5_000, 20_000, 100_000}
