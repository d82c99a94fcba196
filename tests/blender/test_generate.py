# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators and the job behind them, with a pipeline that needs no torch."""

from __future__ import annotations

import sys
import threading
from dataclasses import replace

import bpy
import pytest
from maquette.core.errors import CancelledError, EmptySurfaceError
from maquette.operators import jobs, messages, properties

TIMEOUT = 10.0  # Seconds; reached only when something hangs.


def status():
    return bpy.context.window_manager.maquette


def enter(prompt="a red cube"):
    bpy.context.scene.maquette.prompt = prompt


def generate():
    enter()
    return bpy.ops.maquette.generate()


@pytest.fixture
def window_mode(monkeypatch):
    """Behave as with an event loop; the test calls the timer's function itself."""
    monkeypatch.setattr(jobs, "_has_event_loop", lambda: True)
    yield
    jobs.stop()


class Gate:
    """A pipeline that stands still where the test wants it to."""

    def __init__(self, results):
        self.results = results
        self.reached = threading.Event()
        self.open = threading.Event()

    def __call__(self, request, pack_dir, *, on_progress, cancel, pack_hash):
        on_progress("Sampling", 0.25)
        self.reached.set()
        while not self.open.wait(0.001):
            on_progress("Sampling", 0.5)
        yield from self.results


def pump_until_idle():
    for _ in range(2000):
        if jobs._pump() is None:
            return
        threading.Event().wait(0.005)
    raise AssertionError("the job never ended")


def test_generate_adds_the_result_at_the_cursor(pipeline, make_result):
    pipeline.results = [make_result()]
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.5)

    assert generate() == {"FINISHED"}

    (added,) = bpy.data.objects
    assert tuple(added.location) == (1.0, 2.0, 0.5)
    assert not status().is_running
    assert status().error == ""


def test_the_request_is_what_the_panel_shows(pipeline):
    settings = bpy.context.scene.maquette
    settings.seed, settings.resolution = 42, 64
    settings.texture_size, settings.target_size = 512, 2.0

    generate()

    (request,) = pipeline.requests
    assert (request.prompt, request.seed, request.count) == ("a red cube", 42, 1)
    assert (request.resolution, request.texture_size, request.target_size) == (64, 512, 2.0)
    assert request.pack == "starter"
    assert request.sampler.num_steps == settings.steps
    assert request.sampler.guidance_scale is None


def test_untouched_settings_are_the_defaults_of_the_request():
    from maquette.core.config import GenerationRequest, SamplerConfig

    enter("a chair")

    request = properties.request_of(bpy.context.scene.maquette)

    assert request.settle_sampler(SamplerConfig()) == SamplerConfig()
    assert replace(request, sampler=None) == GenerationRequest(prompt="a chair", reserved_cores=1)


def test_variants_stand_side_by_side(pipeline, make_result):
    pipeline.results = [make_result("A"), make_result("B"), make_result("C")]

    generate()

    assert [tuple(each.location) for each in bpy.data.objects] == [
        (0.0, 0.0, 0.0),
        (1.25, 0.0, 0.0),
        (2.5, 0.0, 0.0),
    ]


def test_a_result_is_one_undo_step(pipeline, make_result):
    bpy.ops.ed.undo_push(message="Before")
    pipeline.results = [make_result()]
    generate()
    assert len(bpy.data.objects) == 1

    bpy.ops.ed.undo()
    assert len(bpy.data.objects) == 0

    bpy.ops.ed.redo()
    assert [each.name for each in bpy.data.objects] == ["Red Cube"]


def test_a_warning_of_the_result_is_shown(pipeline, make_result):
    pipeline.results = [make_result(warnings=("The pack does not know 'zeppelin'",))]

    generate()

    assert status().warning == "The pack does not know 'zeppelin'"


def test_the_next_run_clears_the_last_error_and_warning(pipeline, make_result):
    status().error, status().warning = "old error", "old warning"
    pipeline.results = [make_result()]

    generate()

    assert (status().error, status().warning) == ("", "")


