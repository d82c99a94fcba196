# SPDX-License-Identifier: GPL-3.0-or-later
"""The growing preview: seen in the viewport, not in the scene, and kept when the user says so."""

from __future__ import annotations

import pytest
from PIL import Image

PROMPT = "a red mushroom with a white stem"
RUN_SECONDS = 90.0

LONG = f"probes.choose(prompt={PROMPT!r}, steps=1024, texture_size=256, target_size=3.0)"
FIRST_PREVIEW = "bpy.context.window_manager.maquette.fraction > 0.26"
"""A third of the steps is 0.23 of the bar."""


@pytest.fixture
def red_share(viewport, screen, tmp_path):
    """Return a function that tells how much of the viewport's middle is red."""

    def look() -> float:
        x, y = viewport.middle
        path = tmp_path / "middle.png"
        screen.still_picture(path, (x - 100, y - 150, 200, 200))
        pixels = Image.open(path).convert("RGB").getdata()
        return sum(r > 1.8 * g and r > 1.8 * b and r > 60 for r, g, b in pixels) / len(pixels)

    return look


@pytest.fixture
def previewed(app, sidebar, viewport, red_share):
    """Return Blender in an empty scene with a run at work that has shown its first preview."""
    viewport.press("a", "Delete")
    assert red_share() < 0.02
    app.ask(LONG)
    sidebar.click("maquette.generate")
    app.wait_until(FIRST_PREVIEW, RUN_SECONDS)
    return app


def test_it_is_seen_but_not_in_the_scene(previewed, red_share, picture):
    picture("preview.png")

    assert red_share() > 0.1
    assert previewed.ask("probes.objects()") == []


def test_after_a_cancel_it_is_kept_as_one_undo_step(
    previewed, sidebar, viewport, red_share, picture
):
    previewed.ask("bpy.ops.maquette.cancel()")
    previewed.wait_until("bpy.context.window_manager.maquette.has_preview")
    assert red_share() > 0.1
    picture("preview-left.png")

    viewport.show_textures()
    sidebar.click("maquette.preview_keep")

    (name,) = previewed.ask("probes.objects()")
    assert previewed.ask(f"bpy.data.objects[{name!r}]['maquette_preview']").endswith("of 1024")
    viewport.press("ctrl+z")
    assert previewed.ask("probes.objects()") == []


def test_after_a_cancel_it_is_discarded(previewed, sidebar, red_share):
    previewed.ask("bpy.ops.maquette.cancel()")
    previewed.wait_until("bpy.context.window_manager.maquette.has_preview")

    sidebar.click("maquette.preview_discard")

    assert red_share() < 0.02
    assert previewed.ask("probes.objects()") == []
    assert not previewed.ask("bpy.context.window_manager.maquette.has_preview")
