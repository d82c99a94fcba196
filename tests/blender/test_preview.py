# SPDX-License-Identifier: GPL-3.0-or-later
"""The growing preview: where it stands, how long it stays, and that the scene never has it."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.errors import CancelledError, EmptySurfaceError
from maquette.core.mesh import PreviewMesh
from maquette.operators import ghost, preview

CORNERS = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (0, 1)])


def status():
    return bpy.context.window_manager.maquette


@pytest.fixture
def make_preview(make_result):
    """Return a function that makes a preview: the cube of make_result, without its texture."""

    def make(index=0, seed=7):
        result = make_result(texture=False, seed=seed)
        settings = result.record.settings | {"preview": "step 7 of 20"}
        record = replace(result.record, settings=settings)
        return PreviewMesh(mesh=result.mesh, index=index, name=result.name, record=record)

    return make


class Stage:
    """A pipeline that shows previews and then stands still until the test lets it go on."""

    def __init__(self, gate, previews):
        self.gate = gate
        self.previews = previews
        self.wanted = None

    def __call__(self, request, pack_dir, *, on_preview=None, **others):
        self.wanted = on_preview is not None
        for each in self.previews:
            if on_preview is not None:
                on_preview(each)
        yield from self.gate(request, pack_dir, on_preview=on_preview, **others)


@pytest.fixture
def start(pipeline, window_mode, make_gate):
    """Return a function that starts a run, which has shown its previews when it returns."""

    def begin(previews, *results, **settings):
        gate = make_gate(*results)
        pipeline.generate = stage = Stage(gate, previews)
        bpy.context.scene.maquette.prompt = "a red cube"
        for name, value in settings.items():
            setattr(bpy.context.scene.maquette, name, value)
        bpy.ops.maquette.generate()
        assert gate.reached.wait(10.0)
        window_mode.tick()
        return stage

    yield begin
    preview.forget()


def cancel(window_mode):
    bpy.ops.maquette.cancel()
    window_mode.until_idle()


def bounds(shown):
    return shown.points.min(axis=0), shown.points.max(axis=0)


def test_a_preview_stands_where_the_result_will(start, make_preview, make_result, window_mode):
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.5)
    stage = start([make_preview()], make_result())

    (shown,) = ghost.shown()
    low, high = bounds(shown)
    assert low == pytest.approx([0.5, 1.5, 0.5]) and high == pytest.approx([1.5, 2.5, 1.5])

    stage.gate.open.set()
    window_mode.until_idle()
    (added,) = bpy.data.objects
    assert [tuple(added.matrix_world @ v.co) for v in added.data.vertices] == [
        pytest.approx(point) for point in shown.points.tolist()
    ]


def test_the_scene_does_not_know_of_it(start, make_preview, tmp_path):
    bpy.ops.ed.undo_push(message="Before")
    start([make_preview()])
    assert len(ghost.shown()) == 1

    assert not bpy.data.objects and not bpy.data.meshes
    bpy.ops.ed.undo_push(message="After")
    bpy.ops.ed.undo()
    assert len(ghost.shown()) == 1


def test_the_result_replaces_it(start, make_preview, make_result, window_mode):
    stage = start([make_preview()], make_result())
    stage.gate.open.set()
    window_mode.until_idle()

    assert ghost.shown() == ()
    assert not status().has_preview
    assert [each.name for each in bpy.data.objects] == ["Red Cube"]


def test_the_latest_replaces_those_before(start, make_preview):
    start([make_preview(seed=1), make_preview(seed=2)])

    assert len(ghost.shown()) == 1


def test_variants_stand_as_on_their_contact_sheet(start, make_preview, make_result, window_mode):
    previews = [make_preview(index) for index in range(3)]
    stage = start(previews[:1], *[make_result() for _ in range(3)], count=3)
    preview._on_previewed(status().jobs[-1], previews[1])
    preview._on_previewed(status().jobs[-1], previews[2])
    middles = [np.mean(bounds(shown), axis=0) for shown in ghost.shown()]

    stage.gate.open.set()
    window_mode.until_idle()
    for middle, added in zip(middles, bpy.data.objects, strict=True):
        assert middle[:2] == pytest.approx(added.location[:2])


def test_on_a_placeholder_it_fits_and_turns_as_the_result_will(start, make_preview):
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=(3.0, 0.0, 1.0), rotation=(0, 0, 0.3))
    start([make_preview()], location="PLACEHOLDER")

    (shown,) = ghost.shown()
    turn = np.array([[math.cos(0.3), -math.sin(0.3)], [math.sin(0.3), math.cos(0.3)]])
    expected = CORNERS * [1.0, 1.0, 2.0]
    expected[:, :2] = expected[:, :2] @ turn.T
    found = sorted(map(tuple, np.round(shown.points - [3.0, 0.0, 0.0], 4).tolist()))
    assert found == [pytest.approx(each, abs=1e-4) for each in sorted(map(tuple, expected))]


def test_after_a_cancel_it_can_be_kept(start, make_preview, window_mode):
    bpy.ops.ed.undo_push(message="Before")
    bpy.context.scene.cursor.location = (1.0, 0.0, 0.0)
    start([make_preview()])
    assert not status().has_preview
    cancel(window_mode)
    assert status().has_preview and len(ghost.shown()) == 1

    assert bpy.ops.maquette.preview_keep() == {"FINISHED"}

    (added,) = bpy.data.objects
    assert tuple(added.location) == (1.0, 0.0, 0.0)
    assert added.select_get() and bpy.context.view_layer.objects.active == added
    assert added["maquette_preview"] == "step 7 of 20"
    assert json.loads(added["maquette"])["settings"]["preview"] == "step 7 of 20"
    assert "Color" in added.data.color_attributes
    assert ghost.shown() == () and not status().has_preview


def test_keeping_is_one_undo_step(start, make_preview, window_mode):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="Before")
    start([make_preview()])
    cancel(window_mode)
    bpy.ops.maquette.preview_keep("EXEC_DEFAULT", True)
    assert "Red Cube" in bpy.data.objects

    bpy.ops.ed.undo()

    assert [each.name for each in bpy.data.objects] == ["Cube"]


def test_after_a_cancel_it_can_be_discarded(start, make_preview, window_mode):
    start([make_preview()])
    cancel(window_mode)

    assert bpy.ops.maquette.preview_discard() == {"FINISHED"}

    assert ghost.shown() == () and not status().has_preview
    assert not bpy.data.objects
    with pytest.raises(RuntimeError, match="There is no preview"):
        bpy.ops.maquette.preview_keep()


def test_a_cancel_before_any_preview_offers_nothing(start, window_mode):
    start([])
    cancel(window_mode)

    assert not status().has_preview


def test_variants_that_landed_in_spite_of_the_cancel_are_not_offered_again(
    start, make_preview, make_result, window_mode
):
    def stopped():
        yield make_result()
        reached.set()
        go_on.wait(10.0)
        raise CancelledError

    reached, go_on = threading.Event(), threading.Event()
    stage = start([make_preview(0), make_preview(1)], count=4)
    stage.gate.results = stopped()
    stage.gate.open.set()
    assert reached.wait(10.0)
    window_mode.tick()
    bpy.ops.maquette.cancel()
    go_on.set()
    window_mode.until_idle()

    (landed,) = bpy.data.objects
    assert status().has_preview and len(ghost.shown()) == 1
    bpy.ops.maquette.preview_keep()
    (kept,) = set(bpy.data.objects) - {landed}
    assert kept.location.x - landed.location.x == pytest.approx(1.25)
    assert kept.location.y == pytest.approx(-0.625)  # Of the front row.


def test_a_failure_removes_it(start, make_preview, window_mode):
    def failing():
        raise EmptySurfaceError(-0.5)
        yield

    stage = start([make_preview()])
    stage.gate.results = failing()
    stage.gate.open.set()
    window_mode.until_idle()

    assert ghost.shown() == () and not status().has_preview
    assert "try another Seed" in status().error


def test_loading_a_file_removes_it(start, make_preview, window_mode):
    start([make_preview()])
    cancel(window_mode)

    bpy.ops.wm.read_homefile(use_empty=True)

    assert ghost.shown() == () and not status().has_preview


def test_a_file_saved_beside_a_preview_offers_none(start, make_preview, window_mode, tmp_path):
    start([make_preview()])
    cancel(window_mode)
    path = str(tmp_path / "beside.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert not status().has_preview
    assert not bpy.data.meshes


def test_the_preview_of_the_next_run_replaces_what_a_cancel_has_left(
    start, make_preview, window_mode
):
    start([make_preview()])
    cancel(window_mode)

    start([])
    assert status().has_preview and len(ghost.shown()) == 1
    cancel(window_mode)
    start([make_preview()])

    assert not status().has_preview and len(ghost.shown()) == 1


def test_it_can_be_switched_off(start, make_preview, window_mode):
    bpy.context.preferences.addons["maquette"].preferences.show_preview = False

    stage = start([make_preview()])

    assert stage.wanted is False
    assert ghost.shown() == ()


def test_keeping_waits_for_object_mode(start, make_preview, window_mode):
    bpy.ops.mesh.primitive_cube_add()
    start([make_preview()])
    cancel(window_mode)
    bpy.ops.object.mode_set(mode="EDIT")

    with pytest.raises(RuntimeError, match="Object Mode"):
        bpy.ops.maquette.preview_keep()
    assert status().has_preview


def test_disabling_the_extension_removes_it(start, make_preview, window_mode):
    import addon_utils

    start([make_preview()])
    cancel(window_mode)

    addon_utils.disable("maquette")

    assert ghost.shown() == () and ghost._handle is None
    addon_utils.enable("maquette")


def test_a_handler_that_cannot_draw_gives_up_quietly(start, make_preview, caplog):
    """Without a graphics card every call of the gpu module fails, as here in the bpy module."""
    start([make_preview()])

    ghost._draw()
    ghost._draw()

    assert caplog.text.count("the preview cannot be drawn") == 1


def test_a_surface_is_brighter_where_it_faces_the_light_and_keeps_its_hue():
    normals = np.array([[-0.4, -0.7, 0.5], [0.4, 0.7, -0.5], [0.0, 0.0, 0.0]], np.float32)
    red = np.tile(np.array([0.6, 0.05, 0.05], np.float32), (3, 1))

    lit, dark, flat = ghost.shade(normals, red)

    assert lit.min() >= 0.0 and lit.max() <= 1.0
    assert lit[0] > flat[0] > 0.0
    assert lit[0] > 1.5 * dark[0]
    assert lit[0] > 2 * lit[1] and lit[0] > 2 * lit[2]


def test_the_panel_offers_both_only_when_there_is_a_choice():
    from maquette.panels.running import MAQUETTE_PT_preview

    assert not MAQUETTE_PT_preview.poll(bpy.context)
    status().has_preview = True
    assert MAQUETTE_PT_preview.poll(bpy.context)
