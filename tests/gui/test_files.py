# SPDX-License-Identifier: GPL-3.0-or-later
"""Quitting during a run, and the preferences."""

from __future__ import annotations

import pytest

PROMPT = "a wooden chair"
RUN_SECONDS = 90.0

LONG = f"probes.choose(prompt={PROMPT!r}, steps=1024, resolution=256, texture_size=256)"


@pytest.fixture
def file(app, tmp_path):
    """Return the file that is open, saved."""
    path = tmp_path / "work.blend"
    app.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(path)!r})")
    return path


@pytest.fixture
def busy(app, sidebar, file):
    """Return Blender in the middle of a long job, with its file saved."""
    app.ask(LONG)
    app.ask(f"bpy.ops.wm.save_as_mainfile(filepath={str(file)!r})")
    sidebar.click("maquette.generate")
    app.wait_until("bpy.context.window_manager.maquette.fraction > 0.02", RUN_SECONDS)
    return app


def test_quitting_during_a_run_ends_at_once(busy, viewport, screen):
    viewport.point()
    screen.press("ctrl+q")

    status, _seconds = busy.wait_for_end(15.0)
    assert status == 0


def test_the_preferences_open(app, screen, picture):
    app.ask("probes.run('maquette.preferences')")
    app.wait_until("probes.area('PREFERENCES') is not None")
    app.settle()

    assert app.ask("bpy.context.preferences.active_section") == "ADDONS"
    left, top, width, height = app.ask("probes.last_window()")
    screen.scroll(left + width // 2, top + height // 2, 9)
    picture("preferences.png", (left, top, width, height))
    app.ask("probes.close_other_windows()")
