# SPDX-License-Identifier: GPL-3.0-or-later
"""Results and what the user does meanwhile: undo, modes, other scenes, other files, quitting."""

from __future__ import annotations

import re
from types import SimpleNamespace

import bpy
import pytest
from maquette.core.config import GenerationRequest
from maquette.operators import jobs, mesh_build
from maquette.operators.jobs import host, lifecycle, pump

TIMEOUT = 10.0  # Seconds; reached only when something hangs.


def status():
    return bpy.context.window_manager.maquette


def states():
    return [each.state for each in status().jobs]


def submit(prompt="a red cube", *, count=1, **placement):
    return jobs.submit(
        bpy.context,
        jobs.JobSpec(
            request=GenerationRequest(prompt=prompt, count=count),
            placement=jobs.Placement(**placement),
        ),
    )


def names():
    return sorted(each.name for each in bpy.data.objects)


def push(message):
    bpy.ops.ed.undo_push(message=message)


def content():
    """How many datablocks of each kind there are that a result brings."""
    data = bpy.data
    return tuple(map(len, (data.objects, data.meshes, data.materials, data.images)))


@pytest.mark.parametrize("count", [1, 3])
def test_a_job_is_one_undo_step(pipeline, make_result, count):
    push("Before")
    pipeline.results = [make_result(name) for name in "ABC"[:count]]
    submit(count=count)
    assert names() == list("ABC"[:count])
    collections = len(bpy.data.collections)

    bpy.ops.ed.undo()
    assert names() == []
    assert len(bpy.data.collections) == 0

    bpy.ops.ed.redo()
    assert names() == list("ABC"[:count])
    assert len(bpy.data.collections) == collections


def test_results_land_where_the_user_has_switched_undo_off(pipeline, make_result):
    edit = bpy.context.preferences.edit
    edit.use_global_undo = False
    try:
        pipeline.results = [make_result()]
        submit()
    finally:
        edit.use_global_undo = True

    assert names() == ["Red Cube"]
    assert states() == ["DONE"]


def test_two_jobs_are_two_undo_steps(pipeline, make_result, window_mode):
    push("Before")
    pipeline.results = [make_result("A")]
    submit("a")
    pipeline.results = [make_result("B")]
    submit("b")
    window_mode.until_idle()

    bpy.ops.ed.undo()
    assert len(names()) == 1
    bpy.ops.ed.undo()
    assert names() == []


def test_undo_and_redo_while_the_worker_works_lose_nothing(make_gate, make_result, window_mode):
    push("Before")
    bpy.ops.mesh.primitive_cube_add()
    push("Add Cube")
    gate = make_gate(make_result())
    submit()
    assert gate.reached.wait(TIMEOUT)

    bpy.ops.ed.undo()
    window_mode.tick()
    bpy.ops.ed.redo()
    window_mode.tick()
    bpy.ops.ed.undo()
    gate.open.set()
    window_mode.until_idle()

    assert names() == ["Red Cube"]
    assert states() == ["DONE"]


@pytest.mark.parametrize("tick_of_undo", range(1, 6))
def test_undo_between_two_ticks_of_the_landing_loses_and_doubles_nothing(
    pipeline, make_result, window_mode, tick_of_undo
):
    """After each piece in turn, everything made so far may be taken away."""
    bpy.ops.mesh.primitive_cube_add()
    push("Add Cube")
    bpy.ops.mesh.primitive_cone_add()
    push("Add Cone")
    pipeline.results = [make_result(name) for name in "AB"]
    submit(count=2)
    window_mode.wait_for_workers()

    for _ in range(tick_of_undo):
        window_mode.tick()
    bpy.ops.ed.undo()
    was_done = states() == ["DONE"]
    window_mode.until_idle()
    if was_done:
        # The undo took the result back, which is what it is for.
        assert names() == ["Cone", "Cube"]
        return

    assert names() == ["A", "B", "Cube"]
    assert content() == (3, 3, 2, 2)
    for name in "AB":
        (material,) = bpy.data.objects[name].data.materials
        assert any(node.type == "TEX_IMAGE" and node.image for node in material.node_tree.nodes)

    bpy.ops.ed.undo()
    assert names() == ["Cube"]
    bpy.ops.ed.redo()
    assert names() == ["A", "B", "Cube"]


