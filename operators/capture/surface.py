# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of a scene, with modifiers and instances, as one painted surface.

Main thread only; reads and changes nothing. What comes back is numpy: `core/encode.py` measures
and encodes it on any thread, without another program and without rendering the scene.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import bpy
import numpy as np

from ...core.asset import Paint, Surface
from .material import PaintBox

_TYPES = {"MESH", "CURVE", "SURFACE", "FONT", "META"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """A surface, and what of its colours had to be guessed."""

    surface: Surface
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """The triangles of one object; uvs and colours have a layer "" for the active one."""

    vertices: np.ndarray
    faces: np.ndarray
    normals: np.ndarray
    paints: np.ndarray
    uvs: dict[str, np.ndarray]
    colors: dict[str, np.ndarray]


def capture(
    depsgraph: bpy.types.Depsgraph, objects: Collection[bpy.types.Object] | None = None
) -> Captured:
    """Return what objects show, as evaluated, in the scene's coordinates.

    Args:
        depsgraph: evaluated, such as `context.evaluated_depsgraph_get()`.
        objects: originals, such as `context.selected_objects`, with what they instance; None for
            every object that would be rendered.
    """
    wanted = None if objects is None else {each.session_uid for each in objects}
    box = PaintBox()
    pieces = [
        piece
        for instance in depsgraph.object_instances
        if _is_wanted(instance, wanted)
        for piece in _pieces(instance, box)
    ]
    return Captured(surface=_join(pieces, box.paints), notes=tuple(box.notes))


def _is_wanted(instance: bpy.types.DepsgraphObjectInstance, wanted: set[int] | None) -> bool:
    if not instance.show_self or instance.object.type not in _TYPES:
        return False
    source = instance.parent if instance.is_instance else instance.object
    if wanted is not None:
        return source.original.session_uid in wanted
    return not source.original.hide_render and not instance.object.original.hide_render


def _pieces(instance: bpy.types.DepsgraphObjectInstance, box: PaintBox) -> Iterator[_Piece]:
    found = instance.object
    mesh = found.to_mesh()
    if mesh is None:
        return
    try:
        mesh.calc_loop_triangles()
        if mesh.loop_triangles:
            yield _piece(found, mesh, np.array(instance.matrix_world), box)
    finally:
        found.to_mesh_clear()


def _piece(
    found: bpy.types.Object, mesh: bpy.types.Mesh, matrix: np.ndarray, box: PaintBox
) -> _Piece:
    triangles = mesh.loop_triangles
    vertices = _read(mesh.vertices, "co", 3)
    faces = _read(triangles, "vertices", 3, np.int32)
    loops = _read(triangles, "loops", 3, np.int32)
    normals = _read(mesh.corner_normals, "vector", 3)[loops]
    slots = _read(triangles, "material_index", 1, np.int32)[:, 0]
    if np.linalg.det(matrix[:3, :3]) < 0:
        # A mirrored object would be inside out.
        flip = [0, 2, 1]
        faces, loops, normals = faces[:, flip], loops[:, flip], normals[:, flip]
    linear = matrix[:3, :3]
    turned = normals @ np.linalg.pinv(linear)
    turned /= np.maximum(np.linalg.norm(turned, axis=-1, keepdims=True), 1e-12)
    return _Piece(
        vertices=(vertices @ linear.T + matrix[:3, 3]).astype(np.float32),
        faces=faces,
        normals=turned.astype(np.float32),
        paints=_paints_of(found, mesh, box, int(slots.max()))[slots],
        uvs=_uvs(mesh, loops),
        colors=_colors(mesh, loops),
    )


def _paints_of(
    found: bpy.types.Object, mesh: bpy.types.Mesh, box: PaintBox, highest: int
) -> np.ndarray:
    """Return the index of the paint of each material slot up to the highest, [slots]."""
    materials = [slot.material for slot in found.material_slots] or [None]
    has_colors = bool(mesh.color_attributes)
    paints = [box.index_of(material, has_colors=has_colors) for material in materials]
    # A face may name a slot that was removed since; it then shows the last one.
    paints += paints[-1:] * max(0, highest + 1 - len(paints))
    return np.array(paints, dtype=np.int32)


def _uvs(mesh: bpy.types.Mesh, loops: np.ndarray) -> dict[str, np.ndarray]:
    layers = {layer.name: _read(layer.uv, "vector", 2)[loops] for layer in mesh.uv_layers}
    active = next((layer.name for layer in mesh.uv_layers if layer.active_render), "")
    return {"": layers[active], **layers} if active in layers else layers


def _colors(mesh: bpy.types.Mesh, loops: np.ndarray) -> dict[str, np.ndarray]:
    """Return colour attributes at the corners of triangles, linear, [F, 3, 3] each."""
    layers = {}
    vertices = _read(mesh.loops, "vertex_index", 1, np.int32)[:, 0]
    for layer in mesh.color_attributes:
        if layer.domain in {"POINT", "CORNER"}:
            values = _read(layer.data, "color", 4)[:, :3]
            layers[layer.name] = values[vertices[loops] if layer.domain == "POINT" else loops]
    index = max(mesh.color_attributes.render_color_index, 0)
    names = [layer.name for layer in mesh.color_attributes]
    active = names[index] if index < len(names) else ""
    return {"": layers[active], **layers} if active in layers else layers


def _read(items: object, name: str, width: int, dtype: type = np.float32) -> np.ndarray:
    """Return one attribute of a collection, [items, width]."""
    values = np.empty(len(items) * width, dtype=dtype)
    items.foreach_get(name, values)
    return values.reshape(-1, width)


def _join(pieces: list[_Piece], paints: list[Paint]) -> Surface:
    starts = np.cumsum([0, *(len(piece.vertices) for piece in pieces)])
    faces = [p.faces + start for p, start in zip(pieces, starts, strict=False)]
    return Surface(
        vertices=_stack([p.vertices for p in pieces], (0, 3), np.float32),
        faces=_stack(faces, (0, 3), np.int32),
        corner_normals=_stack([p.normals for p in pieces], (0, 3, 3), np.float32),
        paints=tuple(paints),
        face_paints=_stack([p.paints for p in pieces], (0,), np.int32),
        corner_uvs=_layers([(p.uvs, len(p.faces)) for p in pieces], 2, 0.0),
        corner_colors=_layers([(p.colors, len(p.faces)) for p in pieces], 3, 1.0),
    )


def _stack(arrays: list[np.ndarray], empty: tuple[int, ...], dtype: type) -> np.ndarray:
    return np.concatenate(arrays).astype(dtype) if arrays else np.empty(empty, dtype=dtype)


def _layers(
    pieces: list[tuple[dict[str, np.ndarray], int]], width: int, missing: float
) -> dict[str, np.ndarray]:
    """Join layers by name; an object without one of them gets `missing` there."""
    names = dict.fromkeys(name for layers, _ in pieces for name in layers)
    return {
        name: np.concatenate(
            [
                layers.get(name, np.full((count, 3, width), missing, dtype=np.float32))
                for layers, count in pieces
            ]
        )
        for name in names
    }
