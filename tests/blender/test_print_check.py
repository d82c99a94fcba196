# SPDX-License-Identifier: GPL-3.0-or-later
"""The print check, repair and selection on objects of the scene."""

from __future__ import annotations

from types import SimpleNamespace

import bmesh
import bpy
import numpy as np
import pytest
from maquette.operators import mesh_arrays, mesh_build, print_check, print_words, tasks
from maquette.panels.print_check import MAQUETTE_PT_print_check
from mathutils import Vector


def add_cube(name="Cube", *, size=0.02, location=(0, 0, 0.01), operation=None):
    """A cube of 20 mm on the ground, whose mesh `operation` may change."""
    mesh = bpy.data.meshes.new(name)
    work = bmesh.new()
    bmesh.ops.create_cube(work, size=size)
    if operation is not None:
        work.faces.ensure_lookup_table()
        operation(work)
    work.to_mesh(mesh)
    work.free()
    added = bpy.data.objects.new(name, mesh)
    added.location = location
    bpy.context.collection.objects.link(added)
    mesh_build.select_only(bpy.context, [added])
    bpy.context.view_layer.update()
    return added


def add_speck(work, *, at=0.05, size=0.001):
    made = bmesh.ops.create_cube(work, size=size)
    bmesh.ops.translate(work, verts=made["verts"], vec=(0, 0, at))


def with_hole(work):
    """Without one of the 16 faces of the top."""
    bmesh.ops.subdivide_edges(work, edges=work.edges, cuts=3, use_grid_fill=True)
    top = max(work.faces, key=lambda face: face.calc_center_median().z)
    bmesh.ops.delete(work, geom=[top], context="FACES")


def without_top(work):
    top = max(work.faces, key=lambda face: face.calc_center_median().z)
    bmesh.ops.delete(work, geom=[top], context="FACES")


def split(work):
    bmesh.ops.split_edges(work, edges=work.edges)


def settings():
    return bpy.context.scene.maquette_print


def shown():
    return bpy.context.window_manager.maquette_print


def check():
    assert bpy.ops.maquette.print_check() == {"FINISHED"}
    return print_check.last().report


def kinds(report):
    return {problem.kind for problem in report.problems}


def texts():
    return [line.text for line in shown().lines]


def test_a_cube_prints_and_its_size_is_told():
    cube = add_cube()

    report = check()

    assert report.problems == ()
    assert shown().object_uid == cube.session_uid
    assert (shown().verdict, shown().is_printable) == ("It prints as it is", True)
    assert shown().size == "20.0 x 20.0 x 20.0 mm, 8.00 cm³"
    assert shown().walls == "Walls of more than 4.80 mm everywhere"


def test_the_scale_of_the_scene_and_of_the_object_count():
    cube = add_cube()
    cube.scale = (1.0, 2.0, 1.0)
    bpy.context.scene.unit_settings.scale_length = 0.5

    np.testing.assert_allclose(check().size_mm, (10, 20, 10), rtol=1e-5)

    bpy.context.scene.unit_settings.system = "NONE"
    np.testing.assert_allclose(check().size_mm, (20, 40, 20), rtol=1e-5)


def test_a_mirrored_object_is_not_inside_out():
    cube = add_cube()
    cube.scale = (-1.0, 1.0, 1.0)

    assert "inside out" not in kinds(check())
    assert check().volume_cm3 == pytest.approx(8.0, rel=1e-5)


