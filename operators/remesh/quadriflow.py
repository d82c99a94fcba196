# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's QuadriFlow on a copy of a mesh, checked before anybody sees it.

It refuses meshes with an edge shorter than 1e-4 units, whatever their size, and says so in words
about manifolds; so the copy is made large. It also answers {"CANCELLED"} instead of raising.
"""

from __future__ import annotations

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as rpt_

from .. import mesh_facts

MEAN_EDGE = 1.0
"""Length of the copy's edges, in Blender units."""
SHORTEST_EDGE = 2e-4
"""Of the copy: shorter ones are welded. A ten-thousandth of the mean is no detail."""


class QuadsError(Exception):
    """There are no quads; the text is why, as the middle of a sentence."""


def quads_of(
    context, mesh: bpy.types.Mesh, num_quads: int, *, is_symmetric: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices [V, 3] and quads [Q, 4] of about that number. Blocks for seconds.

    Nothing in the scene is changed, and no undo step is made.

    Args:
        context: of an operator, in Object Mode.
        mesh: what to follow.
        num_quads: how many there should be; QuadriFlow takes it as a wish.
        is_symmetric: whether the left of X and its right get the same quads.

    Raises:
        QuadsError: it cannot be done.
    """
    copy = mesh.copy()
    holder = bpy.data.objects.new("Maquette QuadriFlow", copy)
    try:
        scale = _enlarge(copy)
        was_closed = mesh_facts.is_closed(copy)
        copy.use_mirror_x = is_symmetric
        _run(context, holder, num_quads, is_symmetric)
        return _checked(holder.data, scale, was_closed)
    finally:
        left = holder.data
        bpy.data.objects.remove(holder)
        for data in {left, copy}:
            if not data.users:
                bpy.data.meshes.remove(data)


def _enlarge(mesh: bpy.types.Mesh) -> float:
    """Scale a mesh until its edges are long enough, weld those that are not; return the scale."""
    points, edges = _points(mesh), _read(mesh.edges, "vertices", 2)
    if not len(edges):
        raise QuadsError(rpt_("there are no faces"))
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    scale = MEAN_EDGE / max(float(lengths.mean()), 1e-12)
    mesh.attributes["position"].data.foreach_set("vector", (points * scale).ravel())
    if float(lengths.min()) * scale < SHORTEST_EDGE:
        _weld(mesh)
    mesh.update()
    return scale


def _weld(mesh: bpy.types.Mesh) -> None:
    import bmesh

    edit = bmesh.new()
    try:
        edit.from_mesh(mesh)
        bmesh.ops.dissolve_degenerate(edit, dist=SHORTEST_EDGE, edges=edit.edges)
        bmesh.ops.triangulate(edit, faces=[each for each in edit.faces if len(each.verts) > 4])
        edit.to_mesh(mesh)
    finally:
        edit.free()


def _run(context, holder: bpy.types.Object, num_quads: int, is_symmetric: bool) -> None:
    seen = {"object": holder, "active_object": holder}
    chosen = {"selected_objects": [holder], "selected_editable_objects": [holder]}
    try:
        with context.temp_override(**seen, **chosen):
            answer = bpy.ops.object.quadriflow_remesh(
                mode="FACES",
                target_faces=num_quads,
                use_mesh_symmetry=is_symmetric,
                use_preserve_sharp=False,
                use_preserve_boundary=True,
                smooth_normals=False,
                seed=0,
            )
    except RuntimeError as error:
        raise QuadsError(str(error).strip().splitlines()[-1]) from error
    if answer != {"FINISHED"}:
        raise QuadsError(rpt_("the mesh has edges with three faces, or faces that look inward"))
    if not len(holder.data.polygons):
        raise QuadsError(rpt_("nothing came out"))


def _checked(mesh: bpy.types.Mesh, scale: float, was_closed: bool) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.empty(len(mesh.polygons), dtype=np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    if (sizes != 4).any():
        raise QuadsError(rpt_("not all faces became quads"))
    points = _points(mesh)
    if not np.isfinite(points).all():
        raise QuadsError(rpt_("nothing came out"))
    if was_closed and not mesh_facts.is_closed(mesh):
        raise QuadsError(rpt_("holes came out"))
    quads = np.empty(len(mesh.loops), dtype=np.int32)
    mesh.loops.foreach_get("vertex_index", quads)
    return np.ascontiguousarray(points / np.float32(scale)), quads.reshape(-1, 4)


def _points(mesh: bpy.types.Mesh) -> np.ndarray:
    return _read(mesh.attributes["position"].data, "vector", 3, np.float32)


def _read(items, name: str, width: int, kind: type = np.int32) -> np.ndarray:
    values = np.empty(len(items) * width, dtype=kind)
    items.foreach_get(name, values)
    return values.reshape(-1, width)
