# SPDX-License-Identifier: GPL-3.0-or-later
"""The queue of jobs: who runs when, and what cancel, retry and a failure do to the others."""

from __future__ import annotations

import threading

import bpy
import pytest
from maquette.core.config import GenerationRequest
from maquette.core.errors import EmptySurfaceError
from maquette.core.mesh import MeshData, PreviewMesh
from maquette.operators import events, jobs, messages, report
from maquette.operators.jobs import insertion, pump, queue

TIMEOUT = 10.0  # Seconds; reached only when something hangs.


def status():
    return bpy.context.window_manager.maquette


def entry(job_id):
    return next(each for each in status().jobs if each.job_id == job_id)


def states():
    return [each.state for each in status().jobs]


def submit(prompt="a red cube", **settings):
    request = GenerationRequest(prompt=prompt, **settings)
    return jobs.submit(bpy.context, jobs.JobSpec(request=request))


def names():
    return sorted(each.name for each in bpy.data.objects)


@pytest.fixture
def listen():
    """Return a function that adds a listener before all others, until the test ends."""
    added = []

    def add(name, callback):
        callbacks = getattr(events, name)
        callbacks.insert(0, callback)
        added.append((callbacks, callback))

    yield add
    for callbacks, callback in added:
        callbacks.remove(callback)


@pytest.fixture
def heard(listen):
    """Everything that listeners are told, as (event, job, state) or (landed, names)."""
    told = []
    for name in ("started", "progressed", "ended"):
        listen(name, lambda job, name=name: told.append((name, job.job_id, job.state)))
    listen("landed", lambda _, objects, *rest: told.append(("landed", [o.name for o in objects])))
    return told


def test_without_a_window_submit_returns_when_the_job_has_ended(pipeline, make_result):
    pipeline.results = [make_result()]

    job_id = submit(seed=3)

    job = entry(job_id)
    assert (job.state, job.fraction, job.result_names) == ("DONE", 1.0, "Red Cube")
    assert (job.prompt, job.seed, job.count, job.label) == ("a red cube", 3, 1, "a red cube")
    assert not status().is_running


def test_with_a_window_the_operator_returns_at_once_and_the_timer_brings_the_result(
    make_gate, make_result, window_mode
):
    gate = make_gate(make_result())
    bpy.context.scene.maquette.prompt = "a red cube"
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    assert status().is_running
    assert bpy.app.timers.is_registered(pump.tick)
    assert gate.reached.wait(TIMEOUT)

    assert window_mode.tick() == pump.INTERVAL
    assert status().stage == "Sampling"
    assert status().fraction in (0.25, 0.5)
    assert not bpy.data.objects

    gate.open.set()
    window_mode.until_idle()
    assert names() == ["Red Cube"]
    assert not status().is_running


def test_jobs_run_one_after_the_other_in_order(make_gate, make_result, window_mode, heard):
    gate = make_gate(make_result("Cube"))
    first, second, third = submit("a"), submit("b"), submit("c")
    assert gate.reached.wait(TIMEOUT)
    window_mode.tick()

    assert states() == ["RUNNING", "WAITING", "WAITING"]
    assert sum(job.is_at_work for job in window_mode.live) == 1

    gate.open.set()
    window_mode.until_idle()
    assert states() == ["DONE", "DONE", "DONE"]
    for event, state in (("started", "RUNNING"), ("ended", "DONE")):
        told = [each for each in heard if each[0] == event]
        assert told == [(event, job_id, state) for job_id in (first, second, third)]
    assert names() == ["Cube", "Cube.001", "Cube.002"]
    assert [each.result_names for each in status().jobs] == ["Cube", "Cube.001", "Cube.002"]


def test_a_job_that_fails_does_not_stop_the_others(pipeline, make_result, window_mode):
    def generate(request, pack_dir, **_):
        if request.prompt == "bad":
            raise EmptySurfaceError(-0.5)
        yield make_result(request.prompt)

    pipeline.generate = generate
    for prompt in ("one", "bad", "two"):
        submit(prompt)
    window_mode.until_idle()

    assert states() == ["DONE", "FAILED", "DONE"]
    assert names() == ["one", "two"]
    failed = status().jobs[1]
    assert failed.error == messages.for_user(EmptySurfaceError(-0.5))
    assert "EmptySurfaceError" in failed.report
    # The panel goes on telling of it while and after the next job runs.
    assert (status().error, status().report) == (failed.error, failed.report)


def test_a_bug_while_landing_fails_that_job_only(
    pipeline, make_result, window_mode, monkeypatch, caplog
):
    real = insertion.insert

    def broken(context, spec, *rest):
        if spec.request.prompt == "bad":
            raise ZeroDivisionError("planted")
        return real(context, spec, *rest)

    monkeypatch.setattr(insertion, "insert", broken)
    pipeline.results = [make_result()]
    for prompt in ("bad", "good"):
        submit(prompt)
    window_mode.until_idle()

    assert states() == ["FAILED", "DONE"]
    assert status().error == messages.BUG
    assert "ZeroDivisionError: planted" in caplog.text
    assert "ZeroDivisionError: planted" in status().report
    assert not status().is_running
    assert len(bpy.data.objects) == 1