def test_modifiers_count():
    cube = add_cube()
    solidify = cube.modifiers.new("Hollow", "SOLIDIFY")
    solidify.thickness, solidify.use_even_offset = 0.0005, True

    report = check()

    assert "thin" in kinds(report)
    assert report.min_wall_mm == pytest.approx(0.5, rel=1e-3)
    assert not shown().has_thin  # Edit Mode does not have these faces.


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (with_hole, "The surface has a hole"),
        (lambda work: work.faces[0].normal_flip(), "2 triangles face the wrong way"),
        (add_speck, "1 floating speck"),
        (split, "24 vertices lie on others along seams"),
    ],
)
def test_repair_mends_in_one_step_of_undo(operation, expected):
    cube = add_cube(operation=operation)
    bpy.ops.ed.undo_push(message="Start")
    if operation is split:
        expected = "16 vertices lie on others along seams"
    check()
    assert any(expected in text for text in texts())
    assert shown().can_repair
    before = len(cube.data.polygons)

    assert bpy.ops.maquette.print_repair() == {"FINISHED"}
    # Outside of a window an operator called from Python makes no step by itself.
    bpy.ops.ed.undo_push(message="Repair for Printing")

    assert print_check.last().report.problems == ()
    assert print_check.last().report.volume_cm3 == pytest.approx(8.0, rel=1e-5)
    bpy.ops.ed.undo()
    assert len(bpy.data.objects["Cube"].data.polygons) == before


def corner_uvs(mesh):
    """Return the UVs of each polygon's corners by the polygon's middle."""
    layer = mesh.uv_layers.active
    return {
        tuple(round(c, 4) for c in polygon.center): sorted(
            tuple(round(c, 5) for c in layer.uv[i].vector) for i in polygon.loop_indices
        )
        for polygon in mesh.polygons
    }


@pytest.mark.parametrize("place", [(0.5, 0.0, 0.5), (0.5, 0.5, 0.5)])
def test_repair_keeps_uvs_and_materials_of_the_faces_that_stay(make_result, place):
    added = mesh_build.add_object(bpy.context, make_result(), location=(0, 0, 0))
    work = bmesh.new()
    work.from_mesh(added.data)
    bmesh.ops.subdivide_edges(work, edges=work.edges, cuts=3, use_grid_fill=True)
    work.to_mesh(added.data)
    whole, material = corner_uvs(added.data), added.data.materials[0]
    gone = min(work.faces, key=lambda face: (face.calc_center_median() - Vector(place)).length)
    missing = tuple(round(c, 4) for c in gone.calc_center_median())
    bmesh.ops.delete(work, geom=[gone], context="FACES")
    add_speck(work, at=2.0, size=0.01)
    work.to_mesh(added.data)
    work.free()

    bpy.ops.maquette.print_repair()

    assert print_check.last().report.is_closed
    assert added.data.materials[0] == material
    assert added.data.uv_layers.active.name == mesh_build.UV_MAP
    mended = corner_uvs(added.data)
    lid, expected = mended.pop(missing), whole.pop(missing)
    assert mended == whole
    # The triangle that was there; between two islands it has one color only.
    assert lid == expected if place[1] == 0.0 else len(set(lid)) == 1


def test_repair_puts_the_object_down_at_the_size_that_was_set():
    cube = add_cube(location=(0.3, 0.2, 0.5))
    settings().use_size, settings().size = True, 50.0

    assert kinds(check()) == {"size", "off bed"}
    bpy.ops.maquette.print_repair()

    vertices = mesh_arrays.read(cube, bpy.context.evaluated_depsgraph_get()).vertices
    np.testing.assert_allclose(vertices.min(axis=0), (0.275, 0.175, 0.0), atol=1e-6)
    np.testing.assert_allclose(vertices.max(axis=0), (0.325, 0.225, 0.05), atol=1e-6)
    assert print_check.last().report.problems == ()
    assert len(cube.data.polygons) == 6


def test_repair_of_what_is_whole_changes_nothing():
    cube = add_cube()
    before = mesh_arrays.fingerprint(cube, bpy.context.evaluated_depsgraph_get())

    bpy.ops.maquette.print_repair()

    assert mesh_arrays.fingerprint(cube, bpy.context.evaluated_depsgraph_get()) == before


def test_repair_of_a_mirrored_object_does_not_turn_it_inside_out():
    cube = add_cube(operation=lambda work: work.faces[0].normal_flip())
    cube.scale = (-1.0, 1.0, 1.0)

    bpy.ops.maquette.print_repair()

    assert print_check.last().report.problems == ()


