# SPDX-License-Identifier: GPL-3.0-or-later
"""Where results stand: cursor, origin, placeholders, contact sheets, the place of an earlier one.

Distances are measured on the vertices in world space, not read off the object's transform.
"""

from __future__ import annotations

import json
import math

import bpy
import numpy as np
import pytest
from maquette.core.config import GenerationRequest
from maquette.operators import jobs
from maquette.operators.jobs.fit import box_of
from mathutils import Matrix


def generate(pipeline, *results, placement=None, replaced=None, **settings):
    pipeline.results = list(results)
    spec = jobs.JobSpec(
        request=GenerationRequest(prompt="a red cube", count=len(results), **settings),
        placement=placement or jobs.Placement(),
        replaces_uid=replaced.session_uid if replaced else 0,
    )
    jobs.submit(bpy.context, spec)
    names = bpy.context.window_manager.maquette.jobs[-1].result_names.splitlines()
    bpy.context.view_layer.update()
    return [bpy.data.objects[name] for name in names]


def on(placeholder, action="KEEP"):
    """The placement that the sidebar asks for."""
    settings = bpy.context.scene.maquette
    settings.location, settings.placeholder_action = "PLACEHOLDER", action
    bpy.context.view_layer.objects.active = placeholder
    bpy.context.view_layer.update()
    return jobs.placement_of(bpy.context, settings)


def world(thing):
    """Vertices in world space, [V, 3]."""
    coordinates = np.array([vertex.co for vertex in thing.data.vertices])
    matrix = np.array(thing.matrix_world)
    return coordinates @ matrix[:3, :3].T + matrix[:3, 3]


def extent(points):
    return points.max(axis=0) - points.min(axis=0)


def add_box(size, location=(0.0, 0.0, 0.0), yaw=0.0, tilt=0.0):
    """A cuboid whose size is in its mesh and in its scale, as either may be."""
    bpy.ops.mesh.primitive_cube_add(size=2.0, location=location)
    box = bpy.context.object
    box.rotation_euler = (tilt, 0.0, yaw)
    box.scale = np.array(size) / 2
    bpy.context.view_layer.update()
    return box


def test_at_the_cursor_as_it_was_when_generate_was_pressed(pipeline, make_result, window_mode):
    settings = bpy.context.scene.maquette
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.5)
    settings.location = "CURSOR"
    placement = jobs.placement_of(bpy.context, settings)
    bpy.context.scene.cursor.location = (9.0, 9.0, 9.0)
    pipeline.results = [make_result()]
    request = GenerationRequest(prompt="x")
    jobs.submit(bpy.context, jobs.JobSpec(request=request, placement=placement))
    window_mode.until_idle()

    points = world(bpy.data.objects["Red Cube"])
    np.testing.assert_allclose(points.min(axis=0), [0.5, 1.5, 0.5])
    np.testing.assert_allclose(points.max(axis=0), [1.5, 2.5, 1.5])


def test_at_the_origin_wherever_the_cursor_is(pipeline, make_result):
    bpy.context.scene.cursor.location = (1.0, 2.0, 0.5)
    bpy.context.scene.maquette.location = "ORIGIN"
    placement = jobs.placement_of(bpy.context, bpy.context.scene.maquette)

    (added,) = generate(pipeline, make_result(), placement=placement)

    assert tuple(added.location) == (0.0, 0.0, 0.0)


def test_what_would_be_hidden_inside_an_object_stands_to_its_right(pipeline, make_result):
    cube = add_box((2.0, 2.0, 2.0))

    (added,) = generate(pipeline, make_result())

    points = world(added)
    assert points.min(axis=0)[0] > world(cube).max(axis=0)[0]
    assert points.min(axis=0)[2] == pytest.approx(0.0, abs=1e-6)
    middle = (points.max(axis=0) + points.min(axis=0)) / 2
    assert middle[1] == pytest.approx(0.0, abs=1e-6)


def test_what_only_touches_or_is_hidden_is_not_in_the_way(pipeline, make_result):
    add_box((20.0, 20.0, 0.2), location=(0.0, 0.0, -0.1))  # A ground.
    hidden = add_box((2.0, 2.0, 2.0))
    hidden.hide_set(True)

    (added,) = generate(pipeline, make_result())

    assert tuple(added.location) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("size", [(8.0, 8.0, 3.0), (200.0, 200.0, 200.0)])
def test_rooms_and_skies_are_stood_in(pipeline, make_result, size):
    add_box(size)
    bpy.context.scene.cursor.location = (1.0, 1.0, 0.0)
    placement = jobs.placement_of(bpy.context, bpy.context.scene.maquette)

    (added,) = generate(pipeline, make_result(), placement=placement)

    assert tuple(added.location) == (1.0, 1.0, 0.0)


