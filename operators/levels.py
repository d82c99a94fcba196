# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes with a result: coarser meshes for a distance (LODs), and one to collide with.

They are children of the result in its place, told by custom properties and hidden, since all of
them stand inside it. Nothing is kept beside them, so undo, saving and reopening need no help.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import IntProperty

from ..core.config import MAX_LODS
from ..core.mesh import GenerationResult, HullData
from . import mesh_build

LEVEL_KEY = "maquette_level"
"""Custom property of a coarser mesh: its number, from 1; the result itself is level 0."""
COLLISION_KEY = "maquette_collision"
"""Custom property of a mesh to collide with."""
MAX_EXPORT_NAME = 54
"""Bytes of a result's name where there is more to its end and beginning; Blender allows 63."""


def name_of(owner: str, number: int | None) -> str:
    """Return the name of a level of a result of that name, or of its collision mesh for None.

    Unity knows levels by the end of a name, Unreal collision meshes by its beginning.
    """
    return f"UCX_{owner}" if number is None else f"{owner}_LOD{number}"


def build_meshes(result: GenerationResult) -> Iterator[bpy.types.Mesh]:
    """Yield the meshes that come with a variant, without material; the collision mesh is last."""
    for number, data in enumerate(result.lods, 1):
        yield mesh_build.build_mesh(name_of(result.name, number), data)
    if result.collision is not None:
        yield _hull_mesh(name_of(result.name, None), result.collision)


def _hull_mesh(name: str, hull: HullData) -> bpy.types.Mesh:
    mesh = bpy.data.meshes.new(name)
    count = len(hull.faces)
    mesh.vertices.add(len(hull.vertices))
    mesh.loops.add(3 * count)
    mesh.polygons.add(count)
    mesh.vertices.foreach_set("co", hull.vertices.ravel())
    mesh.loops.foreach_set("vertex_index", hull.faces.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, 3 * count, 3, dtype=np.int32))
    mesh.update(calc_edges=True)
    mesh.shade_flat()
    return mesh


def attach(
    owner: bpy.types.Object, result: GenerationResult, meshes: Sequence[bpy.types.Mesh]
) -> None:
    """Make a child of a result from each of the meshes that `build_meshes` yielded for it."""
    for number, mesh in enumerate(meshes, 1):
        is_level = number <= len(result.lods)
        name = name_of(owner.name, number if is_level else None)
        child = bpy.data.objects.new(name, mesh)
        mesh.name = name
        child.parent = owner
        child.hide_render = True
        if is_level:
            child[LEVEL_KEY] = number
            for material in owner.data.materials:
                mesh.materials.append(material)
        else:
            child[COLLISION_KEY] = True
            child.display_type = "WIRE"
        for collection in owner.users_collection:
            collection.objects.link(child)


def of(owner: bpy.types.Object) -> list[bpy.types.Object]:
    """Return what comes with a result: its levels from the finest on, then the collision mesh."""
    found = [each for each in owner.children if LEVEL_KEY in each or COLLISION_KEY in each]
    return sorted(found, key=lambda each: each.get(LEVEL_KEY, MAX_LODS + 1))


def remove(owner: bpy.types.Object) -> None:
    """Delete what comes with a result, with the meshes that nothing else uses."""
    for child in of(owner):
        mesh = child.data
        bpy.data.objects.remove(child)
        if mesh is not None and not mesh.users:
            bpy.data.meshes.remove(mesh)


def move(
    owner: bpy.types.Object, source: bpy.types.Collection, target: bpy.types.Collection
) -> None:
    """Take what comes with a result from one collection to another."""
    for child in of(owner):
        if target.objects.get(child.name) != child:
            target.objects.link(child)
        if source.objects.get(child.name) == child:
            source.objects.unlink(child)


def hide(view_layer: bpy.types.ViewLayer, owner: bpy.types.Object) -> None:
    """Hide what comes with a result; after an update of a view layer that it is new in."""
    for child in of(owner):
        _show(view_layer, child, False)


def _show(view_layer: bpy.types.ViewLayer, subject: bpy.types.Object, is_shown: bool) -> None:
    if subject.name in view_layer.objects:  # It may be in a collection that is left out.
        subject.hide_set(not is_shown, view_layer=view_layer)


@contextmanager
def shown_for_export(
    view_layer: bpy.types.ViewLayer, owners: Sequence[bpy.types.Object]
) -> Iterator[None]:
    """Show what comes with results, named after what these are called now, as long as it lasts.

    A result with levels is level 0 of them, and is called so: Unity asks for that.
    """
    before = []
    try:
        for owner in owners:
            for each, name in _export_names(owner).items():
                before.append((each, each.name, each.hide_get(view_layer=view_layer)))
                each.name = name
                _show(view_layer, each, True)
        yield
    finally:
        for each, name, was_hidden in reversed(before):
            each.name = name
            _show(view_layer, each, not was_hidden)


def _export_names(owner: bpy.types.Object) -> dict[bpy.types.Object, str]:
    name = owner.name.encode()[:MAX_EXPORT_NAME].decode(errors="ignore")
    numbers = {each: each[LEVEL_KEY] for each in of(owner) if LEVEL_KEY in each}
    names = {each: f"{name}_LOD{number}" for each, number in numbers.items()}
    own_name = f"{name}_LOD0" if numbers else owner.name
    collisions = {each: f"UCX_{own_name}" for each in of(owner) if COLLISION_KEY in each}
    return ({owner: own_name} | names | collisions) if names or collisions else {}


class MAQUETTE_OT_show_level(bpy.types.Operator):
    """Show this level of detail of the active object instead of the others"""

    bl_idname = "maquette.show_level"
    bl_label = "Show Level of Detail"
    bl_options = {"REGISTER", "UNDO"}

    level: IntProperty(
        name="Level",
        description="0 is the object itself, higher ones have fewer triangles",
        min=0,
        max=MAX_LODS,
    )

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        if active is None or not any(LEVEL_KEY in each for each in active.children):
            cls.poll_message_set("Select an object that Maquette made with LODs")
            return False
        return True

    def execute(self, context):
        active = context.view_layer.objects.active
        levels = {each[LEVEL_KEY]: each for each in of(active) if LEVEL_KEY in each}
        if self.level and self.level not in levels:
            self.report({"ERROR"}, rpt_("The object has no such level: choose another"))
            return {"CANCELLED"}
        for number, each in ({0: active} | levels).items():
            _show(context.view_layer, each, number == self.level)
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_show_level,)