def test_other_users_of_a_mesh_keep_theirs():
    cube = add_cube(operation=with_hole)
    other = bpy.data.objects.new("Other", cube.data)
    bpy.context.collection.objects.link(other)

    bpy.ops.maquette.print_repair()

    assert len(other.data.polygons) == 6 * 16 - 1
    assert len(cube.data.polygons) == 6 * 16 + 1  # The lid is two triangles.


def test_a_hole_with_a_long_rim_is_left():
    cube = add_cube(operation=without_top)

    bpy.ops.maquette.print_repair()

    assert len(cube.data.polygons) == 5
    assert kinds(print_check.last().report) == {"open"}


def test_repair_that_fails_leaves_the_object_as_it_was(monkeypatch):
    from maquette.core import print_check as core
    from maquette.core.errors import InvalidRequestError

    def fail(*_, **__):
        raise InvalidRequestError(
            "the mesh has positions that are not numbers: undo or remove them"
        )

    monkeypatch.setattr(core, "plan_repair", fail)
    cube = add_cube(operation=without_top, location=(0, 0, 1))
    meshes = len(bpy.data.meshes)

    with pytest.raises(RuntimeError, match="positions that are not numbers"):
        bpy.ops.maquette.print_repair()

    assert len(cube.data.polygons) == 5
    assert cube.location.z == 1.0
    assert len(bpy.data.meshes) == meshes


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        (lambda cube: cube.modifiers.new("Bevel", "BEVEL"), "Apply the modifiers"),
        (lambda cube: cube.shape_key_add(name="Basis"), "Apply the shape keys"),
        (lambda cube: bpy.ops.object.mode_set(mode="EDIT"), "Switch to Object Mode"),
        (lambda cube: bpy.data.objects.remove(cube), "Select a mesh object"),
    ],
)
def test_what_cannot_be_repaired_says_why(prepare, reason):
    prepare(add_cube())

    with pytest.raises(RuntimeError, match=reason):
        bpy.ops.maquette.print_repair()


def selected(mesh):
    return [polygon.index for polygon in mesh.polygons if polygon.select]


def test_floating_parts_are_selected_in_edit_mode():
    cube = add_cube(operation=lambda work: add_speck(work, size=0.01))
    check()
    assert texts() == ["1 floating part", "Overhangs that need support: 3.3 % of the surface"]

    bpy.ops.maquette.print_select(kind="FLOATING")

    assert bpy.context.mode == "EDIT_MESH"
    cube.update_from_editmode()
    assert selected(cube.data) == list(range(6, 12))


def test_thin_walls_are_selected_in_edit_mode():
    cube = add_cube(
        operation=lambda work: bmesh.ops.scale(work, vec=(1, 1, 0.05), verts=work.verts)
    )
    report = check()
    assert report.min_wall_mm == pytest.approx(1.0, rel=1e-3)
    assert "Walls thinner than 1.20 mm" in texts()[0]

    bpy.ops.maquette.print_select(kind="THIN")

    cube.update_from_editmode()
    flat = [p.index for p in cube.data.polygons if abs(p.normal.z) > 0.5]
    assert selected(cube.data) == flat


def test_the_rim_of_a_hole_is_selected_in_edit_mode():
    cube = add_cube(operation=without_top)
    check()

    bpy.ops.maquette.print_select(kind="HOLES")

    cube.update_from_editmode()
    assert {round(v.co.z, 3) for v in cube.data.vertices if v.select} == {0.01}
    assert sum(v.select for v in cube.data.vertices) == 4