def test_a_report_that_cannot_be_written_does_not_stop_the_queue(
    pipeline, make_result, window_mode, monkeypatch, caplog
):
    def broken(*_):
        raise ZeroDivisionError("in the report")

    monkeypatch.setattr(report, "compose", broken)
    pipeline.error = EmptySurfaceError(-0.5)
    submit("bad")
    window_mode.until_idle()

    assert states() == ["FAILED"]
    assert "try another Seed" in status().error
    assert "in the report" in caplog.text


def test_the_next_job_after_a_rest_clears_old_messages(pipeline, make_result):
    status().error = status().report = status().warning = "old"
    pipeline.results = [make_result()]

    submit()

    assert (status().error, status().report, status().warning) == ("", "", "")


def test_cancel_ends_the_run_and_adds_nothing(make_gate, make_result, window_mode, heard):
    gate = make_gate(make_result())
    job_id = submit()
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.maquette.cancel()

    assert status().stage == "Cancelling"
    window_mode.until_idle()
    assert not bpy.data.objects
    assert (status().is_running, status().error) == (False, "")
    assert states() == ["CANCELLED"]
    assert heard[-1] == ("ended", job_id, "CANCELLED")


def test_a_result_that_was_ready_when_cancel_was_pressed_is_dropped(
    pipeline, make_result, window_mode
):
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()

    bpy.ops.maquette.cancel()
    window_mode.until_idle()

    assert not bpy.data.objects
    assert states() == ["CANCELLED"]


def test_variants_that_were_finished_before_the_cancel_stay(pipeline, make_result, window_mode):
    gate = threading.Event()

    def generate(request, pack_dir, *, on_progress, **_):
        yield make_result("A")
        yield make_result("B")
        gate.set()
        while True:
            on_progress("Sampling", 0.7)

    pipeline.generate = generate
    submit(count=4)
    assert gate.wait(TIMEOUT)
    window_mode.tick()

    bpy.ops.maquette.cancel()
    window_mode.until_idle()

    assert names() == ["A", "B"]
    assert states() == ["CANCELLED"]
    assert status().jobs[0].result_names == "A\nB"


def test_cancelling_results_that_wait_to_land_drops_all_of_them(pipeline, make_result, window_mode):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode="EDIT")
    pipeline.results = [make_result("A"), make_result("B")]
    submit(count=2)
    window_mode.wait_for_workers()
    assert window_mode.tick() is not None

    bpy.ops.maquette.cancel()
    window_mode.until_idle()

    assert names() == ["Cube"]
    assert states() == ["CANCELLED"]


def test_a_waiting_job_can_be_cancelled_alone(make_gate, make_result, window_mode):
    gate = make_gate(make_result())
    submit("a")
    second = submit("b")
    submit("c")
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.maquette.job_cancel(job_id=second)
    window_mode.tick()

    assert states() == ["RUNNING", "CANCELLED", "WAITING"]
    gate.open.set()
    window_mode.until_idle()
    assert states() == ["DONE", "CANCELLED", "DONE"]


def test_cancel_all_ends_everything(make_gate, make_result, window_mode):
    gate = make_gate(make_result())
    for prompt in "abc":
        submit(prompt)
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.maquette.cancel_all()
    window_mode.until_idle()

    assert states() == ["CANCELLED"] * 3
    assert not bpy.data.objects


def test_a_thread_that_does_not_answer_is_left_to_itself_and_the_next_one_waits_for_it(
    pipeline, make_result, window_mode, monkeypatch
):
    """As during the import of torch, which nothing can interrupt."""
    monkeypatch.setattr(pump, "PATIENCE", 0.0)
    release, started = threading.Event(), []

    def deaf(request, pack_dir, **_):
        started.append(request.prompt)
        if request.prompt == "deaf":
            assert release.wait(TIMEOUT)
        yield make_result(request.prompt)

    pipeline.generate = deaf
    submit("deaf")
    bpy.ops.maquette.cancel()
    window_mode.tick()
    assert states() == ["CANCELLED"]
    assert not status().is_running

    submit("next")
    window_mode.tick()
    assert started == ["deaf"]
    assert states() == ["CANCELLED", "WAITING"]
    assert status().stage == "Waiting for the cancelled run to stop"

    release.set()
    window_mode.until_idle()
    assert states() == ["CANCELLED", "DONE"]
    assert names() == ["next"]


def test_retry_does_the_same_once_more(pipeline, make_result, window_mode):
    pipeline.error = EmptySurfaceError(-0.5)
    failed = submit("a chair", seed=11, resolution=64)
    window_mode.until_idle()
    pipeline.error, pipeline.results = None, [make_result()]

    bpy.ops.maquette.job_retry(job_id=failed)
    window_mode.until_idle()

    assert states() == ["FAILED", "DONE"]
    assert pipeline.requests[1] == pipeline.requests[0]
    assert status().error == ""


