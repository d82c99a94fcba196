# SPDX-License-Identifier: GPL-3.0-or-later
"""Other ways to a mesh than the sidebar: search, menus, the shortcut, a reference image."""

from __future__ import annotations

import pytest

PROMPT = "a green teapot"
NAME = "Green teapot"
RUN_SECONDS = 90.0

DRAFT = "probes.choose(preset='DRAFT', texture_size=128)"


def confirm_prompt(app, screen, picture_of=None):
    """Type into the dialog that has just been opened, and press Generate."""
    app.settle()
    screen.type(PROMPT)
    screen.press("Return")
    app.wait_until(f"probes.window().scene.maquette.prompt == {PROMPT!r}")
    if picture_of is not None:
        picture_of()
    screen.press("Return")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)
    assert app.ask("probes.objects()") == [NAME]


def test_search_finds_the_prompt(app, screen, viewport, picture):
    app.ask(DRAFT)
    viewport.press("F3")
    screen.type("mesh from prompt")
    picture("search.png", viewport.rectangle)
    screen.press("Return")

    confirm_prompt(app, screen, lambda: picture("dialog.png", viewport.rectangle))


def test_the_shortcut_asks_for_a_prompt(app, screen, viewport):
    app.ask(DRAFT)
    viewport.press("shift+alt+m")

    confirm_prompt(app, screen)


def test_the_add_menu_has_an_entry(app, screen, viewport, picture):
    app.ask(DRAFT)
    # Mesh is the first entry below the search field, and ours is the last one in it.
    viewport.press("shift+a", "Down", "Right", "Up", "Right")
    picture("add-menu.png", viewport.rectangle)
    screen.press("Return")

    confirm_prompt(app, screen)


@pytest.fixture
def reference(app, viewport, tmp_path):
    """Return Blender with a reference image in the middle of the viewport."""
    viewport.press("a", "Delete")
    app.ask(f"probes.reference_image({str(tmp_path / 'reference.png')!r})")
    return app


def test_a_reference_image_becomes_a_mesh(reference, screen, sidebar, viewport, picture):
    reference.ask(DRAFT)
    screen.click(*viewport.middle, button=3)
    picture("reference-menu.png", viewport.rectangle)
    screen.press("g")
    reference.settle()
    picture("reference-dialog.png", viewport.rectangle)
    screen.press("Return")

    reference.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)

    assert len(reference.ask("probes.objects()")) == 1
