# SPDX-License-Identifier: GPL-3.0-or-later
"""A finished variant as Blender data: mesh, colours, image, material, object.

Arrays only, since this runs on the main thread and the window stands still meanwhile: 200,000
vertices take 0.1 s by way of attributes, 0.7 s by way of from_pydata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import bpy
import numpy as np

from ..core import latent_file
from ..core.inputs import KnownLatent
from ..core.mesh import SHARP_ANGLE, GenerationRecord, GenerationResult, MeshData
from ..core.painted import quad_uvs
from .materials import COLOR_ATTRIBUTE, UV_MAP, build_image, build_material
from .variants import thumbnails

RECORD_KEY = "maquette"
"""Custom property that holds the whole record as JSON; the others are for reading."""
LATENT_KEY = f"{RECORD_KEY}_latent"
"""Of a result that began with a mesh: its latent as text, which no seed gives again."""


def add_object(
    context, result: GenerationResult, *, location: tuple[float, float, float]
) -> bpy.types.Object:
    """Add a variant to the scene, selected and active.

    Args:
        context: its view layer receives the object, in the active collection if that is usable.
        result: what the pipeline yielded.
        location: where the middle of the base stands, in metres.
    """
    added = bpy.data.objects.new(result.name, build_data(result))
    added.location = location
    write_facts(added, result)
    receiving_collection(context).objects.link(added)
    select_only(context, [added])
    return added


def build_data(
    result: GenerationResult,
    mesh: bpy.types.Mesh | None = None,
    image: bpy.types.Image | None = None,
) -> bpy.types.Mesh:
    """Return a variant's mesh with its material.

    Args:
        result: what the pipeline yielded.
        mesh: from `build_mesh`, if that was called already.
        image: from `build_image`, likewise.
    """
    mesh = mesh or build_mesh(result.name, result.mesh)
    if image is None and result.mesh.texture is not None:
        image = build_image(result.name, result.mesh.texture)
    material = build_material(result.name, result.mesh.texture, image)
    # What Solid shading shows as long as the viewport does not show textures.
    material.diffuse_color = (*result.mesh.vertex_colors.mean(axis=0), 1.0)
    mesh.materials.append(material)
    return mesh


def write_facts(owner: bpy.types.Object, result: GenerationResult) -> None:
    """Keep on an object how it was made, and its picture."""
    _write_record(owner, result.record)
    owner[f"{RECORD_KEY}_seconds"] = result.stage_seconds
    owner.pop(LATENT_KEY, None)
    if result.latent is not None:
        latent = KnownLatent(values=result.latent, source="")
        owner[LATENT_KEY] = latent_file.to_text(latent)
    if result.thumbnail is not None:
        thumbnails.store(owner, result.thumbnail)


def select_only(context, objects: Sequence[bpy.types.Object]) -> None:
    """Select these objects of the view layer and no other; the first becomes active."""
    for other in list(context.view_layer.objects.selected):
        if other is not None:  # It is where an object was removed a moment ago.
            other.select_set(False)
    for each in objects:
        each.select_set(True)
    context.view_layer.objects.active = objects[0]


def build_mesh(name: str, data: MeshData, *, quads: np.ndarray | None = None) -> bpy.types.Mesh:
    """Return a new mesh with its shading, colour attribute and UV map.

    Normals are Blender's own, except those of smooth meshes with few triangles, which the field
    knows better.
    """
    mesh = bpy.data.meshes.new(name)
    polygons = data.faces if quads is None else quads
    num_vertices, (num_faces, width) = len(data.vertices), polygons.shape
    mesh.vertices.add(num_vertices)
    mesh.loops.add(width * num_faces)
    mesh.polygons.add(num_faces)
    # A third of the time of vertices.co and loops.vertex_index, on every Blender served.
    mesh.attributes["position"].data.foreach_set("vector", _flat(data.vertices, np.float32))
    mesh.attributes[".corner_vert"].data.foreach_set("value", _flat(polygons, np.int32))
    starts = np.arange(0, width * num_faces, width, dtype=np.int32)
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.update(calc_edges=True)

    _add_colors(mesh, data)
    if data.texture is not None:
        uvs = mesh.uv_layers.new(name=UV_MAP)
        corner_uvs = data.texture.corner_uvs
        corner_uvs = corner_uvs if quads is None else quad_uvs(corner_uvs)
        uvs.uv.foreach_set("vector", _flat(corner_uvs, np.float32))
    _shade(mesh, data)
    return mesh


def _shade(mesh: bpy.types.Mesh, data: MeshData) -> None:
    """Shade a mesh as asked, with attributes that its edits keep up to date."""
    if data.shading == "flat":
        mesh.shade_flat()
    elif data.shading == "auto":
        mesh.set_sharp_from_angle(angle=SHARP_ANGLE)
    elif data.has_field_normals:
        # Blender keeps them relative to its own, so that they bend along with the mesh.
        mesh.normals_split_custom_set_from_vertices(data.normals)


def _add_colors(mesh: bpy.types.Mesh, data: MeshData) -> None:
    # A float attribute holds linear values, which is what vertex_colors are.
    rgba = np.ones((len(data.vertices), 4), dtype=np.float32)
    rgba[:, :3] = data.vertex_colors
    attribute = mesh.attributes.new(COLOR_ATTRIBUTE, "FLOAT_COLOR", "POINT")
    attribute.data.foreach_set("color", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    mesh.color_attributes.render_color_index = 0


def _write_record(added: bpy.types.Object, record: GenerationRecord) -> None:
    added[RECORD_KEY] = json.dumps(asdict(record), ensure_ascii=False)
    for key in ("prompt", "seed", "pack", "pack_hash", "version"):
        added[f"{RECORD_KEY}_{key}"] = getattr(record, key)
    added[f"{RECORD_KEY}_settings"] = record.settings


def receiving_collection(context) -> bpy.types.Collection:
    """Return the active collection, or the scene's own where a new object would not be seen."""
    layer = context.view_layer.active_layer_collection
    if layer.exclude or not layer.is_visible or not layer.collection.is_editable:
        return context.scene.collection
    return layer.collection


def _flat(values: np.ndarray, kind: type[np.generic]) -> np.ndarray:
    """Return the values as foreach_set takes them without converting: contiguous, one axis."""
    return np.ascontiguousarray(values, dtype=kind).ravel()
