# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection that holds the variants of one prompt, told by a custom property.

The gallery in the sidebar shows what is in it. Nothing is kept beside it, so undo, saving and
reopening need no help.
"""

from __future__ import annotations

import bpy

from .. import levels, mesh_build

VARIANTS_KEY = "maquette_variants"
"""Custom property of the collection: where the sheet is centred, (x, y, z) in metres."""


def new_collection(context, name: str, origin: tuple[float, float, float]) -> bpy.types.Collection:
    """Add an empty collection for variants where new objects go.

    Args:
        context: its view layer decides where that is.
        name: usually the prompt as a name.
        origin: the middle of the contact sheet.
    """
    added = bpy.data.collections.new(name)
    added[VARIANTS_KEY] = [float(value) for value in origin]
    parent = mesh_build.receiving_collection(context)
    while VARIANTS_KEY in parent:  # One sheet is not a variant of another.
        parent = parent_of(parent) or context.scene.collection
    parent.children.link(added)
    return added


def collection_of(variant: bpy.types.Object | None) -> bpy.types.Collection | None:
    """Return the collection in which an object is a variant; None if it is none."""
    if variant is None or mesh_build.RECORD_KEY not in variant:
        return None
    return next((each for each in variant.users_collection if VARIANTS_KEY in each), None)


def members(collection: bpy.types.Collection) -> list[bpy.types.Object]:
    """Return the variants in a collection, in the order in which they were made."""
    return [each for each in collection.objects if mesh_build.RECORD_KEY in each]


def parent_of(collection: bpy.types.Collection) -> bpy.types.Collection | None:
    """Return a collection that holds this one; a scene's own collection counts."""
    holders = [*(scene.collection for scene in bpy.data.scenes), *bpy.data.collections]
    name = collection.name
    return next((each for each in holders if each.children.get(name) == collection), None)


def delete_object(variant: bpy.types.Object) -> None:
    """Delete an object with what comes with it, and the data that nothing else uses."""
    levels.remove(variant)
    mesh = variant.data
    bpy.data.objects.remove(variant)
    if mesh is not None:
        delete_data(mesh)


def delete_data(mesh: bpy.types.Mesh) -> None:
    """Delete a mesh with its materials and images, as far as nothing uses them."""
    if mesh.users:
        return
    materials = [each for each in mesh.materials if each is not None]
    bpy.data.meshes.remove(mesh)
    for material in materials:
        if not material.users:
            _delete_material(material)


def _delete_material(material: bpy.types.Material) -> None:
    nodes = material.node_tree.nodes if material.node_tree else ()
    images = {each.image for each in nodes if each.type == "TEX_IMAGE" and each.image}
    bpy.data.materials.remove(material)
    for image in images:
        if not image.users:
            bpy.data.images.remove(image)
