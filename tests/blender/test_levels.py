# SPDX-License-Identifier: GPL-3.0-or-later
"""LODs and collision meshes: children of a result that share its fate."""

from __future__ import annotations

import json
import struct
from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.config import GenerationRequest
from maquette.core.mesh import HullData
from maquette.operators import jobs, level_names, levels


@pytest.fixture
def make_set(make_result):
    """Return a function that makes a variant with two LODs and a box to collide with."""

    def make(name="Red Cube", **options):
        result = make_result(name, **options)
        mesh = result.mesh
        half = replace(
            mesh,
            faces=mesh.faces[:8],
            texture=replace(mesh.texture, corner_uvs=mesh.texture.corner_uvs[:8]),
        )
        quarter = replace(
            mesh,
            faces=mesh.faces[:4],
            texture=replace(mesh.texture, corner_uvs=mesh.texture.corner_uvs[:4]),
        )
        hull = HullData(vertices=mesh.vertices * 2, faces=mesh.faces)
        return replace(result, lods=(half, quarter), collision=hull)

    return make


def land(pipeline, *results, **spec):
    pipeline.results = list(results)
    request = GenerationRequest(prompt="a red cube", count=len(results))
    jobs.submit(bpy.context, jobs.JobSpec(request=request, **spec))
    return bpy.context.view_layer.objects.active


def content():
    data = bpy.data
    return tuple(map(len, (data.objects, data.meshes, data.materials, data.images)))


def names():
    return sorted(each.name for each in bpy.data.objects)


def family(name):
    return sorted([name, f"UCX_{name}", f"{name}_LOD1", f"{name}_LOD2"])


def test_what_comes_with_a_result_is_its_children_in_its_place(pipeline, make_set):
    bpy.context.scene.cursor.location = (3, 4, 5)

    owner = land(pipeline, make_set())

    assert names() == family("Red Cube")
    assert [each.name for each in levels.of(owner)] == [
        "Red Cube_LOD1",
        "Red Cube_LOD2",
        "UCX_Red Cube",
    ]
    for each in levels.of(owner):
        assert each.parent == owner
        assert each.matrix_world == owner.matrix_world
        assert list(each.users_collection) == list(owner.users_collection)
        assert each.data.name == each.name
    assert bpy.context.selected_objects == [owner]


def test_levels_have_their_own_faces_and_the_texture_of_the_result(pipeline, make_set):
    result = make_set()
    owner = land(pipeline, result)

    first, second, hull = levels.of(owner)
    assert [len(each.data.polygons) for each in (owner, first, second)] == [12, 8, 4]
    assert list(first.data.materials) == list(second.data.materials) == list(owner.data.materials)
    assert len(bpy.data.images) == 1
    uvs = np.empty(8 * 3 * 2, np.float32)
    first.data.uv_layers[0].uv.foreach_get("vector", uvs)
    np.testing.assert_array_equal(uvs.reshape(-1, 3, 2), result.mesh.texture.corner_uvs[:8])
    points = np.empty(8 * 3, np.float32)
    hull.data.vertices.foreach_get("co", points)
    np.testing.assert_array_equal(points.reshape(-1, 3), result.collision.vertices)
    assert not hull.data.validate()


def test_only_the_result_is_seen_and_rendered(pipeline, make_set):
    owner = land(pipeline, make_set())

    assert owner.visible_get() and not owner.hide_render
    for each in levels.of(owner):
        assert not each.visible_get()
        assert each.hide_render
    assert levels.of(owner)[-1].display_type == "WIRE"


def test_everything_is_one_undo_step(pipeline, make_set):
    bpy.ops.ed.undo_push(message="Before")
    land(pipeline, make_set())
    before = content()

    bpy.ops.ed.undo()
    assert names() == []
    bpy.ops.ed.redo()

    assert names() == family("Red Cube")
    assert content() == before
    owner = bpy.data.objects["Red Cube"]
    assert not any(each.visible_get() for each in levels.of(owner))