def test_results_one_after_the_other_stand_side_by_side(pipeline, make_result):
    lefts, rights = [], []
    for _ in range(3):
        (added,) = generate(pipeline, make_result())
        points = world(added)
        lefts.append(points.min(axis=0)[0])
        rights.append(points.max(axis=0)[0])

    assert lefts[1] > rights[0] and lefts[2] > rights[1]


def test_a_sheet_of_variants_moves_as_a_whole(pipeline, make_result):
    cube = add_box((3.0, 3.0, 2.0))

    added = generate(pipeline, *(make_result() for _ in range(4)))

    places = np.array([each.location for each in added])
    assert all(world(each).min(axis=0)[0] > world(cube).max(axis=0)[0] for each in added)
    assert np.ptp(places, axis=0)[0] == pytest.approx(np.ptp(places, axis=0)[1], rel=1e-5)


@pytest.mark.parametrize("yaw", [0.0, 0.7, -2.5, math.pi])
@pytest.mark.parametrize("size", [(1.0, 2.0, 3.0), (4.0, 0.5, 2.0), (0.02, 0.02, 0.01)])
def test_a_result_fits_its_placeholder_and_stands_on_its_base(pipeline, make_result, size, yaw):
    placeholder = add_box(size, location=(3.0, -2.0, 1.5), yaw=yaw)

    (added,) = generate(pipeline, make_result(), placement=on(placeholder))

    # In the placeholder's own frame, turned about Z only.
    turn = np.array(Matrix.Rotation(-yaw, 3, "Z"))
    outer, inner = world(placeholder) @ turn.T, world(added) @ turn.T
    np.testing.assert_allclose(extent(inner), np.full(3, min(size)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inner[:, 2].min(), outer[:, 2].min(), atol=1e-5)
    middle = [(points.min(axis=0) + points.max(axis=0))[:2] / 2 for points in (inner, outer)]
    np.testing.assert_allclose(*middle, atol=1e-5)
    assert added.scale.x == added.scale.y == added.scale.z


@pytest.mark.parametrize("size", [(1.0, 3.0, 9.0), (9.0, 1.0, 3.0), (9.0, 3.0, 1.0)])
def test_the_tightest_side_decides_about_the_size(pipeline, make_result, size):
    result = make_result()
    flat = result.mesh.vertices * np.array([2.0, 1.0, 0.5], dtype=np.float32)
    object.__setattr__(result.mesh, "vertices", flat)

    (added,) = generate(pipeline, result, placement=on(add_box(size)))

    sides = extent(world(added))
    np.testing.assert_allclose(sides / sides[1], [2.0, 1.0, 0.5], rtol=1e-5)
    assert (sides <= np.array(size) * (1 + 1e-5)).all()
    assert np.isclose(sides, size, rtol=1e-5).any()


def test_a_tilted_placeholder_is_taken_as_the_box_around_it(pipeline, make_result):
    placeholder = add_box((1.0, 1.0, 1.0), location=(0.0, 0.0, 5.0), tilt=math.pi / 4)

    (added,) = generate(pipeline, make_result(), placement=on(placeholder))

    np.testing.assert_allclose(extent(world(added)), np.ones(3), rtol=1e-5)
    np.testing.assert_allclose(world(added)[:, 2].min(), 5.0 - math.sqrt(0.5), rtol=1e-5)


def test_a_plane_limits_width_and_depth_only(pipeline, make_result):
    bpy.ops.mesh.primitive_plane_add(size=4.0, location=(0.0, 0.0, 1.0))

    (added,) = generate(pipeline, make_result(), placement=on(bpy.context.object))

    np.testing.assert_allclose(extent(world(added)), np.full(3, 4.0), rtol=1e-5)
    np.testing.assert_allclose(world(added)[:, 2].min(), 1.0)


def test_the_bounds_are_those_that_are_seen_with_modifiers(pipeline, make_result):
    placeholder = add_box((1.0, 1.0, 1.0))
    array = placeholder.modifiers.new("Array", "ARRAY")
    array.count, array.relative_offset_displace = 3, (0.0, 0.0, 1.0)

    box = box_of(placeholder, bpy.context.evaluated_depsgraph_get())

    np.testing.assert_allclose(box.size, (1.0, 1.0, 3.0), rtol=1e-5)
    np.testing.assert_allclose(box.base, (0.0, 0.0, -0.5), atol=1e-6)


@pytest.mark.parametrize(
    ("display", "size", "floor"), [("CUBE", 4.0, -2.0), ("PLAIN_AXES", 4.0, 0.0)]
)
def test_an_empty_is_as_large_as_it_is_drawn(pipeline, make_result, display, size, floor):
    bpy.ops.object.empty_add(type=display, radius=2.0, location=(1.0, 1.0, 1.0))

    (added,) = generate(pipeline, make_result(), placement=on(bpy.context.object))

    np.testing.assert_allclose(extent(world(added)), np.full(3, size), rtol=1e-5)
    np.testing.assert_allclose(world(added)[:, 2].min(), 1.0 + floor, atol=1e-6)


def test_a_collection_instance_is_as_large_as_what_is_in_it(pipeline, make_result):
    collection = bpy.data.collections.new("Chair")
    part = bpy.data.objects.new("Part", add_box((2.0, 2.0, 6.0)).data)
    part.scale, part.location = (1.0, 1.0, 3.0), (5.0, 0.0, 3.0)
    collection.objects.link(part)
    collection.instance_offset = (5.0, 0.0, 0.0)
    bpy.data.objects.remove(bpy.context.object)
    instance = bpy.data.objects.new("Instance", None)
    instance.instance_type, instance.instance_collection = "COLLECTION", collection
    instance.location = (0.0, 7.0, 0.0)
    bpy.context.scene.collection.objects.link(instance)
    part.matrix_world = Matrix.LocRotScale(part.location, None, part.scale)

    (added,) = generate(pipeline, make_result(), placement=on(instance))

    np.testing.assert_allclose(extent(world(added)), np.full(3, 2.0), rtol=1e-5)
    np.testing.assert_allclose(world(added).mean(axis=0), [0.0, 7.0, 1.0], atol=1e-5)


@pytest.mark.parametrize("kind", ["LIGHT", "CAMERA"])
def test_what_has_no_bounds_gives_its_place_only(pipeline, make_result, kind):
    data = bpy.data.lights.new("L", "POINT") if kind == "LIGHT" else bpy.data.cameras.new("C")
    placeholder = bpy.data.objects.new("Marker", data)
    placeholder.location = (1.0, 2.0, 3.0)
    bpy.context.scene.collection.objects.link(placeholder)

    (added,) = generate(pipeline, make_result(), placement=on(placeholder))

    np.testing.assert_allclose(extent(world(added)), np.ones(3))
    np.testing.assert_allclose(added.location, (1.0, 2.0, 3.0))


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_negative_scale_turns_nothing_inside_out(pipeline, make_result, mirrored):
    placeholder = add_box((2.0, 2.0, 2.0))
    placeholder.scale.x *= -1 if mirrored else 1

    (added,) = generate(pipeline, make_result(), placement=on(placeholder))

    np.testing.assert_allclose(extent(world(added)), np.full(3, 2.0), rtol=1e-5)
    assert added.matrix_world.determinant() > 0


@pytest.mark.parametrize("action", ["KEEP", "HIDE", "REPLACE"])
def test_the_placeholder_is_kept_hidden_or_replaced_in_the_same_undo_step(
    pipeline, make_result, action
):
    placeholder = add_box((1.0, 1.0, 1.0))
    bpy.ops.ed.undo_push(message="Add Box")

    generate(pipeline, make_result(), placement=on(placeholder, action))

    left = bpy.data.objects.get("Cube")
    if action == "REPLACE":
        assert left is None
    else:
        assert left.visible_get() == (action == "KEEP")
        assert left.hide_render == (action == "HIDE")

    bpy.ops.ed.undo()
    assert [each.name for each in bpy.data.objects] == ["Cube"]
    assert bpy.data.objects["Cube"].visible_get()
    assert not bpy.data.objects["Cube"].hide_render


def test_what_hung_on_a_replaced_placeholder_hangs_on_the_result_and_stays_in_place(
    pipeline, make_result
):
    root = bpy.data.objects.new("Root", None)
    root.location = (1.0, 0.0, 0.0)
    child = bpy.data.objects.new("Child", None)
    for each in (root, child):
        bpy.context.scene.collection.objects.link(each)
    placeholder = add_box((1.0, 2.0, 3.0), location=(2.0, 2.0, 2.0), yaw=0.5)
    placeholder.parent = root
    child.parent, child.location = placeholder, (1.0, 1.0, 1.0)
    bpy.context.view_layer.update()
    before = np.array(child.matrix_world)
    base = world(placeholder)[:, 2].min()

    (added,) = generate(pipeline, make_result(), placement=on(placeholder, "REPLACE"))

    assert added.parent == root
    assert child.parent == added
    np.testing.assert_allclose(np.array(child.matrix_world), before, atol=1e-5)
    np.testing.assert_allclose(world(added)[:, 2].min(), base, atol=1e-5)
    np.testing.assert_allclose(world(added).mean(axis=0)[:2], (3.0, 2.0), atol=1e-5)


def test_the_result_goes_to_the_collection_of_its_placeholder(pipeline, make_result):
    props = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(props)
    placeholder = add_box((1.0, 1.0, 1.0))
    bpy.context.scene.collection.objects.unlink(placeholder)
    props.objects.link(placeholder)

    (added,) = generate(pipeline, make_result(), placement=on(placeholder))

    assert list(added.users_collection) == [props]


def test_of_several_collections_of_a_placeholder_one_that_is_shown_is_taken(pipeline, make_result):
    placeholder = add_box((1.0, 1.0, 1.0))
    for name in ("Hidden", "Excluded", "Shown"):
        collection = bpy.data.collections.new(name)
        bpy.context.scene.collection.children.link(collection)
        collection.objects.link(placeholder)
    bpy.context.scene.collection.objects.unlink(placeholder)
    layers = bpy.context.view_layer.layer_collection.children
    layers["Hidden"].hide_viewport = layers["Excluded"].exclude = True

    (added,) = generate(pipeline, make_result(), placement=on(placeholder))

    assert [each.name for each in added.users_collection] == ["Shown"]
    assert added.visible_get()


def test_a_placeholder_moved_meanwhile_is_followed(pipeline, make_result, window_mode):
    placeholder = add_box((2.0, 2.0, 2.0))
    placement = on(placeholder)
    pipeline.results = [make_result()]
    request = GenerationRequest(prompt="x")
    jobs.submit(bpy.context, jobs.JobSpec(request=request, placement=placement))
    placeholder.location = (10.0, 0.0, 1.0)
    window_mode.until_idle()

    bpy.context.view_layer.update()
    points = world(bpy.data.objects["Red Cube"])
    np.testing.assert_allclose(points.min(axis=0), (9.0, -1.0, 0.0), atol=1e-5)


@pytest.mark.parametrize("action", ["KEEP", "HIDE", "REPLACE"])
def test_a_placeholder_deleted_meanwhile_is_filled_as_it_was(
    pipeline, make_result, window_mode, action
):
    placeholder = add_box((2.0, 2.0, 2.0), location=(5.0, 0.0, 1.0))
    placement = on(placeholder, action)
    pipeline.results = [make_result()]
    request = GenerationRequest(prompt="x")
    jobs.submit(bpy.context, jobs.JobSpec(request=request, placement=placement))
    bpy.data.objects.remove(placeholder)
    window_mode.until_idle()

    bpy.context.view_layer.update()
    points = world(bpy.data.objects["Red Cube"])
    np.testing.assert_allclose(points.min(axis=0), (4.0, -1.0, 0.0), atol=1e-5)
    np.testing.assert_allclose(points.max(axis=0), (6.0, 1.0, 2.0), atol=1e-5)


def test_variants_go_to_one_new_collection_named_after_the_prompt_and_do_not_touch(
    pipeline, make_result
):
    bpy.context.scene.cursor.location = (10.0, 0.0, 2.0)
    placement = jobs.placement_of(bpy.context, bpy.context.scene.maquette)

    added = generate(pipeline, *(make_result("Red Cube") for _ in range(5)), placement=placement)

    (collection,) = bpy.data.collections
    assert collection.name == "Red Cube"
    assert set(collection.objects) == set(added)
    assert all(each.visible_get() and each.select_get() for each in added)
    boxes = [(points.min(axis=0), points.max(axis=0)) for points in map(world, added)]
    for index, (low, high) in enumerate(boxes):
        assert low[2] == pytest.approx(2.0)
        for other_low, other_high in boxes[:index]:
            gaps = np.maximum(other_low - high, low - other_high)[:2]
            assert gaps.max() >= 0.25 - 1e-5
    middle = (np.min(boxes, axis=(0, 1)) + np.max(boxes, axis=(0, 1))) / 2
    np.testing.assert_allclose(middle[:2], (10.0, 0.0), atol=1e-5)


def test_one_variant_makes_no_collection(pipeline, make_result):
    generate(pipeline, make_result())

    assert not bpy.data.collections


def test_variants_on_a_placeholder_each_fit_it(pipeline, make_result):
    placeholder = add_box((2.0, 2.0, 2.0), location=(0.0, 0.0, 1.0))

    added = generate(
        pipeline, make_result("A"), make_result("B"), placement=on(placeholder, "HIDE")
    )

    for each in added:
        np.testing.assert_allclose(extent(world(each)), np.full(3, 2.0), rtol=1e-5)
    assert abs(added[0].location.x - added[1].location.x) >= 2.0
    assert not placeholder.visible_get()


@pytest.fixture
def earlier(pipeline, make_result):
    """A result that the user has worked with."""
    props = bpy.data.collections.new("Props")
    bpy.context.scene.collection.children.link(props)
    (made,) = generate(pipeline, make_result())
    bpy.context.scene.collection.objects.unlink(made)
    props.objects.link(made)
    made.name = "Hero Cube"
    made.location, made.scale = (3.0, 2.0, 1.0), (2.0, 2.0, 2.0)
    made.rotation_euler = (0.1, 0.2, 0.3)
    made["mine"] = "kept"
    made.modifiers.new("Bevel", "BEVEL")
    child = bpy.data.objects.new("Child", None)
    child.parent = made
    bpy.context.scene.collection.objects.link(child)
    bpy.context.view_layer.update()
    bpy.ops.ed.undo_push(message="Work")
    return made


def test_a_regenerated_result_takes_the_place_of_the_earlier_one(pipeline, make_result, earlier):
    matrix = np.array(earlier.matrix_world)
    counts = len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.images)

    (made,) = generate(pipeline, make_result(seed=99), replaced=earlier)

    assert made.name == made.data.name == "Hero Cube"
    np.testing.assert_allclose(np.array(made.matrix_world), matrix)
    assert [each.name for each in made.users_collection] == ["Props"]
    assert json.loads(made["maquette"])["seed"] == made["maquette_seed"] == 99
    assert made["mine"] == "kept"
    assert made.modifiers.keys() == ["Bevel"]
    assert bpy.data.objects["Child"].parent == made
    assert (len(bpy.data.objects), len(bpy.data.meshes), len(bpy.data.images)) == counts
    assert made.select_get()


