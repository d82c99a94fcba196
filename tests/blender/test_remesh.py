# SPDX-License-Identifier: GPL-3.0-or-later
"""Quads and fewer triangles for a result: real geometry, the same looks, one undo step."""

from __future__ import annotations

import json
from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.config import GenerationRequest
from maquette.core.mesh import MeshData, TextureData
from maquette.operators import jobs, mesh_facts, records, tasks
from maquette.operators.jobs import host
from maquette.operators.remesh import quadriflow, reading, running

pytestmark = pytest.mark.needs_torch

SIZE = 128


def sphere(rows: int = 24) -> MeshData:
    """A ball of 1 m on the ground whose texture is a smooth ramp along u, one island per row."""
    columns = 2 * rows
    up, around = np.meshgrid(
        np.linspace(0, np.pi, rows + 1), 2 * np.pi * np.arange(columns) / columns, indexing="ij"
    )
    ring = np.stack(
        [np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.cos(up)], axis=-1
    )[1:-1]
    points = np.concatenate([[[0, 0, 1]], ring.reshape(-1, 3), [[0, 0, -1]]])
    last = len(points) - 1

    def at(row, column):
        return 1 + (row - 1) * columns + column % columns

    faces = []
    for column in range(columns):
        faces.append((0, at(1, column), at(1, column + 1)))
        for row in range(1, rows - 1):
            a, b = at(row, column), at(row + 1, column)
            c, d = at(row + 1, column + 1), at(row, column + 1)
            faces += [(a, b, c), (a, c, d)]
        faces.append((at(rows - 1, column), last, at(rows - 1, column + 1)))
    faces = np.array(faces, dtype=np.int32)
    vertices = (points * 0.5 + (0, 0, 0.5)).astype(np.float32)
    # Seen from above and from below, side by side.
    is_upper = vertices[faces].mean(axis=1)[:, 2] > 0.5
    uvs = vertices[faces][..., :2] * 0.45 + 0.25
    uvs[~is_upper, :, 0] += 0.5
    pixels = np.full((SIZE, SIZE, 4), 255, dtype=np.uint8)
    y, x = np.meshgrid(np.arange(SIZE), np.arange(SIZE), indexing="ij")
    pixels[..., 0], pixels[..., 1] = 255 * x // SIZE, 255 * y // SIZE
    pixels[..., 2] = 100
    return MeshData(
        vertices=vertices,
        faces=faces,
        normals=points.astype(np.float32),
        vertex_colors=np.full_like(vertices, 0.5),
        texture=TextureData(pixels=pixels, corner_uvs=uvs.astype(np.float32), num_islands=2),
    )


def expected_color(points: np.ndarray) -> np.ndarray:
    """Return the bytes that the ball has at points in its own space, [P, 3]."""
    u = points[:, 0] * 0.45 + 0.25 + np.where(points[:, 2] > 0.5, 0.0, 0.5)
    v = points[:, 1] * 0.45 + 0.25
    return np.stack([255 * u, 255 * v, np.full_like(u, 100)], axis=1)


@pytest.fixture
def ball(pipeline, make_result):
    """A ball that has landed as a result, with an undo step before and after."""
    bpy.ops.ed.undo_push(message="Before")
    pipeline.results = [replace(make_result("Ball"), mesh=sphere())]
    jobs.submit(bpy.context, jobs.JobSpec(request=GenerationRequest(prompt="a ball")))
    return bpy.context.view_layer.objects.active


def subject():
    return bpy.data.objects["Ball"]