def test_a_step_of_the_user_between_two_ticks_stays_a_step_of_its_own(
    pipeline, make_result, window_mode
):
    push("Before")
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()
    window_mode.tick()

    bpy.ops.mesh.primitive_cube_add()
    push("Add Cube")
    window_mode.until_idle()
    assert names() == ["Cube", "Red Cube"]

    bpy.ops.ed.undo()
    assert names() == ["Cube"]
    bpy.ops.ed.undo()
    assert names() == []
    bpy.ops.ed.redo()
    bpy.ops.ed.redo()
    assert names() == ["Cube", "Red Cube"]


def test_no_tick_makes_more_than_one_mesh(pipeline, make_result, window_mode, monkeypatch):
    built = []
    real = mesh_build.build_mesh
    monkeypatch.setattr(
        mesh_build, "build_mesh", lambda *args: (built.append(args[0]), real(*args))[1]
    )
    pipeline.results = [make_result(name) for name in "ABCD"]
    submit(count=4)
    window_mode.wait_for_workers()

    while window_mode.live:
        before = len(built)
        window_mode.tick()
        assert len(built) - before <= 1
        assert bool(bpy.data.objects) == (states() == ["DONE"])
    assert built == list("ABCD")


def test_a_cancel_in_the_middle_of_the_landing_leaves_nothing(pipeline, make_result, window_mode):
    before = content()
    pipeline.results = [make_result(name) for name in "ABC"]
    submit(count=3)
    window_mode.wait_for_workers()
    window_mode.tick()
    window_mode.tick()
    assert content() != before

    bpy.ops.maquette.cancel()
    window_mode.until_idle()

    assert content() == before
    assert states() == ["CANCELLED"]


def enter_mode(mode):
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.object.mode_set(mode=mode)


@pytest.mark.parametrize("mode", ["EDIT", "SCULPT", "WEIGHT_PAINT", "VERTEX_PAINT"])
def test_a_result_waits_in_other_modes_and_says_so(pipeline, make_result, window_mode, mode):
    enter_mode(mode)
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()

    for _ in range(3):
        assert window_mode.tick() == pump.INTERVAL
    assert status().stage == "Waiting for Object Mode"
    assert status().jobs[0].stage == "Waiting for Object Mode"
    assert names() == ["Cube"]
    assert bpy.context.object.mode == mode

    bpy.ops.object.mode_set(mode="OBJECT")
    window_mode.until_idle()
    assert names() == ["Cube", "Red Cube"]


def test_a_mode_entered_in_the_middle_of_the_landing_holds_it_up(
    pipeline, make_result, window_mode
):
    pipeline.results = [make_result(name) for name in "AB"]
    submit(count=2)
    window_mode.wait_for_workers()
    window_mode.tick()

    enter_mode("EDIT")
    for _ in range(5):
        window_mode.tick()
    assert names() == ["Cube"]

    bpy.ops.object.mode_set(mode="OBJECT")
    window_mode.until_idle()
    assert names() == ["A", "B", "Cube"]


def test_the_next_job_works_while_a_result_waits(pipeline, make_result, window_mode):
    enter_mode("EDIT")
    pipeline.results = [make_result("A")]
    submit("a")
    submit("b")
    for _ in range(100):
        window_mode.wait_for_workers()
        window_mode.tick()

    assert [job.has_worked for job in window_mode.live] == [True, True]
    assert [each.stage for each in status().jobs] == ["Waiting for Object Mode"] * 2

    bpy.ops.object.mode_set(mode="OBJECT")
    window_mode.until_idle()
    assert len(names()) == 3


@pytest.mark.parametrize("job_type", ["RENDER", "OBJECT_BAKE"])
def test_a_result_waits_for_a_render(pipeline, make_result, window_mode, monkeypatch, job_type):
    running = {job_type}

    class App:
        """bpy.app, but for the one answer that needs a render engine at work."""

        background = bpy.app.background

        @staticmethod
        def is_job_running(name):
            bpy.app.is_job_running(name)  # Raises for names that Blender does not know.
            return name in running

    monkeypatch.setattr(host, "bpy", type("Bpy", (), {"app": App, "context": bpy.context}))
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()
    window_mode.tick()
    assert status().stage == "Waiting for the render to end"
    assert names() == []

    running.clear()
    monkeypatch.undo()
    landing_done(window_mode)
    assert names() == ["Red Cube"]


