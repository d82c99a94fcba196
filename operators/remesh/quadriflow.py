# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's QuadriFlow on a copy of a mesh, checked before anybody sees it.

It refuses meshes with an edge shorter than 1e-4 units, whatever their size, and says so in words
about manifolds; so the copy is made large. It also answers {"CANCELLED"} instead of raising.
"""

from __future__ import annotations

from typing import Literal

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as rpt_

from .. import mesh_facts
from . import escape

MEAN_EDGE = 1.0
"""Length of the copy's edges, in Blender units."""
SHORTEST_EDGE = 2e-4
"""Of the copy: shorter ones are welded. A ten-thousandth of the mean is no detail."""


class QuadsError(Exception):
    """There are no quads; the text is why, as the middle of a sentence."""


class HalvesError(QuadsError):
    """Two sides that are to be the same do not fit together."""


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
    if not is_symmetric:
        return _attempt(context, mesh, num_quads, "NONE")
    try:
        return _attempt(context, mesh, num_quads, "HALVES")
    except HalvesError:
        return _attempt(context, mesh, num_quads, "OWN")


def _attempt(
    context, mesh: bpy.types.Mesh, num_quads: int, symmetry: Literal["NONE", "HALVES", "OWN"]
) -> tuple[np.ndarray, np.ndarray]:
    """Try it in one way: `HALVES` mirrors one half here, `OWN` leaves that to Blender.

    Neither always gives sides that fit: Blender joins only what meets exactly, and QuadriFlow may
    close a half by itself, or put two corners of a face on the border.
    """
    copy = mesh.copy()
    holder = bpy.data.objects.new("Maquette QuadriFlow", copy)
    try:
        scale = _enlarge(copy)
        was_closed = mesh_facts.is_closed(copy)
        _require_manifold(copy)
        cut = None
        if symmetry == "HALVES":
            _halve(copy)
            cut, num_quads = _open_edges(copy), num_quads // 2
        copy.use_mirror_x = symmetry == "OWN"
        _run(context, holder, num_quads, is_symmetric=symmetry == "OWN")
        points, quads = _read_quads(holder.data)
        if cut is not None:
            points, quads = _mirrored(points, quads, cut)
        if was_closed and not _is_closed(quads):
            error = QuadsError if symmetry == "NONE" else HalvesError
            raise error(rpt_("holes came out"))
        return np.ascontiguousarray(points / np.float32(scale)), quads
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


def _require_manifold(mesh: bpy.types.Mesh) -> None:
    """Refuse what QuadriFlow refuses; Blender 4.2 answers {"FINISHED"} all the same."""
    edges = np.empty(len(mesh.loops), dtype=np.int32)
    mesh.attributes[".corner_edge"].data.foreach_get("value", edges)
    if np.bincount(edges).max() > 2:
        raise QuadsError(rpt_("it has edges with three faces"))


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


def _halve(mesh: bpy.types.Mesh) -> None:
    """Keep what is on the side of positive X, open where it was cut."""
    import bmesh

    edit = bmesh.new()
    try:
        edit.from_mesh(mesh)
        bmesh.ops.bisect_plane(
            edit,
            geom=[*edit.verts, *edit.edges, *edit.faces],
            dist=50 * SHORTEST_EDGE,
            plane_co=(0.0, 0.0, 0.0),
            plane_no=(1.0, 0.0, 0.0),
            clear_inner=True,
        )
        bmesh.ops.dissolve_degenerate(edit, dist=SHORTEST_EDGE, edges=edit.edges)
        bmesh.ops.triangulate(edit, faces=edit.faces)
        edit.to_mesh(mesh)
    finally:
        edit.free()
    if not len(mesh.polygons):
        raise QuadsError(rpt_("nothing is left of its middle to mirror"))


def _run(context, holder: bpy.types.Object, num_quads: int, *, is_symmetric: bool) -> None:
    before = _points(holder.data)
    _ask(context, holder, num_quads, is_symmetric=is_symmetric)
    if np.array_equal(before, _points(holder.data)):
        escape.forget(context, holder)
        _ask(context, holder, num_quads, is_symmetric=is_symmetric)
    if np.array_equal(before, _points(holder.data)):
        raise QuadsError(rpt_("it was stopped, render once and try again"))
    if not len(holder.data.polygons):
        raise QuadsError(rpt_("nothing came out"))


