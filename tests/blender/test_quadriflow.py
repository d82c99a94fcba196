# SPDX-License-Identifier: GPL-3.0-or-later
"""QuadriFlow on every Blender served, without the libraries that paint the result."""

from __future__ import annotations

import bpy
import numpy as np
import pytest
from maquette.core.config import GenerationRequest
from maquette.core.mesh import MeshData
from maquette.core.painted import Remeshed
from maquette.operators import jobs
from maquette.operators.remesh import escape, quadriflow, reading, running


@pytest.fixture
def ball():
    """A ball of triangles with a radius of 1, alone in the scene."""
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=4)
    return bpy.context.object


def quads_of(subject, count=300, *, is_symmetric=False):
    return quadriflow.quads_of(bpy.context, subject.data, count, is_symmetric=is_symmetric)


def is_closed_and_oriented(quads):
    start, end = quads.astype(np.int64).ravel(), np.roll(quads, -1, axis=1).astype(np.int64).ravel()
    count = int(quads.max()) + 1
    there, back = np.sort(start * count + end), np.sort(end * count + start)
    return len(np.unique(there)) == len(there) and bool((there == back).all())


def looks_outward(points, quads):
    """The volume of a closed mesh is positive where its faces look outward."""
    a, b, c, d = points[quads].astype(np.float64).transpose(1, 0, 2)
    return np.einsum("fi,fi->", a, np.cross(b, c)) + np.einsum("fi,fi->", a, np.cross(c, d)) > 0


def content():
    return len(bpy.data.objects), len(bpy.data.meshes)


@pytest.mark.parametrize("is_symmetric", [False, True])
@pytest.mark.parametrize("count", [250, 600])
def test_a_ball_becomes_a_closed_ball_of_quads(ball, count, is_symmetric):
    before, selected = content(), list(bpy.context.selected_objects)

    points, quads = quads_of(ball, count, is_symmetric=is_symmetric)

    assert 0.6 * count < len(quads) < 1.6 * count
    assert is_closed_and_oriented(quads)
    assert looks_outward(points, quads)
    # Those beside the cut may stand off; the painting puts them back, see test_remesh.py.
    limit = 0.2 if is_symmetric else 0.04
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1.0, atol=limit)
    assert len(points) == len(quads) + 2  # Euler, for what has no handles.
    assert (content(), list(bpy.context.selected_objects)) == (before, selected)
    if is_symmetric:
        away = [np.linalg.norm(points - each, axis=1).min() for each in points * (-1, 1, 1)]
        assert max(away) < 1e-6


@pytest.mark.parametrize(
    ("count", "failing"), [(400, ["HALVES"]), (250, ["HALVES", "OWN"]), (250, [])]
)
def test_where_sides_do_not_fit_the_other_way_is_tried(ball, monkeypatch, count, failing):
    tried = []
    real = quadriflow._attempt

    def attempt(context, mesh, num_quads, symmetry):
        tried.append(symmetry)
        if symmetry in failing:
            raise quadriflow.HalvesError("holes came out")
        return real(context, mesh, num_quads, symmetry)

    monkeypatch.setattr(quadriflow, "_attempt", attempt)
    try:
        _, quads = quads_of(ball, count, is_symmetric=True)
    except quadriflow.HalvesError:
        assert tried == ["HALVES", "OWN"]  # Blender's own may not fit either.
    else:
        assert tried == ["HALVES", "OWN"][: len(failing) + 1]
        assert is_closed_and_oriented(quads)


def test_a_half_that_closes_by_itself_is_told_from_one_that_is_open():
    points = np.array([[1, 0, 0], [2, 0, 0], [2, 1, 0], [1, 1, 0]], dtype=np.float32)
    both_sides = np.array([[0, 1, 2, 3], [3, 2, 1, 0]], dtype=np.int32)

    with pytest.raises(quadriflow.HalvesError, match="more quads"):
        quadriflow._mirrored(points, both_sides, np.zeros((0, 2, 3), np.float32))


def test_the_same_mesh_gives_the_same_quads(ball):
    first, second = quads_of(ball), quads_of(ball)

    np.testing.assert_array_equal(first[1], second[1])


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_sizes_do_not_matter(ball, size):
    points = np.empty(3 * len(ball.data.vertices), np.float32)
    ball.data.vertices.foreach_get("co", points)
    ball.data.vertices.foreach_set("co", points * np.float32(size))

    found, quads = quads_of(ball)

    assert is_closed_and_oriented(quads)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), size, rtol=0.04)


