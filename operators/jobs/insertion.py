# SPDX-License-Identifier: GPL-3.0-or-later
"""Results into the scene: where they stand, in which collection, and in whose place."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import bpy
import numpy as np
from mathutils import Matrix

from ...core.mesh import GenerationResult
from .. import levels, mesh_build, mesh_facts
from ..variants import collection as sheets
from ..variants import layout
from . import clearance
from .fit import box_of
from .spec import JobSpec, Placement, object_of


@dataclass(frozen=True, slots=True)
class Built:
    """The Blender data of one result."""

    mesh: bpy.types.Mesh
    """With its material."""
    further: tuple[bpy.types.Mesh, ...] = ()
    """From `levels.build_meshes`."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where one result stands."""

    base: tuple[float, float, float]
    scale: float = 1.0
    yaw: float = 0.0


def insert(
    context,
    spec: JobSpec,
    results: Sequence[GenerationResult],
    built: Sequence[Built],
) -> list[bpy.types.Object]:
    """Add one object for each result to the context's scene, selected; the first is active."""
    replaced = _replaceable(spec.replaces_uid)
    objects = []
    if replaced is not None:
        objects.append(_take_over(replaced, results[0], built[0]))
    first = len(objects)
    if first < len(results):
        objects += _add(context, spec, results[first:], built[first:])
    # It lists what was linked only from then on, and matrices are old before.
    context.view_layer.update()
    if first < len(results):
        _retire(context, spec.placement, objects[first])
    for each in objects:
        mesh_facts.write(each)
        levels.hide(context.view_layer, each)
    seen = [each for each in objects if each.name in context.view_layer.objects]
    if seen:
        mesh_build.select_only(context, seen)
    return objects


def _replaceable(uid: int) -> bpy.types.Object | None:
    found = object_of(uid) if uid else None
    if found is None or found.type != "MESH" or not found.is_editable or found.mode != "OBJECT":
        return None
    return found


def _take_over(old: bpy.types.Object, result: GenerationResult, built: Built) -> bpy.types.Object:
    """Give an object another result.

    Its name, transform, collections, parent, modifiers and whatever points to it stay.
    """
    levels.remove(old)
    before = old.data
    old.data = built.mesh
    mesh_build.write_facts(old, result)
    sheets.delete_data(before)
    for data in (built.mesh, *built.mesh.materials):
        data.name = old.name
    levels.attach(old, result, built.further)
    return old


def _add(
    context,
    spec: JobSpec,
    results: Sequence[GenerationResult],
    built: Sequence[Built],
) -> list[bpy.types.Object]:
    placeholder = _placeholder(context, spec.placement)
    places = _places(context, spec.placement, placeholder, results)
    # Read before the objects exist: an object's own name makes the next one end in .001.
    target = _target(context, placeholder)
    if spec.request.count > 1 and not spec.replaces_uid:
        middle = layout.middle_of([place.base for place in places])
        target = sheets.new_collection(context, results[0].name, middle)
    objects = []
    for result, made, place in zip(results, built, places, strict=True):
        added = bpy.data.objects.new(result.name, made.mesh)
        added.location = place.base
        added.rotation_euler.z = place.yaw
        added.scale = (place.scale,) * 3
        mesh_build.write_facts(added, result)
        target.objects.link(added)
        levels.attach(added, result, made.further)
        objects.append(added)
    return objects


def _placeholder(context, placement: Placement) -> bpy.types.Object | None:
    """Return the placeholder if it is still in the scene that the results go to."""
    found = object_of(placement.placeholder_uid) if placement.placeholder_uid else None
    return found if found is not None and found.name in context.view_layer.objects else None


def _places(
    context,
    placement: Placement,
    placeholder: bpy.types.Object | None,
    results: Sequence[GenerationResult],
) -> list[_Place]:
    box = placement.box
    if placeholder is not None and placement.kind == "PLACEHOLDER":
        box = box_of(placeholder, context.evaluated_depsgraph_get())
    extents = [
        result.mesh.vertices.max(axis=0) - result.mesh.vertices.min(axis=0) for result in results
    ]
    scales = [box.scale_for(extent.tolist()) if box else 1.0 for extent in extents]
    sizes = [float(extent.max()) * scale for extent, scale in zip(extents, scales, strict=True)]
    origin = box.base if box else placement.location
    yaw = box.yaw if box else placement.yaw
    bases = layout.grid_locations(sizes, origin)
    if box is None and placement.kind != "OVER":
        bases = _beside_others(context, bases, extents)
    return [_Place(base, scale, yaw) for base, scale in zip(bases, scales, strict=True)]


def _beside_others(
    context, bases: Sequence[tuple[float, float, float]], extents: Sequence[np.ndarray]
) -> list[tuple[float, float, float]]:
    """Move results together to the right until none of them is inside another object."""
    half = np.array(extents, dtype=np.float64) * (0.5, 0.5, 1.0)
    low = np.array(bases) - half * (1.0, 1.0, 0.0)
    wanted = np.stack([low, np.array(bases) + half], axis=1)
    shift = clearance.shift_right(wanted, clearance.boxes_of(context))
    return [(x + shift, y, z) for x, y, z in bases]


def _target(context, placeholder: bpy.types.Object | None) -> bpy.types.Collection:
    """Return the collection that receives the results: one that shows the placeholder, if any."""
    if placeholder is not None and placeholder.visible_get():
        for layer in _shown_layers(context.view_layer.layer_collection):
            collection = layer.collection
            if collection.is_editable and placeholder.name in collection.objects:
                return collection
    return mesh_build.receiving_collection(context)


def _shown_layers(layer: bpy.types.LayerCollection) -> Iterator[bpy.types.LayerCollection]:
    if not layer.exclude and layer.is_visible:
        yield layer
    for child in layer.children:
        yield from _shown_layers(child)


def _retire(context, placement: Placement, successor: bpy.types.Object) -> None:
    """Do with a placeholder what was chosen; a linked one can only be hidden here."""
    for uid in placement.further_uids:
        _retire(context, Placement(placeholder_uid=uid, action=placement.action), successor)
    placeholder = _placeholder(context, placement)
    if placeholder is None:
        return
    if placement.action == "REPLACE" and placeholder.is_editable:
        levels.remove(placeholder)
        _adopt(placeholder.children, successor)
        if placeholder.parent is not None:
            _keep_in_place(successor, placeholder.parent)
        bpy.data.objects.remove(placeholder)
    elif placement.action != "KEEP":
        placeholder.hide_set(True)
        levels.hide(context.view_layer, placeholder)
        if placeholder.is_editable:
            placeholder.hide_render = True


def _adopt(children: Iterable[bpy.types.Object], parent: bpy.types.Object) -> None:
    for child in list(children):
        if child.is_editable:
            _keep_in_place(child, parent)


def _keep_in_place(child: bpy.types.Object, parent: bpy.types.Object) -> None:
    """Parent one object to another without moving it."""
    place: Matrix = child.matrix_world.copy()
    child.parent, child.parent_type = parent, "OBJECT"
    child.matrix_parent_inverse = parent.matrix_world.inverted_safe()
    child.matrix_world = place