def corners_of(mesh):
    sizes = np.empty(len(mesh.polygons), np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    (width,) = set(sizes.tolist())
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    return corners.reshape(-1, width)


def points_of(mesh):
    points = np.empty(len(mesh.vertices) * 3, np.float32)
    mesh.vertices.foreach_get("co", points)
    return points.reshape(-1, 3)


def is_closed_and_oriented(mesh):
    """Count directed edges: each has to occur once, and its reverse too."""
    polygons = corners_of(mesh).astype(np.int64)
    start, end = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    count = len(mesh.vertices)
    there, back = np.sort(start * count + end), np.sort(end * count + start)
    return len(np.unique(there)) == len(there) and bool((there == back).all())


def baked_colors(owner):
    """Return the middles of the faces, and the bytes of the base colour there."""
    mesh = owner.data
    polygons = corners_of(mesh)
    uvs = np.empty(len(mesh.loops) * 2, np.float32)
    mesh.uv_layers.active.uv.foreach_get("vector", uvs)
    middles = uvs.reshape(*polygons.shape, 2).mean(axis=1)
    image = reading.base_image(owner)
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    pixels = pixels.reshape(image.size[1], image.size[0], 4)
    x, y = (middles * image.size[0]).astype(int).T
    return points_of(mesh)[polygons].mean(axis=1), 255 * pixels[y, x, :3]


def looks_as_before(owner):
    places, colors = baked_colors(owner)
    upper = np.abs(places[:, 2] - 0.5) > 0.05  # Off the seam, where both sides are near.
    off = np.abs(colors - expected_color(places))[upper]
    return off.mean() < 4 and np.quantile(off, 0.98) < 20


def content():
    data = bpy.data
    return tuple(map(len, (data.objects, data.meshes, data.materials, data.images)))


def test_quads_are_closed_and_look_as_before(ball):
    before = content()

    assert bpy.ops.maquette.quad_remesh(quads=400, texture_size=256) == {"FINISHED"}

    mesh = subject().data
    assert corners_of(mesh).shape[1] == 4
    assert 250 < len(mesh.polygons) < 600
    assert is_closed_and_oriented(mesh)
    away = np.linalg.norm(points_of(mesh) - (0, 0, 0.5), axis=1)
    assert away.max() < 0.5 + 1e-6 and away.min() > 0.495  # The old faces sag by 0.004.
    assert looks_as_before(subject())
    assert not mesh.validate()
    # The old mesh, material and image are gone; a normal map has come.
    assert content() == (*before[:3], before[3] + 1)
    assert reading.normal_image(subject()).size[0] == 256
    assert list(subject()[mesh_facts.CLOSED_KEY]) == [1, len(mesh.edges), len(mesh.polygons)]


def test_fewer_triangles_are_closed_and_look_as_before(ball):
    done = bpy.ops.maquette.change_triangles(triangles=500, texture_size=256, normal_map=False)

    assert done == {"FINISHED"}
    mesh = subject().data
    assert corners_of(mesh).shape == (500, 3)
    assert is_closed_and_oriented(mesh)
    assert looks_as_before(subject())
    assert reading.normal_image(subject()) is None


def test_what_the_object_is_stays(ball):
    ball.location, ball.rotation_euler.z, ball.name = (1, 2, 3), 0.5, "Throne"
    ball.modifiers.new("Bevel", "BEVEL")
    uid, place = ball.session_uid, ball.matrix_basis.copy()

    bpy.ops.maquette.quad_remesh(quads=300, texture_size=64)

    after = bpy.data.objects["Throne"]
    assert (after.session_uid, after.matrix_basis) == (uid, place)
    assert [each.name for each in after.modifiers] == ["Bevel"]
    assert after.data.name == after.active_material.name == "Throne"


@pytest.mark.parametrize(
    "operator",
    [
        lambda: bpy.ops.maquette.quad_remesh(quads=300, texture_size=64),
        lambda: bpy.ops.maquette.change_triangles(triangles=500, texture_size=64),
    ],
)
def test_it_is_one_undo_step(ball, operator):
    count = len(ball.data.polygons)

    operator()
    after = len(subject().data.polygons)
    assert after != count

    bpy.ops.ed.undo()
    assert len(subject().data.polygons) == count
    assert "quads" not in records.read(subject())["settings"]
    assert looks_as_before(subject())
    bpy.ops.ed.redo()
    assert len(subject().data.polygons) == after
    assert looks_as_before(subject())
    bpy.ops.ed.undo()
    bpy.ops.ed.undo()
    assert not bpy.data.objects


def test_the_record_says_so_and_regenerate_still_knows_everything(ball):
    bpy.ops.maquette.quad_remesh(quads=300, texture_size=64)

    record = records.read(subject())
    count = len(subject().data.polygons)
    assert record["settings"]["quads"] == count
    assert record["settings"]["texture_size"] == 64
    assert record["prompt"] == subject()["maquette_prompt"]
    assert records.request_of(bpy.context, record).surface.triangles == 2 * count

    bpy.ops.maquette.change_triangles(triangles=200, texture_size=64)
    assert "quads" not in records.read(subject())["settings"]


def test_it_survives_saving_and_opening(ball, tmp_path):
    bpy.ops.maquette.quad_remesh(quads=300, texture_size=64)
    count = len(subject().data.polygons)

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))

    assert len(subject().data.polygons) == count
    assert looks_as_before(subject())
    assert bpy.ops.maquette.quad_remesh(quads=200, texture_size=64) == {"FINISHED"}