def test_two_balls_stay_two(ball):
    other = ball.data.copy()
    for vertex in other.vertices:
        vertex.co.x += 3.0
    bpy.ops.mesh.primitive_ico_sphere_add(subdivisions=4, location=(3, 0, 0))
    bpy.context.object.select_set(True)
    ball.select_set(True)
    bpy.context.view_layer.objects.active = ball
    bpy.ops.object.join()

    points, quads = quads_of(ball, 600)

    assert is_closed_and_oriented(quads)
    assert len(points) == len(quads) + 4


def test_what_has_no_faces_is_refused_in_words(ball):
    ball.data.clear_geometry()

    with pytest.raises(quadriflow.QuadsError, match="no faces"):
        quads_of(ball)


def test_a_fin_is_refused_and_nothing_is_left_behind(ball):
    before = content()
    import bmesh

    edit = bmesh.new()
    edit.from_mesh(ball.data)
    edit.edges.ensure_lookup_table()
    edit.faces.new((*edit.edges[100].verts, edit.verts.new((3, 3, 3))))
    edit.to_mesh(ball.data)
    edit.free()

    with pytest.raises(quadriflow.QuadsError, match="three faces"):
        quads_of(ball)

    assert content() == before


def test_the_operator_puts_quads_on_the_result(pipeline, make_result, monkeypatch):
    """With a stand-in for the painting; see test_remesh.py for that."""
    pipeline.results = [make_result()]
    jobs.submit(bpy.context, jobs.JobSpec(request=GenerationRequest(prompt="a red cube")))
    owner = bpy.context.view_layer.objects.active
    asked = []

    def paint(_task, request):
        asked.append(request)
        faces = request.polygons[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)
        colors = np.full_like(request.vertices, 0.25)
        mesh = MeshData(
            vertices=request.vertices,
            faces=np.ascontiguousarray(faces),
            normals=np.full_like(request.vertices, 0.577),
            vertex_colors=colors,
        )
        return Remeshed(mesh=mesh, polygons=request.polygons, is_closed=True)

    monkeypatch.setattr(running, "_work", paint)

    assert bpy.ops.maquette.quad_remesh(quads=200, texture_size=64) == {"FINISHED"}

    mesh = owner.data
    corners = np.empty(len(mesh.loops), np.int32)
    mesh.loops.foreach_get("vertex_index", corners)
    np.testing.assert_array_equal(corners.reshape(-1, 4), asked[0].polygons)
    assert not mesh.validate()
    assert asked[0].source.pixels.shape == (64, 64, 4)
    assert reading.base_image(owner) is None


def test_what_is_read_of_a_result_is_what_was_made(pipeline, make_result, face_colors):
    result = make_result()
    pipeline.results = [result]
    jobs.submit(bpy.context, jobs.JobSpec(request=GenerationRequest(prompt="a red cube")))

    painted = reading.read_painted(bpy.context.view_layer.objects.active)

    np.testing.assert_array_equal(painted.vertices, result.mesh.vertices)
    np.testing.assert_array_equal(painted.faces, result.mesh.faces)
    np.testing.assert_array_equal(painted.corner_uvs, result.mesh.texture.corner_uvs)
    np.testing.assert_array_equal(painted.pixels, result.mesh.texture.pixels)
    np.testing.assert_allclose(np.linalg.norm(painted.corner_normals, axis=2), 1, atol=1e-5)
    linear = result.mesh.vertex_colors[result.mesh.faces]
    encoded = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(painted.corner_colors, encoded, atol=0.003)


@pytest.fixture
def stopped(monkeypatch):
    """As in a window where Esc was pressed before: QuadriFlow gives up until that is forgotten."""
    asked, ask, forget = [], quadriflow._ask, escape.forget
    pressed = {"escape": True}

    def give_up(*given, **options):
        asked.append(options)
        if not pressed["escape"]:
            ask(*given, **options)

    def forgetting(*given):
        forget(*given)
        pressed["escape"] = pressed["for good"]

    monkeypatch.setattr(quadriflow, "_ask", give_up)
    monkeypatch.setattr(escape, "forget", forgetting)
    pressed["for good"] = False
    return pressed, asked


def test_an_escape_pressed_before_does_not_stop_it(ball, stopped):
    before, size = content(), bpy.context.scene.render.resolution_x

    _, quads = quads_of(ball)

    assert len(stopped[1]) == 2
    assert is_closed_and_oriented(quads)
    # What makes Blender forget it is a bake that is refused.
    assert (content(), bpy.context.scene.render.resolution_x) == (before, size)
    assert not bpy.data.images and not ball.data.materials


def test_what_stays_stopped_is_told_and_changes_nothing(ball, stopped):
    stopped[0]["for good"], before = True, content()

    with pytest.raises(quadriflow.QuadsError, match="it was stopped, render once and try again"):
        quads_of(ball)

    assert content() == before