def _ask(context, holder: bpy.types.Object, num_quads: int, *, is_symmetric: bool) -> None:
    try:
        with context.temp_override(**escape.as_seen(holder)):
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
        raise QuadsError(rpt_("its faces look inward here and outward there"))


def _read_quads(mesh: bpy.types.Mesh) -> tuple[np.ndarray, np.ndarray]:
    sizes = np.empty(len(mesh.polygons), dtype=np.int32)
    mesh.polygons.foreach_get("loop_total", sizes)
    if (sizes != 4).any():
        raise QuadsError(rpt_("not all faces became quads"))
    points = _points(mesh)
    if not np.isfinite(points).all():
        raise QuadsError(rpt_("nothing came out"))
    quads = np.empty(len(mesh.loops), dtype=np.int32)
    mesh.loops.foreach_get("vertex_index", quads)
    # It may leave vertices behind that no face uses.
    used, quads = np.unique(quads, return_inverse=True)
    return points[used], quads.reshape(-1, 4).astype(np.int32)


def _open_edges(mesh: bpy.types.Mesh) -> np.ndarray:
    """Return the ends of the edges at X = 0 that have one face, [E, 2, 3]."""
    edges = np.empty(len(mesh.loops), dtype=np.int32)
    mesh.attributes[".corner_edge"].data.foreach_get("value", edges)
    is_open = np.bincount(edges, minlength=len(mesh.edges)) == 1
    ends = _points(mesh)[_read(mesh.edges, "vertices", 2)[is_open]]
    return ends[(np.abs(ends[..., 0]) < MEAN_EDGE / 10).all(axis=1)]


def _mirrored(
    points: np.ndarray, quads: np.ndarray, cut: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return half a mesh with its mirror image, joined where it is open at X = 0.

    Args:
        points: [V, 3].
        quads: [Q, 4].
        cut: ends of the edges that the half was cut along, [E, 2, 3].
    """
    edges, counts = _edges(quads)
    rim = np.unique(edges[counts == 1])
    rim = rim[np.abs(points[rim, 0]) < MEAN_EDGE]  # Other holes stay what they are.
    if not len(rim):
        # With few quads QuadriFlow may close each half by itself.
        raise HalvesError(rpt_("both sides came out apart, ask for more quads"))
    # QuadriFlow does not keep its borders where they were.
    points[rim] = _nearest_on(points[rim], cut) * np.float32([0, 1, 1])
    is_shared = np.zeros(len(points), dtype=bool)
    is_shared[rim] = True
    image = np.cumsum(~is_shared) - 1 + len(points)
    image[rim] = rim
    both = np.concatenate([points, points[~is_shared] * np.float32([-1, 1, 1])])
    return both, np.concatenate([quads, image[quads][:, ::-1]]).astype(np.int32)


def _nearest_on(points: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return the places on lines [L, 2, 3] that are nearest to points, [P, 3]."""
    if not len(lines):
        return points
    start, along = lines[:, 0], lines[:, 1] - lines[:, 0]
    square = np.maximum((along**2).sum(axis=1), 1e-20)
    found = np.empty_like(points)
    for index, point in enumerate(points):  # Some hundred, each against all lines at once.
        share = (((point - start) * along).sum(axis=1) / square).clip(0.0, 1.0)
        places = start + share[:, None] * along
        found[index] = places[((places - point) ** 2).sum(axis=1).argmin()]
    return found


def _is_closed(quads: np.ndarray) -> bool:
    return bool((_edges(quads)[1] == 2).all())


def _edges(quads: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the edges of quads, [E, 2], and how many faces each has, [E]."""
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    return np.unique(np.sort(ends, axis=1), axis=0, return_counts=True)


def _points(mesh: bpy.types.Mesh) -> np.ndarray:
    return _read(mesh.attributes["position"].data, "vector", 3, np.float32)


def _read(items, name: str, width: int, kind: type = np.int32) -> np.ndarray:
    values = np.empty(len(items) * width, dtype=kind)
    items.foreach_get(name, values)
    return values.reshape(-1, width)
