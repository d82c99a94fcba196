# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does while a job is at work: everything but wait for it."""

from __future__ import annotations

import pytest

PROMPT = "a wooden chair"
NAME = "Wooden chair"
RUN_SECONDS = 120.0

DRAFT = f"probes.choose(prompt={PROMPT!r}, preset='DRAFT', texture_size=128)"
LONG = f"probes.choose(prompt={PROMPT!r}, steps=1024, resolution=256, texture_size=256)"
GENERATE = "probes.run('maquette.generate')"
DONE = "probes.last_job() == 'DONE'"
STAGE = "bpy.context.window_manager.maquette.stage"
WORKERS = "[each.name for each in __import__('threading').enumerate() if 'maquette' in each.name]"
MODULE = "'bl_ext.user_default.maquette'"


def test_undo_and_redo_around_four_variants(app, viewport):
    viewport.press("g", "x", "2", "Return", "g", "y", "3", "Return")
    app.ask(DRAFT)
    # So many steps that the keys arrive while there is still work: a draft takes half a second.
    app.ask("probes.choose(count=4, steps=200)")
    app.ask(GENERATE)
    app.wait_until("bpy.context.window_manager.maquette.fraction > 0.3", RUN_SECONDS)
    viewport.press("ctrl+z", "ctrl+z", "ctrl+shift+z")
    app.wait_until(DONE, RUN_SECONDS)
    names = sorted(app.ask("probes.objects()"))
    assert len(names) == 4

    viewport.press("ctrl+z")
    assert app.ask("probes.objects()") == []
    assert app.ask("bpy.data.objects['Cube'].location[:]") == pytest.approx([2.0, 0.0, 0.0])
    viewport.press("ctrl+shift+z")

    assert sorted(app.ask("probes.objects()")) == names
    assert list(app.ask("probes.variants()").values()).count(4) == 1


def test_an_object_in_hand_is_put_down_before_a_result_lands(app, screen, viewport):
    app.ask(DRAFT)
    # First the move, since a quick run could end before the key arrives.
    viewport.press("g")
    app.wait_until("len(probes.window().modal_operators) == 1", RUN_SECONDS)
    app.ask(GENERATE)
    x, y = viewport.middle
    screen.move(x + 80, y)
    app.wait_until(f"'Move' in {STAGE}", RUN_SECONDS)
    assert app.ask("probes.objects()") == []

    screen.click(x + 80, y)
    app.wait_until(DONE, RUN_SECONDS)

    moved = app.ask("bpy.data.objects['Cube'].location[:]")
    assert moved != [0.0, 0.0, 0.0]
    viewport.press("ctrl+z")
    assert app.ask("probes.objects()") == []
    assert app.ask("bpy.data.objects['Cube'].location[:]") == pytest.approx(moved)


def test_a_result_is_seen_in_local_view(app, viewport):
    viewport.press("KP_Divide")
    app.ask(DRAFT)
    app.ask(GENERATE)
    app.wait_until(DONE, RUN_SECONDS)

    # What is selected there is what is shown there.
    app.ask("[each.select_set(False) for each in probes.window().view_layer.objects]")
    viewport.press("a")
    selected = "[each.name for each in probes.window().view_layer.objects if each.select_get()]"
    assert sorted(app.ask(selected)) == ["Cube", NAME]


def test_generating_again_makes_another_mesh(app):
    app.ask(DRAFT)
    for _ in range(2):
        app.ask(GENERATE)
        app.wait_until(f"not probes.running() and {DONE}", RUN_SECONDS)

    seeds = "[bpy.data.objects[each]['maquette_seed'] for each in probes.objects()]"
    assert app.ask(seeds) == [0, 1]


def test_a_deleted_scene_leaves_its_result_to_the_one_in_front(app):
    app.ask("probes.run('wm.window_new')")
    app.ask("probes.give_scene(bpy.context.window_manager.windows[-1], 'Second')")
    app.ask(f"probes.choose_in('Second', prompt={PROMPT!r}, steps=60, texture_size=128)")
    app.ask("probes.run_in_last_window('maquette.generate')")
    app.wait_until("probes.running()")
    app.ask("bpy.data.scenes.remove(bpy.data.scenes['Second'])")
    app.ask("probes.close_other_windows()")
    app.wait_until(DONE, RUN_SECONDS)

    assert app.ask("probes.objects()") == [NAME]


def test_another_file_ends_runs_and_those_that_wait(app, screen, viewport, tmp_path):
    path = tmp_path / "empty.blend"
    app.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})")
    app.ask(LONG)
    app.ask(GENERATE)
    app.wait_until("bpy.context.window_manager.maquette.fraction > 0.02", RUN_SECONDS)
    app.ask(f"bpy.ops.wm.open_mainfile(filepath={str(path)!r})")
    app.wait_until(f"not probes.running() and not {WORKERS}")
    assert app.ask("probes.objects()") == []

    app.ask("probes.run('object.mode_set', mode='WEIGHT_PAINT')")
    app.ask(DRAFT)
    app.ask(GENERATE)
    app.wait_until(f"'Object Mode' in {STAGE}", RUN_SECONDS)
    app.ask(f"bpy.ops.wm.save_mainfile(filepath={str(path)!r})")
    viewport.press("ctrl+n")
    screen.press("Return")
    app.wait_until("bpy.data.filepath == ''")

    app.wait_until("not probes.running()")
    assert app.ask("probes.objects()") == []
    assert app.ask("bpy.context.window_manager.maquette.error") == ""


def test_disabling_the_extension_ends_the_run_and_leaves_nothing(app):
    app.ask(LONG)
    app.ask(GENERATE)
    app.wait_until("bpy.context.window_manager.maquette.fraction > 0.02", RUN_SECONDS)

    app.ask(f"probes.run('preferences.addon_disable', module={MODULE})")
    try:
        app.wait_until(f"not {WORKERS}")
        assert not app.ask("hasattr(bpy.types.WindowManager, 'maquette')")
        assert not app.ask("hasattr(bpy.types, 'MAQUETTE_PT_generate')")
    finally:
        app.ask(f"probes.run('preferences.addon_enable', module={MODULE})")

    app.ask(DRAFT)
    app.ask(GENERATE)
    app.wait_until(DONE, RUN_SECONDS)
    assert app.ask("probes.objects()") == [NAME]


def test_quitting_while_the_engine_is_imported_ends_at_once(installed, screen, viewport, tmp_path):
    installed.close()
    installed.start(screen)
    screen.press("Escape")
    installed.ask(LONG)
    path = tmp_path / "work.blend"
    installed.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})")
    viewport.point()
    installed.ask(GENERATE)
    screen.press("ctrl+q")

    status, _seconds = installed.wait_for_end(20.0)
    assert status == 0
