# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of variants, and that every choice can be undone."""

from __future__ import annotations

from dataclasses import replace

import bpy
import numpy as np
import pytest
from maquette.core.thumbnail import render_thumbnail
from maquette.operators import events, mesh_build
from maquette.operators.variants import gallery, layout, thumbnails
from maquette.operators.variants.collection import collection_of, members, new_collection

ORIGIN = (3.0, -1.0, 0.5)


@pytest.fixture
def sheet(make_result):
    """Four variants in their collection, as a job leaves them."""
    collection = new_collection(bpy.context, "Red Cube", ORIGIN)
    for index, location in enumerate(layout.grid_locations([1.0] * 4, ORIGIN)):
        result = make_result(seed=10 + index)
        result = replace(result, thumbnail=render_thumbnail(result.mesh, 64))
        added = mesh_build.add_object(bpy.context, result, location=location)
        for other in list(added.users_collection):
            other.objects.unlink(added)
        collection.objects.link(added)
    objects = members(collection)
    events.call(events.landed, bpy.context, objects, None, [])
    bpy.ops.ed.undo_push(message="Generate Mesh")
    return collection


def shown():
    """Return the collection that the gallery shows, looked up anew: undo replaces datablocks."""
    return bpy.context.scene.get(gallery.GALLERY_KEY)


def seeds():
    collection = shown()
    return [each["maquette_seed"] for each in members(collection)] if collection else []


def uid(seed):
    (found,) = [each for each in bpy.data.objects if each.get("maquette_seed") == seed]
    return found.session_uid


def counts():
    data = bpy.data
    return len(data.objects), len(data.meshes), len(data.materials), len(data.images)


def picture(owner):
    values = np.empty(owner.preview.image_size[0] * owner.preview.image_size[1] * 4, np.float32)
    owner.preview.image_pixels_float.foreach_get(values)
    return values.reshape(owner.preview.image_size[1], owner.preview.image_size[0], 4)


def covered(owner):
    """Return the share of the picture that shows the object."""
    return float((picture(owner)[:, :, 3] > 0.5).mean())


def test_a_new_set_is_shown_in_the_order_of_its_seeds(sheet):
    assert seeds() == [10, 11, 12, 13]
    assert shown().name == "Red Cube"


def test_a_variant_shows_its_own_picture(sheet, make_result):
    drawn = render_thumbnail(make_result().mesh, 64).astype(np.float32) / 255

    values = picture(members(sheet)[0])

    np.testing.assert_allclose(values[:, :, 3], drawn[:, :, 3], atol=0.01)
    solid = drawn[:, :, 3] == 1
    np.testing.assert_allclose(values[solid], drawn[solid], atol=0.01)


def test_a_result_without_a_picture_gets_one_when_it_lands(make_result):
    added = mesh_build.add_object(bpy.context, make_result(), location=(0, 0, 0))
    assert not thumbnails.has_picture(added)

    events.call(events.landed, bpy.context, [added], None, [])

    assert picture(added)[:, :, 3].max() == 1.0


def test_discard_deletes_the_variant_with_everything_that_only_it_used(sheet):
    before = counts()

    assert bpy.ops.maquette.variant_discard(object_uid=uid(11)) == {"FINISHED"}

    assert seeds() == [10, 12, 13]
    assert counts() == tuple(count - 1 for count in before)
    assert bpy.context.view_layer.objects.active["maquette_seed"] == 12


def test_discard_leaves_alone_what_others_use(sheet):
    first, second = members(sheet)[:2]
    second.data.materials[0] = first.data.materials[0]
    materials, images = len(bpy.data.materials), len(bpy.data.images)

    bpy.ops.maquette.variant_discard(object_uid=first.session_uid)

    assert (len(bpy.data.materials), len(bpy.data.images)) == (materials, images)


def test_keep_takes_the_variant_out_of_the_gallery_and_leaves_it_standing(sheet):
    kept = members(sheet)[2]
    place = tuple(kept.location)

    assert bpy.ops.maquette.variant_keep(object_uid=kept.session_uid) == {"FINISHED"}

    assert seeds() == [10, 11, 13]
    assert collection_of(kept) is None
    assert list(kept.users_collection) == [bpy.context.scene.collection]
    assert tuple(kept.location) == place