def test_generate_is_greyed_out_without_a_prompt():
    enter("  ")

    assert not bpy.ops.maquette.generate.poll()
    with pytest.raises(RuntimeError, match="Enter a prompt first"):
        bpy.ops.maquette.generate()


def test_generate_is_greyed_out_while_one_runs():
    enter()
    status().is_running = True

    with pytest.raises(RuntimeError, match="A generation is already running"):
        bpy.ops.maquette.generate()


def test_cancel_is_greyed_out_while_none_runs():
    with pytest.raises(RuntimeError, match="No generation is running"):
        bpy.ops.maquette.cancel()


def test_a_setting_that_cannot_be_used_is_named(pipeline):
    bpy.context.scene.maquette.texture_size = 3

    with pytest.raises(RuntimeError, match="Texture size must be a whole number from 64"):
        generate()
    assert pipeline.requests == []


def test_an_expected_failure_is_told_in_one_sentence(pipeline):
    pipeline.error = EmptySurfaceError(-0.5)

    with pytest.raises(RuntimeError, match="try another Seed"):
        generate()

    assert status().error == messages.for_user(pipeline.error)
    assert not status().is_running
    assert not bpy.data.objects


def test_a_bug_is_named_so_and_its_traceback_is_logged(pipeline, caplog):
    pipeline.error = ZeroDivisionError("division by zero")

    with pytest.raises(RuntimeError, match="because of a bug"):
        generate()

    assert "ZeroDivisionError" in caplog.text


def test_a_missing_package_is_named(pipeline, caplog):
    pipeline.error = ModuleNotFoundError("No module named 'torch'", name="torch")

    with pytest.raises(RuntimeError, match="cannot load torch: see Install in Maquette's README"):
        generate()

    assert caplog.text == ""


def test_without_torch_the_real_pipeline_says_so(monkeypatch, tmp_path):
    import maquette.core
    from maquette.operators import packs

    monkeypatch.setattr(packs, "directory_of", lambda context, pack_id: tmp_path)
    monkeypatch.setitem(sys.modules, "torch", None)  # As if it were not installed.
    monkeypatch.delitem(sys.modules, "maquette.core.pipeline", raising=False)
    monkeypatch.delattr(maquette.core, "pipeline", raising=False)

    with pytest.raises(RuntimeError, match="Blender's Python cannot load torch"):
        generate()


def test_what_was_done_before_a_failure_stays(pipeline, make_result):
    pipeline.results = [make_result("A")]
    pipeline.error = EmptySurfaceError(-0.5)

    with pytest.raises(RuntimeError, match="try another Seed"):
        generate()

    assert [each.name for each in bpy.data.objects] == ["A"]


def test_with_a_window_the_operator_returns_at_once_and_the_timer_brings_the_result(
    pipeline, make_result, window_mode
):
    gate = pipeline.generate = Gate([make_result()])
    assert generate() == {"FINISHED"}
    assert status().is_running
    assert bpy.app.timers.is_registered(jobs._pump)
    assert gate.reached.wait(TIMEOUT)

    assert jobs._pump() == jobs.POLL_INTERVAL
    assert status().stage == "Sampling"
    assert status().fraction in (0.25, 0.5)
    assert not bpy.data.objects

    gate.open.set()
    pump_until_idle()
    assert [each.name for each in bpy.data.objects] == ["Red Cube"]
    assert not status().is_running


def test_cancel_ends_the_run_and_adds_nothing(pipeline, make_result, window_mode):
    gate = pipeline.generate = Gate([make_result()])
    generate()
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.maquette.cancel()

    assert status().stage == "Cancelling"
    pump_until_idle()
    assert not bpy.data.objects
    assert (status().is_running, status().error) == (False, "")


def test_a_result_that_was_ready_when_cancel_was_pressed_is_dropped(
    pipeline, make_result, window_mode
):
    pipeline.results = [make_result()]
    generate()
    assert jobs._job.worker.join(TIMEOUT)

    bpy.ops.maquette.cancel()
    pump_until_idle()

    assert not bpy.data.objects