def landing_done(timer):
    for _ in range(50):
        if not timer.live:
            return
        timer.tick()


@pytest.mark.parametrize(
    ("name", "options", "is_waited_for"),
    [
        ("TRANSFORM_OT_translate", {"REGISTER", "UNDO", "BLOCKING"}, True),
        ("VIEW3D_OT_rotate", {"BLOCKING", "GRAB_CURSOR"}, False),
        ("MAQUETTE_OT_variant_keep", {"INTERNAL", "UNDO"}, False),  # Stands for one of an add-on.
    ],
)
def test_results_wait_for_operators_of_blender_that_change_the_scene(name, options, is_waited_for):
    """Real modal operators need a window; their options are those that Blender gives them."""
    category, function = name.lower().split("_ot_")
    assert getattr(getattr(bpy.ops, category), function).bl_options == options
    operator = SimpleNamespace(bl_idname=name, bl_label="Move", bl_options=options)

    found = list(host._names_at_work([SimpleNamespace(modal_operators=[operator])]))

    assert found == (["Move"] if is_waited_for else [])


def test_the_result_goes_where_the_user_is_looking_if_the_scene_is_not_shown(
    pipeline, make_result, window_mode
):
    first = bpy.context.scene
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()
    second = bpy.data.scenes.new("Second")
    bpy.context.window.scene = second

    window_mode.until_idle()

    assert [each.name for each in second.objects] == ["Red Cube"]
    assert not first.objects


def test_a_scene_deleted_meanwhile_does_not_matter(pipeline, make_result, window_mode):
    first = bpy.context.scene
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()
    bpy.context.window.scene = bpy.data.scenes.new("Second")
    bpy.data.scenes.remove(first)

    window_mode.until_idle()

    assert names() == ["Red Cube"]
    assert bpy.data.objects["Red Cube"].visible_get()


def test_a_collection_hidden_meanwhile_does_not_swallow_the_result(
    pipeline, make_result, window_mode
):
    collection = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(collection)
    layer = bpy.context.view_layer.layer_collection.children["Props"]
    bpy.context.view_layer.active_layer_collection = layer
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()
    layer.exclude = True

    window_mode.until_idle()

    assert bpy.data.objects["Red Cube"].visible_get()


def test_a_linked_collection_that_is_active_stays_as_it_is(pipeline, make_result, tmp_path):
    path = str(tmp_path / "library.blend")
    shared = bpy.data.collections.new("Shared")
    bpy.data.libraries.write(path, {shared}, fake_user=True)
    bpy.data.collections.remove(shared)
    with bpy.data.libraries.load(path, link=True) as (_, wanted):
        wanted.collections = ["Shared"]
    (linked,) = wanted.collections
    bpy.context.scene.collection.children.link(linked)
    layer = bpy.context.view_layer.layer_collection.children["Shared"]
    bpy.context.view_layer.active_layer_collection = layer
    pipeline.results = [make_result()]

    submit()

    assert list(bpy.data.objects["Red Cube"].users_collection) == [bpy.context.scene.collection]
    assert not linked.objects


def test_loading_a_file_cancels_and_nothing_lands_in_the_other_file(
    make_gate, make_result, window_mode
):
    gate = make_gate(make_result())
    for prompt in "abc":
        submit(prompt)
    assert gate.reached.wait(TIMEOUT)
    worker = window_mode.live[0].worker

    bpy.ops.wm.read_homefile(use_empty=True)

    assert worker.join(0)
    gate.open.set()
    assert window_mode.tick() is None
    assert not bpy.data.objects
    assert not status().is_running
    assert not status().jobs


def test_a_result_that_waits_to_land_does_not_go_to_another_file(
    pipeline, make_result, window_mode
):
    enter_mode("EDIT")
    pipeline.results = [make_result()]
    submit()
    window_mode.wait_for_workers()
    window_mode.tick()

    bpy.ops.wm.read_homefile(use_empty=True)

    assert window_mode.tick() is None
    assert content() == (0, 0, 0, 0)


