# SPDX-License-Identifier: GPL-3.0-or-later
"""Selected meshes rebuilt: what the model is given, where the result lands, what follows from it.

The last tests run the bundled pack with the encoder that it was trained with.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core import latent_file
from maquette.core.inputs import KnownLatent
from maquette.operators import mesh_build, pack_states

LATENT = np.linspace(-1, 1, 12, dtype=np.float16).reshape(3, 4)


def set_state(kind, words=""):
    states = bpy.context.window_manager.maquette_sidebar.pack_states
    state = states.get("starter MESH") or states.add()
    state.name, state.kind, state.words = "starter MESH", kind, words


@pytest.fixture(autouse=True)
def encoder():
    """The bundled pack as if it had an encoder."""
    set_state("READY")


@pytest.fixture
def rebuilt(make_result):
    """What the pipeline makes of a mesh."""
    result = make_result("Seat Rebuilt")
    settings = {"resolution": 32, "target_size": 2.0, "mesh_source": "Seat"}
    record = replace(result.record, prompt="", settings=settings)
    return replace(result, record=record, latent=LATENT)


def add_seat(name="Seat", size=(1.0, 0.5, 2.0), location=(3.0, -1.0, 1.0), yaw=0.0):
    bpy.ops.mesh.primitive_cube_add(size=1.0, location=location)
    seat = bpy.context.object
    seat.name, seat.scale, seat.rotation_euler.z = name, size, yaw
    bpy.context.view_layer.update()
    return seat


def world(thing):
    matrix = np.array(thing.matrix_world)
    points = np.array([tuple(vertex.co) for vertex in thing.data.vertices])
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def rebuild(pipeline, result, **options):
    pipeline.results = [result]
    assert bpy.ops.maquette.rebuild(**options) == {"FINISHED"}
    bpy.context.view_layer.update()
    return bpy.context.view_layer.objects.active


def test_the_model_is_given_the_mesh_as_it_stands_and_how_large_it_is(pipeline, rebuilt):
    seat = add_seat()
    settings = bpy.context.scene.maquette
    settings.resolution, settings.texture_size = 48, 128

    rebuild(pipeline, rebuilt)

    (request,) = pipeline.requests
    surface = request.mesh.surface
    assert request.mesh.source == "Seat" and not request.is_sampled
    assert (request.resolution, request.texture_size, request.target_size) == (48, 128, 2.0)
    np.testing.assert_allclose(
        np.sort(surface.vertices, axis=0), np.sort(world(seat), axis=0), atol=1e-6
    )


@pytest.mark.parametrize("yaw", [0.4, -2.0, math.pi / 2])
def test_a_turned_mesh_is_read_facing_front_and_the_result_is_turned_back(pipeline, rebuilt, yaw):
    seat = add_seat(yaw=yaw)

    added = rebuild(pipeline, rebuilt, place="OVER", original="HIDE")

    surface = pipeline.requests[0].mesh.surface
    np.testing.assert_allclose(np.ptp(surface.vertices, axis=0), (1.0, 0.5, 2.0), atol=1e-5)
    assert added.rotation_euler.z == pytest.approx(yaw, abs=1e-5)
    middle = world(seat).mean(axis=0)
    np.testing.assert_allclose(added.location, (middle[0], middle[1], 0.0), atol=1e-5)
    assert tuple(added.scale) == (1.0, 1.0, 1.0)


def test_beside_it_stands_clear_of_the_original_which_stays(pipeline, rebuilt):
    seat = add_seat(location=(0.0, 0.0, 1.0))

    added = rebuild(pipeline, rebuilt)

    assert world(added)[:, 0].min() > world(seat)[:, 0].max()
    assert seat.visible_get() and not seat.hide_render
    assert [each.name for each in bpy.context.selected_objects] == [added.name]


def test_the_original_is_hidden_if_asked_and_never_changed(pipeline, rebuilt):
    seat = add_seat()
    before = world(seat)

    rebuild(pipeline, rebuilt, place="OVER", original="HIDE")

    assert seat.hide_get() and seat.hide_render
    np.testing.assert_array_equal(world(seat), before)


def test_it_is_one_undo_step_that_also_shows_the_original_again(pipeline, rebuilt):
    add_seat()
    bpy.ops.ed.undo_push(message="Before")
    rebuild(pipeline, rebuilt, original="HIDE")
    assert len(bpy.data.objects) == 2

    bpy.ops.ed.undo()

    (seat,) = bpy.data.objects
    assert seat.name == "Seat" and not seat.hide_get() and not seat.hide_render


def test_several_are_rebuilt_each_or_as_one(pipeline, rebuilt):
    add_seat("Left", location=(-2.0, 0.0, 0.0))
    add_seat("Right", location=(2.0, 0.0, 0.0))
    for each in bpy.data.objects:
        each.select_set(True)
    rebuild(pipeline, rebuilt)
    assert [request.mesh.source for request in pipeline.requests] == ["Right", "Left"]
    assert {len(request.mesh.surface.faces) for request in pipeline.requests} == {12}

    for each in bpy.data.objects:
        each.select_set(each.name in ("Left", "Right"))
    rebuild(pipeline, rebuilt, as_one=True, original="HIDE")

    request = pipeline.requests[-1]
    assert len(request.mesh.surface.faces) == 24
    assert request.target_size == pytest.approx(5.0)
    assert all(bpy.data.objects[name].hide_get() for name in ("Left", "Right"))


@pytest.mark.parametrize(
    ("flatten", "reason"),
    [((1.0, 1.0, 0.0), "flat"), ((0.0, 1.0, 0.0), "no area")],
)
def test_what_has_no_depth_is_refused_at_once(pipeline, rebuilt, flatten, reason):
    seat = add_seat(size=(1.0, 1.0, 1.0))
    for vertex in seat.data.vertices:
        vertex.co = tuple(a * b for a, b in zip(vertex.co, flatten, strict=True))
    pipeline.results = [rebuilt]

    with pytest.raises(RuntimeError, match=f"Cannot rebuild Seat, .*{reason}"):
        bpy.ops.maquette.rebuild()

    assert not pipeline.requests


def test_a_mesh_without_faces_is_refused(pipeline):
    mesh = bpy.data.meshes.new("Empty")
    empty = bpy.data.objects.new("Empty", mesh)
    bpy.context.scene.collection.objects.link(empty)
    empty.select_set(True)

    with pytest.raises(RuntimeError, match="it has no faces"):
        bpy.ops.maquette.rebuild()


def test_why_it_is_greyed_is_told(pipeline):
    with pytest.raises(RuntimeError, match="Select a mesh first"):
        bpy.ops.maquette.rebuild()
    add_seat()
    set_state("NO_MODEL", "This model cannot read meshes yet: choose another")
    with pytest.raises(RuntimeError, match="cannot read meshes yet"):
        bpy.ops.maquette.rebuild()
    set_state("READY")
    bpy.ops.object.mode_set(mode="EDIT")
    with pytest.raises(RuntimeError, match="Object Mode"):
        bpy.ops.maquette.rebuild()
    bpy.ops.object.mode_set(mode="OBJECT")


@pytest.mark.needs_torch
def test_packs_tell_whether_they_read_meshes(tmp_path):
    from maquette.tests.unit.tiny_native_pack import write_tiny_pack

    bpy.context.preferences.addons["maquette"].preferences.packs_folder = str(tmp_path)
    write_tiny_pack(tmp_path / "tiny")  # Has no encoder.

    pack_states.refresh(bpy.context)

    states = bpy.context.window_manager.maquette_sidebar.pack_states
    assert states["starter MESH"].kind == "READY"
    assert states["tiny MESH"].kind == "NO_MODEL"
    assert states["tiny MESH"].words == "This model cannot read meshes yet: choose another"
    assert states["shap-e MESH"].kind == "MISSING"


def test_the_latent_is_kept_and_made_a_mesh_of_again(pipeline, rebuilt):
    add_seat()
    added = rebuild(pipeline, rebuilt)
    kept = latent_file.from_text(added[mesh_build.LATENT_KEY], "Seat")
    np.testing.assert_array_equal(kept.values, LATENT)

    assert bpy.ops.maquette.regenerate() == {"FINISHED"}

    request = pipeline.requests[-1]
    np.testing.assert_array_equal(request.latent.values, LATENT)
    assert request.latent.source == "Seat" and request.mesh is None
    assert bpy.context.view_layer.objects.active == added


def test_more_like_it_starts_from_its_latent_with_a_prompt_or_without(pipeline, rebuilt):
    add_seat()
    rebuild(pipeline, rebuilt)

    assert bpy.ops.maquette.more_like_this(count=1, strength=0.4) == {"FINISHED"}
    plain = pipeline.requests[-1]
    bpy.ops.maquette.more_like_this(count=1, strength=0.6, prompt="a blue chair")
    worded = pipeline.requests[-1]

    for request, strength in ((plain, 0.4), (worded, 0.6)):
        np.testing.assert_array_equal(request.like.latent.values, LATENT)
        assert request.like.strengths == (pytest.approx(strength),) and not request.like.seeds
        assert request.is_sampled
    assert (plain.prompt, worded.prompt) == ("", "a blue chair")


def test_a_new_seed_says_nothing_to_what_has_no_prompt(pipeline, rebuilt):
    add_seat()
    rebuild(pipeline, rebuilt)

    with pytest.raises(RuntimeError, match="use More Like This"):
        bpy.ops.maquette.same_with_new_seed()


def test_a_result_in_its_place_forgets_the_latent(pipeline, rebuilt, make_result):
    added = rebuild_on_cube(pipeline, rebuilt)
    pipeline.results = [make_result()]

    bpy.ops.maquette.regenerate()

    assert mesh_build.LATENT_KEY not in added


def rebuild_on_cube(pipeline, result):
    add_seat()
    return rebuild(pipeline, result)


@pytest.mark.parametrize("text", ["", "3 4 !", "3 4 AAAA", "x y z", 7])
def test_a_damaged_latent_is_told(pipeline, rebuilt, text):
    added = rebuild_on_cube(pipeline, rebuilt)
    added[mesh_build.LATENT_KEY] = text

    with pytest.raises(RuntimeError, match="damaged: rebuild its mesh again"):
        bpy.ops.maquette.regenerate()


def test_it_is_not_a_prompt_to_remember(pipeline, rebuilt):
    def remembered():
        return [line.name for line in bpy.context.window_manager.maquette_sidebar.history]

    before = remembered()  # Perhaps from other tests.
    rebuild_on_cube(pipeline, rebuilt)

    assert remembered() == before


@pytest.mark.needs_torch
def test_a_mesh_becomes_what_the_model_understands_of_it():
    settings = bpy.context.scene.maquette
    settings.resolution, settings.texture_size = 48, 0
    seat = add_seat(size=(0.6, 0.6, 2.0), location=(0.0, 0.0, 1.0))
    material = bpy.data.materials.new("Green")
    material.diffuse_color = (0.03, 0.32, 0.04, 1.0)
    if bpy.app.version < (5, 0):
        material.use_nodes = False
    seat.data.materials.append(material)

    assert bpy.ops.maquette.rebuild(place="OVER", original="HIDE") == {"FINISHED"}

    added = bpy.context.view_layer.objects.active
    bpy.context.view_layer.update()
    assert added != seat and seat.hide_get()
    sizes = np.ptp(world(added), axis=0)
    assert sizes[2] == pytest.approx(2.0, rel=1e-3)
    assert (np.abs(sizes[:2] - 0.6) < 0.25).all()
    record = json.loads(added["maquette"])
    assert record["settings"]["mesh_source"] == "Seat" and record["prompt"] == ""
    before = world(added)

    assert bpy.ops.maquette.regenerate() == {"FINISHED"}

    np.testing.assert_array_equal(world(added), before)


def test_a_latent_survives_as_text():
    latent = KnownLatent(values=LATENT, source="Seat")

    again = latent_file.from_text(latent_file.to_text(latent), "Seat")

    np.testing.assert_array_equal(again.values, latent.values)