def test_edges_too_short_for_quadriflow_are_welded(ball):
    """One vertex lies a millionth beside another, as marching cubes leaves them."""
    mesh = ball.data
    points = points_of(mesh)
    first, second = mesh.edges[40].vertices
    points[first] = points[second] + (1e-6, 0, 0)
    mesh.vertices.foreach_set("co", points.ravel())
    mesh.update()

    assert bpy.ops.maquette.quad_remesh(quads=300, texture_size=64) == {"FINISHED"}

    assert is_closed_and_oriented(subject().data)


@pytest.mark.parametrize("scale", [0.001, 1000.0])
def test_small_and_large_meshes_are_remeshed_alike(ball, scale):
    ball.data.vertices.foreach_set("co", (points_of(ball.data) * scale).ravel())
    ball.data.update()

    bpy.ops.maquette.quad_remesh(quads=300, texture_size=64)

    points = points_of(subject().data) / scale - (0, 0, 0.5)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 0.5, atol=0.03)


def test_symmetry_is_kept(ball):
    values = json.loads(ball["maquette"])
    values["settings"]["symmetry"] = "x"
    ball["maquette"] = json.dumps(values)

    bpy.ops.maquette.quad_remesh(quads=400, texture_size=64)

    points = points_of(subject().data)
    mirrored = points * (-1, 1, 1)
    away = [np.linalg.norm(points - each, axis=1).min() for each in mirrored]
    assert max(away) < 5e-5
    assert is_closed_and_oriented(subject().data)
    assert np.linalg.norm(points - (0, 0, 0.5), axis=1).min() > 0.495


def test_where_quadriflow_gives_up_the_object_is_untouched(ball):
    """A fin: an edge with three faces."""
    import bmesh

    edit = bmesh.new()
    edit.from_mesh(ball.data)
    edit.edges.ensure_lookup_table()
    edge = edit.edges[100]
    tip = edit.verts.new((2, 2, 2))
    edit.faces.new((*edge.verts, tip))
    edit.to_mesh(ball.data)
    edit.free()
    count, before = len(ball.data.polygons), content()

    with pytest.raises(RuntimeError, match="QuadriFlow could not remesh Ball: it has edges"):
        bpy.ops.maquette.quad_remesh(quads=300, texture_size=64)

    assert (len(subject().data.polygons), content()) == (count, before)
    assert not running.state().is_running


def test_holes_that_come_out_are_refused(ball, monkeypatch):
    real = quadriflow._run

    def with_hole(context, holder, num_quads, **options):
        real(context, holder, num_quads, **options)
        import bmesh

        edit = bmesh.new()
        edit.from_mesh(holder.data)
        edit.faces.ensure_lookup_table()
        edit.faces.remove(edit.faces[0])
        edit.to_mesh(holder.data)
        edit.free()

    monkeypatch.setattr(quadriflow, "_run", with_hole)
    count = len(ball.data.polygons)

    with pytest.raises(RuntimeError, match="holes came out"):
        bpy.ops.maquette.quad_remesh(quads=300, texture_size=64)

    assert len(subject().data.polygons) == count


def test_more_triangles_than_there_are_cannot_be_asked_for(ball):
    with pytest.raises(RuntimeError, match="ask for fewer"):
        bpy.ops.maquette.change_triangles(triangles=1_000_000)


def test_only_results_can_be_remeshed(ball):
    bpy.ops.mesh.primitive_cube_add()
    assert not bpy.ops.maquette.quad_remesh.poll()
    bpy.context.view_layer.objects.active = subject()
    assert bpy.ops.maquette.quad_remesh.poll()

    bpy.ops.object.shape_key_add()
    assert not bpy.ops.maquette.change_triangles.poll()