def test_a_load_in_the_middle_of_the_landing_is_safe(pipeline, make_result, window_mode):
    pipeline.results = [make_result(name) for name in "ABC"]
    submit(count=3)
    window_mode.wait_for_workers()
    window_mode.tick()

    bpy.ops.wm.read_homefile(use_empty=True)

    assert window_mode.tick() is None
    assert content() == (0, 0, 0, 0)
    pipeline.results = [make_result()]
    submit()
    window_mode.until_idle()
    assert names() == ["Red Cube"]


def test_a_file_saved_during_a_run_opens_idle(make_gate, make_result, window_mode, tmp_path):
    gate = make_gate(make_result())
    submit()
    assert gate.reached.wait(TIMEOUT)
    window_mode.tick()
    path = str(tmp_path / "during.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert not status().is_running
    assert (status().stage, status().error) == ("", "")
    assert not status().jobs
    bpy.context.scene.maquette.prompt = "a red cube"
    assert bpy.ops.maquette.generate.poll()


def test_the_list_goes_with_the_file_whose_objects_it_names(pipeline, make_result):
    pipeline.results = [make_result()]
    first = submit()
    bpy.ops.wm.read_homefile(use_empty=True)
    # The bpy module empties the window manager by itself; not every Blender need do so.
    stranger = status().jobs.add()
    stranger.job_id, stranger.state, stranger.result_names = first, "DONE", "Red Cube"
    status().is_running, status().error, status().active_job = True, "old", 6

    lifecycle._on_load_post()

    assert not status().jobs
    assert (status().is_running, status().error, status().active_job) == (False, "", 0)


def test_the_list_survives_undo(pipeline, make_result):
    push("Before")
    pipeline.results = [make_result()]
    submit()

    bpy.ops.ed.undo()

    assert states() == ["DONE"]


def test_disabling_the_extension_during_a_run_stops_the_thread(make_gate, make_result, window_mode):
    import addon_utils

    gate = make_gate(make_result())
    submit()
    submit()
    assert gate.reached.wait(TIMEOUT)
    worker = window_mode.live[0].worker

    addon_utils.disable("maquette")

    assert worker.join(0)
    assert not bpy.app.timers.is_registered(pump.tick)
    assert not window_mode.live
    addon_utils.enable("maquette")
    assert not status().jobs
    assert (status().is_running, status().stage) == (False, "")


def test_disabling_the_extension_in_the_middle_of_the_landing_leaves_nothing(
    pipeline, make_result, window_mode
):
    import addon_utils

    pipeline.results = [make_result(name) for name in "ABC"]
    submit(count=3)
    window_mode.wait_for_workers()
    window_mode.tick()
    window_mode.tick()

    addon_utils.disable("maquette")

    assert content() == (0, 0, 0, 0)
    addon_utils.enable("maquette")


def test_without_a_window_a_result_lands_in_any_mode(pipeline, make_result):
    enter_mode("EDIT")
    pipeline.results = [make_result()]

    submit()

    assert names() == ["Cube", "Red Cube"]
    assert states() == ["DONE"]


@pytest.mark.parametrize(
    ("name", "count", "replaces", "expected"),
    [
        ("Red Cube", 1, False, "Generate Red Cube"),
        ("Red Cube", 3, False, "Generate 3 Variants of Red Cube"),
        ("Red Cube", 1, True, "Regenerate Red Cube"),
        ("红" * 16, 1, False, "Generate " + "红" * 16),
        ("红" * 21, 1, False, "Generate " + "红" * 17),
    ],
)
def test_the_undo_step_is_named_after_what_happened(
    pipeline, make_result, capfd, name, count, replaces, expected
):
    pipeline.results = [make_result(name)] * count
    push("Before")
    first = bpy.data.objects.new(name, bpy.data.meshes.new(name))
    spec = jobs.JobSpec(
        request=GenerationRequest(prompt="x", count=count),
        replaces_uid=first.session_uid if replaces else 0,
    )
    if not replaces:
        bpy.data.objects.remove(first)

    jobs.submit(bpy.context, spec)

    capfd.readouterr()
    bpy.context.window_manager.print_undo_steps()
    steps = re.findall(r"name='(.*)'", capfd.readouterr().out)
    assert steps[-2:] == ["Before", expected]