def test_results_go_stale_with_the_mesh_and_come_back_with_undo():
    cube = add_cube()
    bpy.ops.ed.undo_push(message="Before")
    check()
    assert not shown().is_stale

    cube.location.x += 1.0
    bpy.context.view_layer.update()
    assert not shown().is_stale  # Where it stands does not matter.

    cube.data.vertices[0].co.x += 0.001
    cube.data.update()
    bpy.context.view_layer.update()
    assert shown().is_stale
    with pytest.raises(RuntimeError, match="has changed: check it again"):
        bpy.ops.maquette.print_select(kind="THIN")

    cube.data.vertices[0].co.x -= 0.001
    cube.data.update()
    bpy.context.view_layer.update()
    assert not shown().is_stale


def test_results_go_stale_with_scale_settings_and_the_object():
    cube = add_cube()
    check()

    cube.scale.x = 2.0
    bpy.context.view_layer.update()
    assert shown().is_stale

    check()
    settings().min_wall = 0.8
    assert shown().is_stale

    check()
    assert not shown().is_stale


def test_edit_mode_alone_is_no_change_and_what_it_changes_is():
    cube = add_cube()
    check()

    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.update()
    assert not shown().is_stale

    bpy.ops.object.mode_set(mode="EDIT")
    work = bmesh.from_edit_mesh(cube.data)
    work.verts.ensure_lookup_table()
    work.verts[0].co.x += 0.001
    bmesh.update_edit_mesh(cube.data)
    check()  # As it is in Edit Mode.
    assert not shown().is_stale
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.context.view_layer.update()
    assert not shown().is_stale


def test_another_file_forgets_what_was_found():
    add_cube()
    check()

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)

    assert print_check.last() is None
    assert shown().object_uid == 0


def test_a_check_under_way_can_be_stopped(monkeypatch):
    """As with a window: the operator returns at once and a timer looks after the thread."""
    from maquette.core import print_check as core

    def wait(mesh, *, check, on_progress, **_):
        on_progress("Walls", 0.5)
        while True:
            check()

    monkeypatch.setattr(core, "check_printability", wait)
    monkeypatch.setattr(
        tasks,
        "bpy",
        SimpleNamespace(
            app=SimpleNamespace(background=False, timers=bpy.app.timers), context=bpy.context
        ),
    )
    add_cube()
    bpy.ops.maquette.print_check()
    task = tasks._tasks[-1]
    while task.progress is None:
        pass
    tasks.tick()
    assert (shown().is_running, shown().stage, shown().fraction) == (True, "Walls", 0.5)
    with pytest.raises(RuntimeError, match="The check is running"):
        bpy.ops.maquette.print_check()

    bpy.ops.maquette.print_check_cancel()

    assert task.join(10)
    tasks.tick()
    assert not shown().is_running
    assert (shown().error, shown().object_uid) == ("", 0)


def test_positions_that_are_no_numbers_are_told_in_words():
    cube = add_cube()
    cube.data.vertices[0].co.x = float("nan")

    with pytest.raises(RuntimeError, match="positions that are not numbers"):
        check()


def test_every_problem_has_words():
    from typing import get_args

    from maquette.core.print_report import Kind

    assert set(print_words.TEXTS) == set(get_args(Kind))
    assert set(print_words.REPAIRED) | set(print_words.ADVICE) | {"overhang"} == set(get_args(Kind))


def test_the_panel_shows_what_was_found(recorded):
    cube = add_cube(operation=without_top)
    check()

    calls = recorded(MAQUETTE_PT_print_check.draw)

    names = [name for kind, name in calls if kind == "operator"]
    assert names == ["maquette.print_check", "maquette.print_repair", "maquette.print_select"]
    text = " ".join(str(name) for kind, name in calls if kind == "label")
    assert "It will not print as it is" in text
    assert "The surface has a hole" in text
    assert MAQUETTE_PT_print_check.poll(bpy.context)
    bpy.data.objects.remove(cube)
    assert not MAQUETTE_PT_print_check.poll(bpy.context)


@pytest.fixture
def recorded():
    """Draw into the recorder of test_panels.py, which checks every name."""
    import importlib.util
    from pathlib import Path

    path = Path(__file__).with_name("test_panels.py")
    spec = importlib.util.spec_from_file_location("panels_recorder", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.draw
