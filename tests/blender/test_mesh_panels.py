# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panels offer for the mesh itself, before it is made and after."""

from __future__ import annotations

from dataclasses import replace

import bpy
import pytest
from maquette.core.config import GenerationRequest
from maquette.operators import jobs, mesh_facts
from maquette.operators.remesh import running
from maquette.panels import generate, mesh_tools
from maquette.tests.blender.test_panels import draw, draw_enabled, texts


def settings():
    return bpy.context.scene.maquette


def properties(calls):
    return [name for kind, name in calls if kind == "prop"]


def operators(calls):
    return [name for kind, name in calls if kind == "operator"]


def tools():
    return draw(mesh_tools.MAQUETTE_PT_result_mesh.draw)


@pytest.fixture
def cube(pipeline, make_result):
    pipeline.results = [make_result()]
    jobs.submit(bpy.context, jobs.JobSpec(request=GenerationRequest(prompt="a red cube")))
    bpy.context.view_layer.update()
    return bpy.context.view_layer.objects.active


def test_every_setting_of_the_mesh_is_in_its_panel():
    shown = properties(draw(generate.MAQUETTE_PT_mesh.draw))

    assert shown == [
        "triangle_budget",
        "shading",
        "symmetry",
        "use_speck_share",
        "normal_map",
        "occlusion_map",
        "num_lods",
        "collision",
    ]
    assert "DEFAULT_CLOSED" in generate.MAQUETTE_PT_mesh.bl_options


def test_numbers_are_shown_where_they_are_ones_own():
    settings().triangle_budget, settings().use_speck_share = "CUSTOM", True

    shown = properties(draw(generate.MAQUETTE_PT_mesh.draw))

    assert shown[:2] == ["triangle_budget", "triangles"]
    assert "speck_share" in shown


def test_maps_need_a_texture():
    settings().texture_size = 0

    calls = draw_enabled(generate.MAQUETTE_PT_mesh.draw)

    greyed = [name for kind, name, enabled in calls if kind == "prop" and not enabled]
    assert greyed == ["normal_map", "occlusion_map"]
    assert "There are no maps without a texture" in texts(draw(generate.MAQUETTE_PT_mesh.draw))

    settings().texture_size = 512
    assert "no maps" not in texts(draw(generate.MAQUETTE_PT_mesh.draw))


def test_facts_are_those_of_the_mesh(cube):
    bpy.context.scene.unit_settings.system = "METRIC"

    assert texts(tools()) == "12 triangles, closed 1 m x 1 m x 1 m"
    assert operators(tools()) == ["maquette.quad_remesh", "maquette.change_triangles"]


def test_a_mesh_that_was_edited_is_not_called_closed(cube):
    import bmesh

    edit = bmesh.new()
    edit.from_mesh(cube.data)
    edit.faces.ensure_lookup_table()
    bmesh.ops.delete(edit, geom=[edit.faces[0]], context="FACES")
    edit.to_mesh(cube.data)
    edit.free()
    assert texts(tools()).startswith("11 triangles 1 m")


def test_a_mesh_that_is_open_is_called_so(cube):
    cube.data.clear_geometry()
    cube.data.from_pydata([(0, 0, 0), (1, 0, 0), (0, 1, 0)], [], [(0, 1, 2)])
    mesh_facts.write(cube)

    assert texts(tools()).startswith("1 triangles, open")


def test_sizes_follow_the_units_of_the_scene(cube):
    units = bpy.context.scene.unit_settings
    units.system, units.scale_length = "METRIC", 0.001

    assert "1 mm x 1 mm x 1 mm" in texts(tools())


def test_levels_have_a_button_each(pipeline, make_result):
    result = make_result()
    pipeline.results = [replace(result, lods=(result.mesh, result.mesh))]
    jobs.submit(bpy.context, jobs.JobSpec(request=GenerationRequest(prompt="a red cube")))

    assert operators(tools()).count("maquette.show_level") == 3


def test_a_running_remesh_shows_how_far_it_is_and_can_be_stopped(cube):
    state = running.state()
    state.is_running, state.stage = True, "Unwrapping"

    calls = tools()

    assert ("progress", "Unwrapping") in calls
    assert operators(calls)[-1] == "maquette.remesh_cancel"


def test_why_a_remesh_failed_stays_in_the_panel(cube):
    running.state().error = "The object is gone: choose another one"

    assert "The object is gone" in texts(tools())


def test_the_panel_is_there_for_meshes_that_maquette_made(cube):
    assert mesh_tools.MAQUETTE_PT_result_mesh.poll(bpy.context)

    bpy.ops.mesh.primitive_cube_add()
    assert not mesh_tools.MAQUETTE_PT_result_mesh.poll(bpy.context)