def test_a_result_waits_while_another_object_is_edited(pipeline, make_result, window_mode):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    pipeline.results = [make_result()]
    generate()
    assert jobs._job.worker.join(TIMEOUT)

    assert jobs._pump() == jobs.POLL_INTERVAL
    assert jobs._pump() == jobs.POLL_INTERVAL
    assert status().stage == "Waiting for Object Mode"
    assert "Red Cube" not in bpy.data.objects

    bpy.ops.object.mode_set(mode="OBJECT")
    assert jobs._pump() is None
    assert "Red Cube" in bpy.data.objects


def test_loading_a_file_cancels_and_nothing_lands_in_the_other_file(
    pipeline, make_result, window_mode
):
    gate = pipeline.generate = Gate([make_result()])
    generate()
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.wm.read_homefile(use_empty=True)
    gate.open.set()

    assert jobs._pump() is None
    assert not bpy.data.objects
    assert not status().is_running


def test_a_file_saved_during_a_run_opens_idle(pipeline, make_result, window_mode, tmp_path):
    gate = pipeline.generate = Gate([make_result()])
    generate()
    assert gate.reached.wait(TIMEOUT)
    path = str(tmp_path / "during.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert not status().is_running
    enter()
    assert bpy.ops.maquette.generate.poll()


def test_undo_and_redo_during_a_run_are_safe(pipeline, make_result, window_mode):
    bpy.ops.ed.undo_push(message="Before")
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="Add Cube")
    gate = pipeline.generate = Gate([make_result()])
    generate()
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.ed.undo()
    bpy.ops.ed.redo()
    bpy.ops.ed.undo()
    gate.open.set()
    pump_until_idle()

    assert [each.name for each in bpy.data.objects] == ["Red Cube"]


def test_disabling_the_extension_during_a_run_stops_the_thread(pipeline, make_result, window_mode):
    import addon_utils

    gate = pipeline.generate = Gate([make_result()])
    generate()
    assert gate.reached.wait(TIMEOUT)
    worker = jobs._job.worker

    addon_utils.disable("maquette")

    assert worker.join(0)
    assert not bpy.app.timers.is_registered(jobs._pump)
    addon_utils.enable("maquette")


def test_a_bug_while_landing_does_not_leave_a_bar_that_never_moves(
    pipeline, make_result, window_mode, monkeypatch
):
    def broken(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(jobs.mesh_build, "add_object", broken)
    pipeline.results = [make_result()]
    generate()
    assert jobs._job.worker.join(TIMEOUT)

    with pytest.raises(ZeroDivisionError):
        pump_until_idle()

    assert (status().is_running, status().error) == (False, messages.BUG)
    assert jobs._pump() is None


def test_the_result_goes_to_the_scene_that_asked_for_it(pipeline, make_result, window_mode):
    first = bpy.context.scene
    pipeline.results = [make_result()]
    generate()
    assert jobs._job.worker.join(TIMEOUT)
    second = bpy.data.scenes.new("Second")
    bpy.context.window.scene = second

    pump_until_idle()

    # The only window shows the second scene now, so that is where the user is looking.
    assert [each.name for each in second.objects] == ["Red Cube"]
    assert not first.objects


def test_a_pack_that_is_not_there_is_told_before_anything_starts(pipeline, monkeypatch):
    from maquette.operators import packs
    from maquette.weights.errors import WeightsMissingError

    def missing(context, pack_id):
        raise WeightsMissingError(pack_id, ("prior.safetensors",), "install Maquette again")

    monkeypatch.setattr(packs, "directory_of", missing)

    with pytest.raises(RuntimeError, match="Pack starter lacks 1 file"):
        generate()
    assert not status().is_running


def test_a_cancelled_run_without_a_window_is_not_an_error(pipeline):
    pipeline.error = CancelledError()

    assert generate() == {"FINISHED"}
    assert status().error == ""
