# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh of the user's own, rebuilt by the model: search, dialog, result, one undo step."""

from __future__ import annotations

import pytest

RUN_SECONDS = 120.0


@pytest.fixture
def reading(app, viewport):
    """Return Blender with a mesh that is selected, and a model that reads meshes."""
    app.ask("probes.choose(pack='starter', resolution=64, texture_size=128)")
    viewport.press("a", "Delete")
    viewport.show_textures()
    app.ask("bpy.ops.mesh.primitive_cylinder_add(radius=0.4, depth=1.6, location=(0, 0, 0.8))")
    app.ask("setattr(bpy.context.object, 'name', 'Post')")
    # Scripts make no undo steps, and the one to be undone needs one before it.
    app.ask(
        "with bpy.context.temp_override(window=probes.window()):"
        " bpy.ops.ed.undo_push(message='Add Post')"
    )
    return app


def test_a_selected_mesh_is_rebuilt_beside_it_in_one_undo_step(reading, screen, viewport, picture):
    viewport.press("F3")
    screen.type("rebuild with maq")
    reading.settle()
    screen.press("Return")
    picture("rebuild-dialog.png", viewport.rectangle)
    screen.press("Return")

    reading.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)

    assert reading.ask("probes.objects()") == ["Post Rebuilt"]
    # Both are 0.8 wide, and the original stands at 0.
    assert reading.ask("bpy.data.objects['Post Rebuilt'].location.x") > 0.8
    assert reading.ask("bpy.data.objects['Post'].visible_get()")
    viewport.press("Home")
    picture("rebuilt.png", viewport.rectangle)

    viewport.press("ctrl+z")

    reading.wait_until("probes.objects() == []")
    assert reading.ask("bpy.data.objects['Post'].visible_get()")
