# SPDX-License-Identifier: GPL-3.0-or-later
"""From a prompt typed into the sidebar to an object in the viewport, back and forth."""

from __future__ import annotations

import pytest
from maquette.tests.gui.driver.panel import RIGHT

PROMPT = "a red mushroom with a white stem"
NAME = "Red mushroom with a white stem"
RUN_SECONDS = 90.0

DRAFT = f"probes.choose(prompt={PROMPT!r}, preset='DRAFT', texture_size=256)"
LONG = f"probes.choose(prompt={PROMPT!r}, steps=1024, resolution=256, texture_size=256)"


@pytest.fixture
def finished(app, sidebar, viewport):
    """Return Blender after a generation in an empty scene."""
    viewport.press("a", "Delete")
    app.ask(DRAFT)
    sidebar.click("maquette.generate")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)
    return app


def test_the_tab_shows_a_prompt_and_a_button(sidebar, viewport, picture):
    sidebar.find("maquette.prompt")
    sidebar.find("maquette.generate")

    viewport.point()  # Away from buttons, whose tooltips cover others.
    left, top, width, _ = sidebar.rectangle
    picture("sidebar.png", (left, top, width, 450))


def test_a_typed_prompt_becomes_a_textured_object(app, sidebar, viewport, picture):
    viewport.press("a", "Delete")

    sidebar.enter("maquette.prompt", PROMPT)
    sidebar.click("maquette.generate")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)

    assert app.ask("probes.objects()") == [NAME]
    assert app.ask("probes.active()") == NAME
    width, height, (red, _, blue) = app.ask(f"probes.texture({NAME!r})")
    assert width == height == app.ask("probes.window().scene.maquette.texture_size")
    assert red > 1.2 * blue
    sidebar.click("maquette.show_colors")
    assert app.ask("probes.area('VIEW_3D').spaces[0].shading.color_type") == "TEXTURE"
    viewport.press("KP_Decimal")
    viewport.zoom_out()
    picture("first-mesh.png", viewport.rectangle)


def test_a_prompt_that_was_not_confirmed_is_used(app, screen, sidebar):
    button = sidebar.find("maquette.generate")
    sidebar.click("maquette.prompt")
    screen.type(PROMPT)
    # The first click outside a text field may only end its editing; that is Blender's own way.
    screen.click(*button)
    app.settle()
    if not app.ask("probes.running()"):
        sidebar.click("maquette.generate")

    app.wait_until("probes.running()")
    assert app.ask("probes.window().scene.maquette.prompt") == PROMPT


def test_undo_removes_the_result_and_redo_brings_it_back(finished, viewport):
    before = finished.ask(f"probes.texture({NAME!r})")

    viewport.press("ctrl+z")
    assert finished.ask("probes.objects()") == []
    viewport.press("ctrl+shift+z")

    assert finished.ask("probes.objects()") == [NAME]
    assert finished.ask(f"probes.texture({NAME!r})") == before


def test_cancel_stops_the_run_and_the_next_one_works(app, sidebar, viewport):
    app.ask(LONG)
    sidebar.click("maquette.generate")
    app.wait_until("bpy.context.window_manager.maquette.fraction > 0.02", RUN_SECONDS)

    sidebar.click("maquette.cancel", RIGHT)
    app.wait_until("not probes.running()")

    assert app.ask("probes.objects()") == []
    assert app.ask("bpy.context.window_manager.maquette.error") == ""
    app.ask(DRAFT)
    sidebar.click("maquette.generate")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)
    assert app.ask("probes.objects()") == [NAME]


def test_a_greyed_button_does_nothing_and_says_why(app, sidebar):
    assert app.ask("probes.window().scene.maquette.prompt") == ""

    sidebar.click("maquette.generate")

    assert not app.ask("probes.running()")
    assert "prompt" in app.ask("probes.window().scene.maquette.hindrance")


def test_a_result_waits_until_object_mode(app, sidebar):
    app.ask("probes.run('object.mode_set', mode='EDIT')")
    app.ask(DRAFT)
    sidebar.click("maquette.generate")
    app.wait_until("'Object Mode' in bpy.context.window_manager.maquette.stage", RUN_SECONDS)
    for mode in ("SCULPT", "WEIGHT_PAINT"):
        app.ask(f"probes.run('object.mode_set', mode={mode!r})")
        app.settle()
        assert "Object Mode" in app.ask("bpy.context.window_manager.maquette.stage")
        assert app.ask("probes.objects()") == []

    app.ask("probes.run('object.mode_set', mode='OBJECT')")
    app.wait_until("probes.last_job() == 'DONE'")

    assert app.ask("probes.objects()") == [NAME]
    assert app.ask("len(bpy.data.objects['Cube'].data.vertices)") == 8


def test_a_result_waits_until_a_render_has_ended(app, screen, sidebar, viewport):
    app.ask("bpy.context.preferences.view.render_display_type = 'NONE'")
    app.ask("probes.render_for_long()")
    app.ask(DRAFT)
    sidebar.find("maquette.generate")
    viewport.press("F12")
    app.wait_until("bpy.app.is_job_running('RENDER')")
    sidebar.click("maquette.generate")
    app.wait_until("'render' in bpy.context.window_manager.maquette.stage", RUN_SECONDS)
    assert app.ask("probes.objects()") == []

    viewport.press("Escape")
    app.wait_until("probes.last_job() == 'DONE'")

    assert app.ask("probes.objects()") == [NAME]
