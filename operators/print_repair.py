# SPDX-License-Identifier: GPL-3.0-or-later
"""Repair: what the print check found and what can be mended without asking.

Everything is worked out on a copy, which replaces the mesh in the last step: what fails leaves the
object as it was. Faces that stay keep their UVs, materials and attributes.
"""

from __future__ import annotations

from dataclasses import dataclass

import bmesh
import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty
from mathutils import Matrix, Vector

from ..core.print_report import Triangles
from . import mesh_arrays, messages, print_check
from .print_settings import size_of

WELD_SHARE = 1e-6
"""Of the diagonal: vertices nearer than that are the same one."""
HOLE_SHARE = 1.0
"""Of the diagonal: holes with a longer rim are left, since nobody knows what is missing there."""


@dataclass
class Mended:
    """How many of each were mended."""

    welded: int = 0
    filled: int = 0
    removed: int = 0
    specks: int = 0
    turned: int = 0

    def __bool__(self) -> bool:
        return bool(self.welded or self.filled or self.removed or self.specks or self.turned)


class MAQUETTE_OT_print_repair(bpy.types.Operator):
    """Mend what keeps the active mesh from printing, as far as that is possible"""

    bl_idname = "maquette.print_repair"
    bl_label = "Repair for Printing"
    bl_options = {"REGISTER", "UNDO"}

    weld: BoolProperty(
        name="Weld Seams",
        description="Join vertices along open edges that lie in the same place",
        default=True,
    )
    fill_holes: BoolProperty(
        name="Fill Small Holes",
        description="Close holes whose rim is shorter than the object's diagonal",
        default=True,
    )
    clean: BoolProperty(
        name="Remove Surplus Faces",
        description="Delete faces that have no area or are there twice",
        default=True,
    )
    turn: BoolProperty(
        name="Turn Faces Outward",
        description="Make every face point away from the inside",
        default=True,
    )
    drop_specks: BoolProperty(
        name="Remove Specks",
        description="Delete floating parts with less than 2 percent of the area",
        default=True,
    )
    set_size: BoolProperty(
        name="Set Size",
        description="Scale the object to the size in the settings, if one is set there",
        default=True,
    )
    set_down: BoolProperty(
        name="Put on the Bed",
        description="Move the object until its lowest point is at a height of 0",
        default=True,
    )

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        if active is None or active.type != "MESH":
            cls.poll_message_set("Select a mesh object")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Switch to Object Mode first")
            return False
        if not active.data.is_editable or not active.is_editable:
            cls.poll_message_set("The object is linked from another file: make it local first")
            return False
        if any(each.show_viewport for each in active.modifiers):
            cls.poll_message_set("Apply the modifiers of the object first")
            return False
        if active.data.shape_keys is not None:
            cls.poll_message_set("Apply the shape keys of the object first")
            return False
        return True

    def execute(self, context):
        active = context.view_layer.objects.active
        try:
            mended = self._mend(context, active)
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        has_moved = self._place(context, active)
        if mended or has_moved:
            self.report({"INFO"}, _in_words(mended))
        else:
            self.report({"INFO"}, rpt_("There was nothing to repair"))
        print_check.begin(context, active)
        return {"FINISHED"}

    def _mend(self, context, subject: bpy.types.Object) -> Mended:
        """Replace the mesh by a mended one, if there is anything to mend."""
        mended = Mended()
        work = bmesh.new()
        try:
            work.from_mesh(subject.data)
            diagonal = _diagonal(work)
            if self.weld:
                mended.welded = _weld(work, WELD_SHARE * diagonal)
            self._follow_plan(context, subject, work, mended)
            if self.fill_holes:  # Last, when the faces around them go the right way round.
                mended.filled = _fill_holes(work, HOLE_SHARE * diagonal)
            if mended:
                if subject.data.users > 1:
                    subject.data = subject.data.copy()  # Others stay as they are.
                work.to_mesh(subject.data)
                subject.data.update()
        finally:
            work.free()
        return mended

    def _follow_plan(self, context, subject, work: bmesh.types.BMesh, mended: Mended) -> None:
        from ..core.print_check import plan_repair

        vertices, faces, polygons = _arrays(work)
        if not len(faces):
            return
        world = np.array(subject.matrix_world, dtype=np.float64)
        if np.linalg.det(world[:3, :3]) < 0:
            faces = faces[:, ::-1]  # Mirrored, and with it the way round.
        plan = plan_repair(
            Triangles(vertices @ world[:3, :3].T, faces),
            millimetres_per_unit=mesh_arrays.millimetres_per_unit(context.scene),
        )
        work.faces.ensure_lookup_table()
        if self.turn:
            turned = _whole_polygons(polygons, plan.turned_faces)
            for index in turned:
                work.faces[index].normal_flip()
            mended.turned = len(turned)
        surplus = _whole_polygons(polygons, plan.surplus_faces) if self.clean else []
        specks = _whole_polygons(polygons, plan.speck_faces) if self.drop_specks else []
        mended.removed, mended.specks = len(surplus), len(specks)
        gone = [work.faces[index] for index in sorted({*surplus, *specks})]
        bmesh.ops.delete(work, geom=gone, context="FACES")

    def _place(self, context, subject: bpy.types.Object) -> bool:
        """Scale and move the object as the settings say; tell whether that changed anything."""
        context.view_layer.update()
        before = subject.matrix_world.copy()
        unit = mesh_arrays.millimetres_per_unit(context.scene)
        wanted = size_of(context.scene.maquette_print) if self.set_size else None
        low, high = _bounds(context, subject)
        longest = max(high - low)
        if wanted is not None and longest > 0:
            pivot = Vector(((low.x + high.x) / 2, (low.y + high.y) / 2, low.z))
            growth = Matrix.Scale(wanted / unit / longest, 4)
            _move(context, subject, Matrix.Translation(pivot) @ growth @ Matrix.Translation(-pivot))
        if self.set_down and abs(low.z) > 1e-6 * longest:
            _move(context, subject, Matrix.Translation((0.0, 0.0, -low.z)))
        return any(
            abs(a - b) > 1e-6 * max(longest, 1.0)
            for row, other in zip(before, subject.matrix_world, strict=True)
            for a, b in zip(row, other, strict=True)
        )