@pytest.mark.parametrize("tick_of_undo", range(1, 6))
def test_undo_between_two_ticks_of_the_landing_loses_and_doubles_nothing(
    pipeline, make_set, window_mode, tick_of_undo
):
    for message in ("A", "B"):
        bpy.ops.ed.undo_push(message=message)
    land(pipeline, make_set())
    window_mode.wait_for_workers()

    for _ in range(tick_of_undo):
        window_mode.tick()
    bpy.ops.ed.undo()
    window_mode.until_idle()

    if names():  # Else the step was made before, and has been taken back.
        assert names() == family("Red Cube")
        assert content() == (4, 4, 1, 1)


def test_a_cancel_in_the_middle_of_the_landing_leaves_nothing(pipeline, make_set, window_mode):
    for ticks in range(1, 5):
        land(pipeline, make_set())
        window_mode.wait_for_workers()
        for _ in range(ticks):
            window_mode.tick()
        bpy.ops.maquette.cancel()
        window_mode.until_idle()

        assert content() == (0, 0, 0, 0)


def test_regenerate_replaces_what_came_with_the_result(pipeline, make_set, make_result):
    owner = land(pipeline, make_set())
    owner.name = "Throne"
    uid = owner.session_uid

    land(pipeline, make_set("Another"), replaces_uid=uid)
    assert names() == family("Throne")
    assert content() == (4, 4, 1, 1)

    land(pipeline, make_result("Plain"), replaces_uid=uid)
    assert names() == ["Throne"]
    assert content() == (1, 1, 1, 1)


def test_what_comes_with_a_result_is_called_after_it_when_it_gets_another_name(pipeline, make_set):
    owner = land(pipeline, make_set())

    owner.name = "Throne"
    level_names.follow()  # As Blender says when it draws the next time.

    assert names() == family("Throne")
    assert [each.name for each in levels.of(owner)] == [
        *("Throne_LOD1", "Throne_LOD2", "UCX_Throne")
    ]
    assert all(each.data.name == each.name for each in levels.of(owner))


def test_names_that_somebody_gave_are_left_alone(pipeline, make_set):
    owner = land(pipeline, make_set())
    levels.of(owner)[0].name = "Far Away"
    other = bpy.data.objects.new("Wheel_LOD1", None)
    bpy.context.scene.collection.objects.link(other)
    other.parent = owner

    owner.name = "Throne"
    level_names.follow()

    assert names() == sorted(["Throne", "UCX_Throne", "Throne_LOD2", "Far Away", "Wheel_LOD1"])


def test_a_copy_with_all_that_came_along_gets_names_of_its_own(pipeline, make_set):
    owner = land(pipeline, make_set())
    copy = owner.copy()
    bpy.context.scene.collection.objects.link(copy)
    for each in levels.of(owner):
        twin = each.copy()
        bpy.context.scene.collection.objects.link(twin)
        twin.parent = copy

    level_names.follow()

    assert names() == sorted(family("Red Cube") + family("Red Cube.001"))
    # They share their meshes, which stay called after the first.
    assert levels.of(copy)[0].data.name == "Red Cube_LOD1"


def test_a_name_that_came_back_by_redo_is_followed_when_the_file_is_saved(
    pipeline, make_set, tmp_path
):
    owner = land(pipeline, make_set())
    owner.name = "Throne"

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))

    assert names() == family("Throne")


@pytest.mark.parametrize(("action", "is_left"), [("REPLACE", False), ("HIDE", True)])
def test_a_result_that_is_a_placeholder_goes_with_all_that_came_with_it(
    pipeline, make_set, action, is_left
):
    owner = land(pipeline, make_set())
    levels.of(owner)[-1].hide_set(False)
    spec = jobs.Placement(
        kind="PLACEHOLDER", placeholder_uid=owner.session_uid, action=action, box=None
    )

    land(pipeline, make_set("Next"), placement=spec)

    assert names() == sorted(family("Next") + (family("Red Cube") if is_left else []))
    assert [each.name for each in bpy.data.objects if each.visible_get()] == ["Next"]