def test_a_result_without_texture_gets_its_colours_back(pipeline, make_result):
    result = replace(make_result("Ball"), mesh=replace(sphere(), texture=None))
    colors = np.clip(result.mesh.vertices + 0.5, 0, 1) * np.float32([1, 1, 0.5])
    pipeline.results = [replace(result, mesh=replace(result.mesh, vertex_colors=colors))]
    jobs.submit(bpy.context, jobs.JobSpec(request=GenerationRequest(prompt="a ball")))

    bpy.ops.maquette.quad_remesh(quads=300, texture_size=0)

    mesh = subject().data
    values = np.empty(len(mesh.vertices) * 4, np.float32)
    mesh.color_attributes.active_color.data.foreach_get("color", values)
    expected = np.clip(points_of(mesh) + 0.5, 0, 1) * (1, 1, 0.5)
    assert np.abs(values.reshape(-1, 4)[:, :3] - expected).mean() < 0.02
    assert not bpy.data.images


class Stopped:
    """A thread's work that waits for the test."""

    def __init__(self, monkeypatch):
        import threading

        self.open, self.reached = threading.Event(), threading.Event()
        real = running._work

        def work(task, request):
            self.reached.set()
            self.open.wait(10)
            return real(task, request)

        monkeypatch.setattr(running, "_work", work)
        monkeypatch.setattr(host, "has_event_loop", lambda: True)
        monkeypatch.setattr(tasks, "start", self._start)
        self.task = None

    def _start(self, task):
        tasks._tasks.append(task)
        task.begin()
        self.task = task
        return task

    def finish(self):
        self.open.set()
        assert self.task.join(20)
        tasks.tick()
        running._put_when_free()


@pytest.fixture
def stopped(ball, monkeypatch):
    return Stopped(monkeypatch)


def test_the_window_goes_on_while_the_texture_is_painted(ball, stopped):
    count = len(ball.data.polygons)
    bpy.ops.maquette.change_triangles(triangles=500, texture_size=64)

    assert running.state().is_running
    assert len(subject().data.polygons) == count
    assert not bpy.ops.maquette.quad_remesh.poll()
    stopped.finish()

    assert len(subject().data.polygons) == 500
    assert not running.state().is_running


def test_a_cancel_leaves_everything_as_it_was(ball, stopped):
    before, count = content(), len(ball.data.polygons)
    bpy.ops.maquette.change_triangles(triangles=500, texture_size=64)

    bpy.ops.maquette.remesh_cancel()
    stopped.finish()

    assert (content(), len(subject().data.polygons)) == (before, count)
    assert (running.state().is_running, running.state().error) == (False, "")


def test_undo_meanwhile_is_safe(ball, stopped):
    bpy.ops.maquette.change_triangles(triangles=500, texture_size=64)
    bpy.ops.ed.undo()
    assert not bpy.data.objects

    stopped.finish()
    assert "gone" in running.state().error

    bpy.ops.ed.redo()
    assert len(subject().data.polygons) > 500


def test_it_waits_for_object_mode(ball, stopped):
    bpy.ops.maquette.change_triangles(triangles=500, texture_size=64)
    bpy.ops.object.mode_set(mode="EDIT")
    stopped.finish()
    assert running.state().is_running

    bpy.ops.object.mode_set(mode="OBJECT")
    assert running._put_when_free() is None

    assert len(subject().data.polygons) == 500


def test_another_file_gets_nothing(ball, stopped, tmp_path):
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    count = len(subject().data.polygons)
    bpy.ops.maquette.change_triangles(triangles=500, texture_size=64)

    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    stopped.finish()

    assert len(subject().data.polygons) == count
    assert not running.state().is_running


def test_why_there_are_more_triangles_than_asked_for_is_said(ball, monkeypatch):
    real = running._work
    note = "700 triangles were kept because fewer would tear the surface"
    monkeypatch.setattr(running, "_work", lambda *args: replace(real(*args), note=note))

    bpy.ops.maquette.change_triangles(triangles=700, texture_size=0)

    assert bpy.context.window_manager.maquette.warning == note
    assert running.state().error == ""
