# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with a finished mesh: other faces for it, another name, and the print check."""

from __future__ import annotations

import pytest

PROMPT = "a wooden chair"
NAME = "Wooden chair"
RUN_SECONDS = 120.0

SETTINGS = (
    f"probes.choose(prompt={PROMPT!r}, preset='DRAFT', texture_size=128, symmetry='X',"
    " num_lods=1, collision='BOX')"
)


@pytest.fixture
def chair(app, sidebar, viewport):
    """Return Blender with a result that has a level of detail and a mesh to collide with."""
    viewport.press("a", "Delete")
    app.ask(SETTINGS)
    sidebar.click("maquette.generate")
    app.wait_until("probes.last_job() == 'DONE'", RUN_SECONDS)
    return app


def corners_of_faces(app) -> list[int]:
    """Return how many corners the faces of the result have: quads, triangles or both."""
    return app.ask(f"sorted({{len(f.vertices) for f in bpy.data.objects[{NAME!r}].data.polygons}})")


def test_a_result_gets_quads_and_one_undo_brings_the_triangles_back(chair, screen, viewport):
    before = chair.ask(f"probes.corners({NAME!r})")
    viewport.point()
    chair.ask("probes.run('maquette.quad_remesh')")
    chair.settle()

    screen.press("Return")

    # One object is at work until its new mesh is there; then there are quads.
    chair.wait_until(
        f"any(len(f.vertices) == 4 for f in bpy.data.objects[{NAME!r}].data.polygons)", RUN_SECONDS
    )
    assert corners_of_faces(chair) == [4]
    assert chair.ask("bpy.context.window_manager.maquette_remesh.error") == ""
    viewport.press("ctrl+z")
    chair.wait_until(f"all(len(f.vertices) == 3 for f in bpy.data.objects[{NAME!r}].data.polygons)")
    assert chair.ask(f"probes.corners({NAME!r})") == pytest.approx(before, abs=1e-6)


def test_what_comes_with_a_result_takes_on_its_new_name(chair, screen, viewport):
    viewport.press("F2", "ctrl+a")
    screen.type("Throne")
    screen.press("Return")

    names = ["Throne", "Throne_LOD1", "UCX_Throne"]
    chair.wait_until(f"sorted(each.name for each in bpy.data.objects) == {names!r}")
    viewport.press("ctrl+z")
    names = sorted([NAME, f"{NAME}_LOD1", f"UCX_{NAME}"])
    chair.wait_until(f"sorted(each.name for each in bpy.data.objects) == {names!r}")


def test_the_print_check_finds_thin_walls_and_selects_them(chair, viewport):
    # A chair of 20 mm has legs that a nozzle of 0.4 mm cannot make if 8 mm are asked for.
    chair.ask("setattr(probes.window().scene.maquette_print, 'use_size', True)")
    chair.ask("setattr(probes.window().scene.maquette_print, 'size', 20.0)")
    chair.ask("setattr(probes.window().scene.maquette_print, 'min_wall', 8.0)")
    viewport.point()
    chair.ask("probes.run('maquette.print_check')")
    shown = "bpy.context.window_manager.maquette_print"
    chair.wait_until(f"not {shown}.is_running and {shown}.verdict", RUN_SECONDS)
    assert chair.ask(f"[{shown}.is_printable, {shown}.has_thin, {shown}.error]") == [
        False,
        True,
        "",
    ]

    chair.ask("probes.run('maquette.print_select', kind='THIN')")

    chair.wait_until("bpy.context.mode == 'EDIT_MESH'")
    assert chair.ask(f"bpy.data.objects[{NAME!r}].data.total_face_sel") > 0
    viewport.press("Tab")
    chair.wait_until("bpy.context.mode == 'OBJECT'")
    # The check is still that of this mesh, and a change makes it out of date.
    assert not chair.ask(f"{shown}.is_stale")
    viewport.press("s", "2", "Return")
    chair.wait_until(f"{shown}.is_stale")