def test_discarding_a_variant_removes_what_came_with_it(pipeline, make_set):
    land(pipeline, make_set("A", seed=1), make_set("B", seed=2))
    assert content() == (8, 8, 2, 2)
    uid = bpy.data.objects["A"].session_uid

    assert bpy.ops.maquette.variant_discard(object_uid=uid) == {"FINISHED"}

    assert names() == family("B")
    assert content() == (4, 4, 1, 1)


def test_keeping_a_variant_takes_along_what_came_with_it(pipeline, make_set):
    land(pipeline, make_set("A", seed=1), make_set("B", seed=2))
    kept = bpy.data.objects["B"]

    bpy.ops.maquette.variant_keep_only(object_uid=kept.session_uid)

    assert names() == family("B")
    assert not bpy.data.collections
    for each in levels.of(kept):
        assert list(each.users_collection) == [bpy.context.scene.collection]
        assert not each.visible_get()


def test_a_chosen_level_is_shown_alone_and_undo_brings_the_result_back(pipeline, make_set):
    land(pipeline, make_set())
    bpy.ops.ed.undo_push(message="Before")

    def seen():
        return [each.name for each in bpy.data.objects if each.visible_get()]

    bpy.ops.maquette.show_level("EXEC_DEFAULT", True, level=2)
    assert seen() == ["Red Cube_LOD2"]
    bpy.ops.ed.undo()
    assert seen() == ["Red Cube"]
    bpy.ops.ed.redo()
    assert seen() == ["Red Cube_LOD2"]
    bpy.ops.maquette.show_level(level=1)
    assert seen() == ["Red Cube_LOD1"]
    with pytest.raises(RuntimeError, match="no such level"):
        bpy.ops.maquette.show_level(level=3)
    bpy.ops.maquette.show_level(level=0)
    assert seen() == ["Red Cube"]


def test_levels_can_only_be_chosen_where_there_are_some(pipeline, make_result):
    land(pipeline, make_result())

    assert not bpy.ops.maquette.show_level.poll()


def nodes_of(path):
    """Return the names of the nodes with a mesh in a GLB file, and each mesh's triangles."""
    data = path.read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    content = json.loads(data[20 : 20 + length])
    counts = {}
    for node in content["nodes"]:
        if "mesh" in node:
            primitives = content["meshes"][node["mesh"]]["primitives"]
            counts[node["name"]] = sum(
                content["accessors"][each["indices"]]["count"] // 3 for each in primitives
            )
    return counts


def test_levels_are_exported_when_they_are_asked_for(pipeline, make_set, tmp_path):
    owner = land(pipeline, make_set())
    before = [(each.name, each.visible_get()) for each in bpy.data.objects]
    plain, full = tmp_path / "plain.glb", tmp_path / "full.glb"

    bpy.ops.maquette.export(filepath=str(plain), file_format="GLTF")
    bpy.ops.maquette.export(filepath=str(full), file_format="GLTF", with_levels=True)

    assert nodes_of(plain) == {"Red Cube": 12}
    assert nodes_of(full) == {
        "Red Cube_LOD0": 12,
        "Red Cube_LOD1": 8,
        "Red Cube_LOD2": 4,
        "UCX_Red Cube_LOD0": 12,
    }
    assert [(each.name, each.visible_get()) for each in bpy.data.objects] == before
    assert bpy.context.selected_objects == [owner]


def test_levels_survive_saving_and_opening(pipeline, make_set, tmp_path):
    land(pipeline, make_set())

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))

    owner = bpy.data.objects["Red Cube"]
    assert [len(each.data.polygons) for each in levels.of(owner)] == [8, 4, 12]
    assert not any(each.visible_get() for each in levels.of(owner))
    assert content() == (4, 4, 1, 1)