def _move(context, subject: bpy.types.Object, motion: Matrix) -> None:
    subject.matrix_world = motion @ subject.matrix_world
    context.view_layer.update()


def _bounds(context, subject: bpy.types.Object) -> tuple[Vector, Vector]:
    points = mesh_arrays.read(subject, context.evaluated_depsgraph_get()).vertices
    if not len(points):
        return Vector((0, 0, 0)), Vector((0, 0, 0))
    return Vector(points.min(axis=0)), Vector(points.max(axis=0))


def _arrays(work: bmesh.types.BMesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return positions, triangles, and the polygon of each triangle."""
    copy = bpy.data.meshes.new("")
    try:
        work.to_mesh(copy)
        return mesh_arrays.read_mesh(copy)
    finally:
        bpy.data.meshes.remove(copy)


def _whole_polygons(polygons: np.ndarray, is_chosen: np.ndarray) -> list[int]:
    """Return the polygons of which all triangles are chosen."""
    spared = np.isin(polygons, polygons[~is_chosen])
    return np.unique(polygons[~spared]).tolist()


def _diagonal(work: bmesh.types.BMesh) -> float:
    points = np.array([vertex.co for vertex in work.verts]).reshape(-1, 3)
    return float(np.linalg.norm(np.ptp(points, axis=0))) if len(points) else 0.0


def _weld(work: bmesh.types.BMesh, distance: float) -> int:
    """Join vertices of open edges; closed parts that touch stay two."""
    before = len(work.verts)
    rim = {vertex for edge in work.edges if edge.is_boundary for vertex in edge.verts}
    bmesh.ops.remove_doubles(work, verts=list(rim), dist=distance)
    return before - len(work.verts)


def _fill_holes(work: bmesh.types.BMesh, longest_rim: float) -> int:
    """Close holes with short rims; the new faces look like those around them."""
    made = []
    for rim in _rims(work):
        if sum(corner.edge.calc_length() for corner in rim) > longest_rim:
            continue
        like = {corner.link_loop_next.vert: corner.link_loop_next for corner in rim}
        try:
            lid = work.faces.new(list(like), rim[0].face)
        except ValueError:
            continue  # Of a single face, which would get a double.
        one = rim[0] if _crosses_seam(work, rim) else None
        for corner in lid.loops:
            corner.copy_from(one or like[corner.vert])
        lid.normal_update()
        made.append(lid)
    bmesh.ops.triangulate(work, faces=[lid for lid in made if len(lid.verts) > 3])
    return len(made)


def _crosses_seam(work: bmesh.types.BMesh, rim: list[bmesh.types.BMLoop]) -> bool:
    """Tell whether a lid with the UVs around it would show everything between two islands."""
    return any(
        (corner[layer].uv - after.link_loop_next[layer].uv).length > 1e-6
        for layer in work.loops.layers.uv.values()
        for corner, after in zip(rim, [*rim[1:], rim[0]], strict=True)
    )


def _rims(work: bmesh.types.BMesh) -> list[list[bmesh.types.BMLoop]]:
    """Return the rims of holes, each as the corners of the faces around it.

    They follow one another against the direction of those faces, as the corners of a lid have to.
    """
    after: dict[bmesh.types.BMVert, list[bmesh.types.BMLoop]] = {}
    for edge in work.edges:
        if edge.is_boundary:
            corner = edge.link_loops[0]
            after.setdefault(corner.link_loop_next.vert, []).append(corner)
    rims = []
    while after:
        start = at = next(iter(after))
        rim, passed = [], set()
        while at in after and at not in passed:
            passed.add(at)
            rim.append(after[at].pop())
            if not after[at]:
                del after[at]
            at = rim[-1].vert
        if at is start and len(rim) > 2:
            rims.append(rim)
    return rims


def _in_words(mended: Mended) -> str:
    pieces = (
        (mended.welded, rpt_("vertices welded: {count}")),
        (mended.filled, rpt_("holes filled: {count}")),
        (mended.removed, rpt_("surplus faces removed: {count}")),
        (mended.specks, rpt_("faces of specks removed: {count}")),
        (mended.turned, rpt_("faces turned: {count}")),
    )
    done = [text.format(count=count) for count, text in pieces if count]
    return (
        rpt_("Repaired: {list}").format(list=", ".join(done))
        if done
        else rpt_("The object was placed")
    )


CLASSES = (MAQUETTE_OT_print_repair,)
