# SPDX-License-Identifier: GPL-3.0-or-later
"""What a new set of variants needs to be shown, and what happens to one that is chosen."""

from __future__ import annotations

import bpy

from .. import levels, mesh_build
from . import thumbnails
from .collection import VARIANTS_KEY, collection_of, delete_object, members, parent_of

GALLERY_KEY = "maquette_gallery"
"""Custom property of the scene: the collection that the gallery showed last."""
PLACE_KEY = "maquette_place"
"""Custom property of a variant: where on the contact sheet it was put."""


def on_landed(context, objects, spec, results) -> None:
    """See to it that each result has a picture, and show a new set in the gallery."""
    for each in objects:
        if not thumbnails.has_picture(each):
            thumbnails.render(each, context.evaluated_depsgraph_get())
        if collection := collection_of(each):
            if PLACE_KEY not in each:  # It is when a variant was made again.
                each[PLACE_KEY] = tuple(each.location)
            show(context, collection)


def show(context, collection: bpy.types.Collection) -> None:
    """Let the gallery show a collection while no variant is active."""
    context.scene[GALLERY_KEY] = collection


def select(context, variant: bpy.types.Object) -> None:
    """Make a variant the active object and the only selected one."""
    # Where an object was just deleted, Blender's list holds None.
    for other in filter(None, list(context.view_layer.objects.selected)):
        other.select_set(False)
    # It may be in a collection that this view layer leaves out.
    if variant.name in context.view_layer.objects:
        variant.hide_set(False)
        variant.select_set(True)
        context.view_layer.objects.active = variant


def keep(context, variant: bpy.types.Object) -> None:
    """Take a variant out of its collection, to the place in the outliner that holds that."""
    collection = collection_of(variant)
    target = parent_of(collection) or context.scene.collection
    if target.objects.get(variant.name) != variant:
        target.objects.link(variant)
    collection.objects.unlink(variant)
    levels.move(variant, collection, target)
    if PLACE_KEY in variant:
        del variant[PLACE_KEY]
    _tidy(context, collection)


def discard(context, variant: bpy.types.Object) -> None:
    """Delete a variant and select the one after it."""
    collection = collection_of(variant)
    others = members(collection)
    index = others.index(variant)
    others.remove(variant)
    delete_object(variant)
    if others:
        select(context, others[min(index, len(others) - 1)])
    _tidy(context, collection)


def keep_only(context, variant: bpy.types.Object) -> int:
    """Keep a variant, delete the others, and return how many they were.

    It moves to the middle of the sheet unless somebody moved it, and drops its number.
    """
    collection = collection_of(variant)
    others = [each for each in members(collection) if each != variant]
    for other in others:
        delete_object(other)
    if _stands_on_sheet(variant):
        variant.location = collection[VARIANTS_KEY]
    _drop_number(variant, collection.name)
    keep(context, variant)
    select(context, variant)
    return len(others)


def _drop_number(variant: bpy.types.Object, name: str) -> None:
    """Give the last variant its set's name, unless somebody has named it or that is taken."""
    stem, _, number = variant.name.rpartition(".")
    if stem == name and number.isdigit() and name not in bpy.data.objects:
        for each in (variant, variant.data, *variant.data.materials):
            each.name = name


def _stands_on_sheet(variant: bpy.types.Object) -> bool:
    place = variant.get(PLACE_KEY)
    if place is None or variant.parent is not None:
        return False
    return all(abs(a - b) < 1e-5 for a, b in zip(variant.location, place, strict=True))


def _tidy(context, collection: bpy.types.Collection) -> None:
    """Remove a collection without variants; whatever else was put there stays where it was."""
    if members(collection):
        show(context, collection)
        return
    parent = parent_of(collection) or context.scene.collection
    for each in list(collection.objects):
        if each.name not in parent.objects:
            parent.objects.link(each)
    for child in list(collection.children):
        if child.name not in parent.children:
            parent.children.link(child)
    bpy.data.collections.remove(collection)


def find(context, object_uid: int) -> bpy.types.Object | None:
    """Return the result that an operator is about.

    Args:
        context: its active object is meant when nothing else is said.
        object_uid: `session_uid`, which undo does not change; 0 for the active object.
    """
    if object_uid == 0:
        found = context.view_layer.objects.active
    else:
        found = next((each for each in bpy.data.objects if each.session_uid == object_uid), None)
    return found if found is not None and mesh_build.RECORD_KEY in found else None