def test_undo_brings_the_earlier_one_back_in_one_step(pipeline, make_result, earlier):
    before = len(earlier.data.vertices), earlier["maquette"]
    larger = make_result(seed=99)
    object.__setattr__(larger.mesh, "vertices", larger.mesh.vertices * np.float32(2))

    generate(pipeline, larger, replaced=earlier)
    bpy.ops.ed.undo()

    made = bpy.data.objects["Hero Cube"]
    assert (len(made.data.vertices), made["maquette"]) == before
    assert len(bpy.data.meshes) == len(bpy.data.images) == 1
    bpy.context.view_layer.update()
    image = next(iter(bpy.data.images))
    assert image.packed_file is not None

    bpy.ops.ed.redo()
    assert bpy.data.objects["Hero Cube"]["maquette_seed"] == 99


def test_a_copy_that_shares_the_mesh_keeps_it(pipeline, make_result, earlier):
    copy = earlier.copy()
    bpy.context.scene.collection.objects.link(copy)
    mesh = earlier.data

    (made,) = generate(pipeline, make_result(), replaced=earlier)

    assert copy.data == mesh
    assert made.data != mesh
    assert copy.data.materials[0] is not None


def test_an_earlier_result_deleted_meanwhile_does_not_matter(pipeline, make_result):
    placement = jobs.Placement(location=(1.0, 1.0, 1.0))
    gone = bpy.data.objects.new("Gone", bpy.data.meshes.new("Gone"))
    spec = jobs.JobSpec(
        request=GenerationRequest(prompt="x"), placement=placement, replaces_uid=gone.session_uid
    )
    bpy.data.objects.remove(gone)
    pipeline.results = [make_result()]

    jobs.submit(bpy.context, spec)

    assert tuple(bpy.data.objects["Red Cube"].location) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize(
    "prompt",
    [
        "一个戴着帽子的红色蘑菇" * 8,
        "كرسي أحمر صغير من الخشب القديم مع وسادة ناعمة",
        "👩🏽‍🚀" * 12,
        "é" * 60,
        "x" * 300,
        "a chair\nwith\ttabs",
        ".hidden",
        "\u202ereversed",
    ],
)
def test_names_of_prompts_in_any_script_arrive_whole(pipeline, make_result, prompt):
    from maquette.core.naming import object_name

    name = object_name(prompt)

    added = generate(pipeline, *(make_result(name) for _ in range(2)))

    assert added[0].name == name
    assert added[1].name == f"{name}.001"
    for each in added:
        (material,) = each.data.materials
        assert each.data.name.startswith(name)
        assert material.name.startswith(name)
    assert bpy.data.collections[0].name == name
    assert sorted(image.name for image in bpy.data.images) == [
        f"{name} Base Color",
        f"{name} Base Color.001",
    ]
