# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels show of variants and of an earlier result."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import bpy
import pytest
from maquette.core.thumbnail import render_thumbnail
from maquette.operators import mesh_build
from maquette.operators.variants import gallery
from maquette.operators.variants.collection import collection_of, members, new_collection
from maquette.panels import gallery as gallery_panel
from maquette.panels import result as result_panel
from maquette.tests.blender.test_panels import Recorder, draw, texts

ACTIONS = ["maquette.variant_keep", "maquette.variant_discard", "maquette.variant_keep_only"]


@pytest.fixture
def add(make_result):
    """Return a function that adds a result with a picture."""

    def add(collection=None, **values):
        result = make_result(**values)
        result = replace(result, thumbnail=render_thumbnail(result.mesh, 64))
        added = mesh_build.add_object(bpy.context, result, location=(0, 0, 0))
        if collection is not None:
            added.users_collection[0].objects.unlink(added)
            collection.objects.link(added)
        return added

    return add


@pytest.fixture
def sheet(add):
    collection = new_collection(bpy.context, "Red Cube", (0.0, 0.0, 0.0))
    for seed in (41, 42, 43):
        add(collection, seed=seed)
    gallery.show(bpy.context, collection)
    bpy.context.view_layer.update()
    return collection


def activate(subject):
    bpy.context.view_layer.objects.active = subject


def named(calls, kind):
    return [name for each, name in calls if each == kind]


class Pictures(Recorder):
    """Remembers which picture stands over which button."""

    def record(self, name, given):
        if name == "template_icon":
            self.calls.append((name, given["icon_value"], True))
            return None
        if name == "operator" and given["operator"] == "maquette.variant_select":
            self.calls.append(("seed", given["text"], given["depress"]))
        if name in ("row", "column", "box", "split", "grid_flow"):
            return Pictures(self.calls)
        return super().record(name, given)


class Pressed(Recorder):
    """Remembers whether the button for colors is pressed."""

    def record(self, name, given):
        if name == "operator" and given["operator"] == "maquette.show_colors":
            self.calls.append(given["depress"])
        if name in ("row", "column", "box", "split"):
            return Pressed(self.calls)
        return None if name != "operator" else super().record(name, given)


def test_each_picture_stands_over_its_seed_and_the_active_one_is_marked(sheet):
    activate(members(sheet)[1])
    recorder = Pictures()

    gallery_panel.MAQUETTE_PT_gallery.draw(SimpleNamespace(layout=recorder), bpy.context)

    shown = [call for call in recorder.calls if call[0] in ("template_icon", "seed")]
    picture = ("template_icon", 0, True)  # Without a window every icon has the number 0.
    assert shown == [
        picture,
        ("seed", "Seed 41", False),
        picture,
        ("seed", "Seed 42", True),
        picture,
        ("seed", "Seed 43", False),
    ]


def test_the_choice_is_offered_for_the_active_variant_only(sheet, add):
    activate(members(sheet)[0])
    offered = named(draw(gallery_panel.MAQUETTE_PT_gallery.draw), "operator")
    assert [name for name in offered if name in ACTIONS] == ACTIONS

    activate(add())
    calls = draw(gallery_panel.MAQUETTE_PT_gallery.draw)
    assert not set(ACTIONS) & set(named(calls, "operator"))
    assert "Choose one by its seed" in texts(calls)


def test_the_gallery_is_there_as_long_as_there_are_variants(sheet, add):
    poll = gallery_panel.MAQUETTE_PT_gallery.poll
    activate(None)
    assert poll(bpy.context)  # The set that was shown last.

    gallery.keep_only(bpy.context, members(sheet)[0])

    assert not poll(bpy.context)


def test_the_gallery_follows_the_active_variant(sheet, add):
    other = new_collection(bpy.context, "Other", (0.0, 0.0, 0.0))
    variant = add(other, seed=99)

    activate(variant)

    assert gallery_panel.gallery_of(bpy.context) == other == collection_of(variant)
    activate(members(sheet)[0])
    assert gallery_panel.gallery_of(bpy.context) == sheet


def test_the_result_panel_shows_where_an_object_came_from(add):
    activate(add(seed=482913))

    shown = texts(draw(result_panel.MAQUETTE_PT_result.draw))
    details = texts(draw(result_panel.MAQUETTE_PT_result_details.draw))

    assert "a red cube" in shown and "Seed 482913" in shown
    for fact in ("starter", "0123456789abcdef", "0.1.0", "12", "1.00 x 1.00 x 1.00", "128"):
        assert fact in details, fact


def test_triangles_are_counted_whatever_the_faces_are(add):
    result = add()
    activate(result)
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.mesh.select_all(action="SELECT")
    bpy.ops.mesh.tris_convert_to_quads(uvs=False, seam=False)
    bpy.ops.object.mode_set(mode="OBJECT")
    assert len(result.data.polygons) < 12

    assert " 12 " in texts(draw(result_panel.MAQUETTE_PT_result_details.draw))


def test_the_panels_can_do_with_a_record_that_somebody_emptied(add):
    result = add()
    activate(result)
    for key in list(result.keys()):
        if key != mesh_build.RECORD_KEY:
            del result[key]

    draw(result_panel.MAQUETTE_PT_result.draw)

    assert "?" in texts(draw(result_panel.MAQUETTE_PT_result_details.draw))


def test_other_objects_have_no_result_panel():
    bpy.ops.object.empty_add()

    assert not result_panel.MAQUETTE_PT_result.poll(bpy.context)


def test_an_asset_can_be_taken_out_again_where_it_is_one(add):
    result = add()
    activate(result)
    draw_use = result_panel.MAQUETTE_PT_result_use.draw
    assert "maquette.asset_clear" not in named(draw(draw_use), "operator")

    result.asset_mark()

    assert "maquette.asset_clear" in named(draw(draw_use), "operator")
    assert named(draw(draw_use), "operator").count("maquette.export") == 6


def test_the_context_menu_is_there_for_results_only(add):
    activate(add())
    assert named(draw(result_panel.draw_in_context_menu), "menu") == ["MAQUETTE_MT_result"]
    assert "maquette.regenerate" in named(draw(result_panel.MAQUETTE_MT_result.draw), "operator")

    bpy.ops.object.empty_add()
    assert draw(result_panel.draw_in_context_menu) == []


def viewport(color_type, kind="SOLID", space="VIEW_3D"):
    """What a panel reads of the viewport it stands in."""
    shading = SimpleNamespace(type=kind, color_type=color_type)
    return SimpleNamespace(type=space, shading=shading)


@pytest.mark.parametrize(
    ("space", "depress"),
    [
        (viewport("MATERIAL"), [False]),
        (viewport("RANDOM"), [False]),
        (viewport("TEXTURE"), [True]),
        (viewport("VERTEX"), [True]),
        (viewport("MATERIAL", kind="MATERIAL"), [True]),
        (None, []),
    ],
)
def test_a_button_tells_whether_the_viewport_shows_colors(add, space, depress):
    added = add()
    layer = SimpleNamespace(objects=SimpleNamespace(active=added))
    context = SimpleNamespace(
        view_layer=layer, space_data=space, region=None, preferences=bpy.context.preferences
    )

    recorder = Pressed()
    result_panel.MAQUETTE_PT_result.draw(SimpleNamespace(layout=recorder), context)

    assert [each for each in recorder.calls if isinstance(each, bool)] == depress