def test_keep_only_this_deletes_the_others_and_moves_it_to_the_place_asked_for(sheet):
    kept = members(sheet)[1]

    assert bpy.ops.maquette.variant_keep_only(object_uid=kept.session_uid) == {"FINISHED"}

    assert list(bpy.data.objects) == [kept]
    assert tuple(kept.location) == pytest.approx(ORIGIN)
    assert list(bpy.data.collections) == []
    assert shown() is None
    assert (len(bpy.data.meshes), len(bpy.data.images)) == (1, 1)


def test_keep_only_this_does_not_move_what_somebody_moved(sheet):
    kept = members(sheet)[1]
    kept.location = (9.0, 9.0, 9.0)

    bpy.ops.maquette.variant_keep_only(object_uid=kept.session_uid)

    assert tuple(kept.location) == (9.0, 9.0, 9.0)


def test_the_last_variant_takes_its_collection_with_it_but_nothing_else(sheet):
    own = bpy.data.objects.new("My Lamp", None)
    sheet.objects.link(own)
    nested = bpy.data.collections.new("Mine")
    sheet.children.link(nested)

    for seed in (10, 11, 12, 13):
        bpy.ops.maquette.variant_discard(object_uid=uid(seed))

    assert [each.name for each in bpy.data.objects] == ["My Lamp"]
    assert list(own.users_collection) == [bpy.context.scene.collection]
    assert [each.name for each in bpy.context.scene.collection.children] == ["Mine"]


@pytest.mark.parametrize("action", ["variant_discard", "variant_keep", "variant_keep_only"])
def test_one_undo_brings_the_whole_gallery_back(sheet, action):
    before = counts()
    places = [tuple(each.location) for each in members(sheet)]

    getattr(bpy.ops.maquette, action)(object_uid=uid(12))
    # An operator called from Python makes no undo step of its own.
    bpy.ops.ed.undo_push(message=action)
    bpy.ops.ed.undo()

    assert seeds() == [10, 11, 12, 13]
    assert counts() == before
    assert [tuple(each.location) for each in members(shown())] == places
    assert all(thumbnails.has_picture(each) for each in members(shown()))


def test_the_gallery_survives_saving_and_reopening(sheet, tmp_path):
    drawn = picture(members(sheet)[0])
    path = str(tmp_path / "saved.blend")
    bpy.ops.wm.save_as_mainfile(filepath=path)
    bpy.ops.wm.read_factory_settings(use_empty=True)

    bpy.ops.wm.open_mainfile(filepath=path)

    assert seeds() == [10, 11, 12, 13]
    np.testing.assert_array_equal(picture(members(shown())[0]), drawn)


def test_without_a_number_the_active_object_is_meant(sheet):
    bpy.ops.maquette.variant_select(object_uid=uid(13))
    assert bpy.context.view_layer.objects.active["maquette_seed"] == 13
    assert [each["maquette_seed"] for each in bpy.context.selected_objects] == [13]

    bpy.ops.maquette.variant_discard()

    assert seeds() == [10, 11, 12]


def test_what_is_no_variant_is_refused_in_words(make_result):
    mesh_build.add_object(bpy.context, make_result(), location=(0, 0, 0))

    with pytest.raises(RuntimeError, match="choose one in the gallery"):
        bpy.ops.maquette.variant_discard()
    assert len(bpy.data.objects) == 1


def test_nothing_is_deleted_in_the_midst_of_other_work(sheet):
    bpy.ops.maquette.variant_select(object_uid=uid(10))
    bpy.ops.object.mode_set(mode="EDIT")

    with pytest.raises(RuntimeError, match="Switch to Object Mode first"):
        bpy.ops.maquette.variant_discard()
    bpy.ops.object.mode_set(mode="OBJECT")


def test_a_second_sheet_is_not_put_into_the_first(sheet):
    layers = bpy.context.view_layer.layer_collection.children
    bpy.context.view_layer.active_layer_collection = layers[sheet.name]

    other = new_collection(bpy.context, "Other", (0.0, 0.0, 0.0))

    assert other.name in bpy.context.scene.collection.children
    assert other.name not in sheet.children


def test_a_new_picture_shows_the_object_as_it_was_changed(sheet):
    first = members(sheet)[0]
    before = covered(first)
    for vertex in first.data.vertices:
        vertex.co.z *= 4.0
    bpy.ops.maquette.variant_select(object_uid=first.session_uid)

    assert bpy.ops.maquette.update_thumbnail() == {"FINISHED"}

    assert covered(first) < 0.6 * before  # A tower, where there was a cube.