def test_a_job_of_another_file_cannot_be_retried_but_says_so(pipeline):
    stranger = status().jobs.add()
    stranger.job_id, stranger.state = 77, "FAILED"

    with pytest.raises(RuntimeError, match="not known any more"):
        bpy.ops.maquette.job_retry(job_id=77)


def test_ended_jobs_can_be_taken_off_the_list_and_others_cannot(
    make_gate, make_result, window_mode
):
    gate = make_gate(make_result())
    first, second = submit("a"), submit("b")
    assert gate.reached.wait(TIMEOUT)
    bpy.ops.maquette.job_cancel(job_id=second)
    window_mode.tick()

    bpy.ops.maquette.job_remove(job_id=first)  # It runs.
    assert len(status().jobs) == 2
    bpy.ops.maquette.job_remove(job_id=second)
    assert [each.job_id for each in status().jobs] == [first]

    gate.open.set()
    window_mode.until_idle()
    bpy.ops.maquette.jobs_clear()
    assert not status().jobs
    assert names() == ["Red Cube"]
    assert queue.spec_of(first) is None


def test_numbers_of_jobs_are_never_used_twice_in_a_row(pipeline, make_result):
    pipeline.results = [make_result()]
    stranger = status().jobs.add()
    stranger.job_id, stranger.state = 41, "DONE"

    assert submit() == 42


def test_jump_selects_what_the_job_made_whatever_it_is_called_now(pipeline, make_result):
    pipeline.results = [make_result()]
    job_id = submit()
    made = bpy.data.objects["Red Cube"]
    made.name = "My Cube"
    bpy.ops.object.empty_add()

    assert bpy.ops.maquette.job_jump(job_id=job_id) == {"FINISHED"}

    assert [each.name for each in bpy.context.selected_objects] == ["My Cube"]
    assert bpy.context.view_layer.objects.active == made


def test_jump_shows_a_result_that_was_hidden_or_is_in_another_scene(pipeline, make_result):
    pipeline.results = [make_result()]
    job_id = submit()
    made = bpy.data.objects["Red Cube"]
    made.hide_set(True)
    bpy.context.window.scene = bpy.data.scenes.new("Other")

    bpy.ops.maquette.job_jump(job_id=job_id)

    assert made.name in bpy.context.view_layer.objects
    assert made.visible_get()
    assert made.select_get()


def test_jump_says_so_when_the_result_is_gone(pipeline, make_result):
    pipeline.results = [make_result()]
    job_id = submit()
    bpy.data.objects.remove(bpy.data.objects["Red Cube"])

    with pytest.raises(RuntimeError, match="undone or deleted"):
        bpy.ops.maquette.job_jump(job_id=job_id)


def test_a_listener_that_fails_is_logged_and_the_job_goes_on(
    pipeline, make_result, window_mode, heard, listen, caplog
):
    def broken(*_):
        raise ZeroDivisionError("in a listener")

    for name in ("started", "progressed", "landed", "ended"):
        listen(name, broken)
    pipeline.results = [make_result()]
    job_id = submit()
    window_mode.until_idle()

    assert names() == ["Red Cube"]
    assert caplog.text.count("ZeroDivisionError: in a listener") >= 4
    assert [name for name, *_ in heard if name != "progressed"] == ["started", "landed", "ended"]
    assert heard[-1] == ("ended", job_id, "DONE")


def test_listeners_hear_of_a_result_before_its_undo_step(pipeline, make_result, listen):
    def rename(context, objects, spec, results):
        objects[0].name = "Renamed by a listener"

    listen("landed", rename)
    bpy.ops.ed.undo_push(message="Before")
    pipeline.results = [make_result()]
    submit()

    bpy.ops.ed.undo()
    assert names() == []
    bpy.ops.ed.redo()
    assert names() == ["Renamed by a listener"]


def test_previews_reach_their_listeners_while_the_job_runs(
    pipeline, make_result, window_mode, listen
):
    seen, release = [], threading.Event()
    listen("previewed", lambda job, preview: seen.append((job.job_id, preview.index)))
    result = make_result(texture=False)
    assert isinstance(result.mesh, MeshData)

    def generate(request, pack_dir, *, on_progress, on_preview, **_):
        for index in (0, 1):
            on_preview(PreviewMesh(mesh=result.mesh, index=index, name="x", record=result.record))
        assert release.wait(TIMEOUT)
        on_progress("Sampling", 0.5)
        yield result

    pipeline.generate = generate
    job_id = submit()
    for _ in range(2000):
        window_mode.tick()
        if seen and seen[-1] == (job_id, 1):
            break
        threading.Event().wait(0.005)
    assert seen[-1] == (job_id, 1)
    assert not bpy.data.objects

    release.set()
    window_mode.until_idle()
    assert names() == ["Red Cube"]
