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

from ..core.mesh import GenerationRecord, GenerationResult, MeshData, TextureData
from ..core.png import encode_png
from .variants import thumbnails

COLOR_ATTRIBUTE = "Color"
UV_MAP = "UVMap"
RECORD_KEY = "maquette"
"""Custom property that holds the whole record as JSON; the others are for reading."""


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
    material = _build_material(result.name, image)
    # What Solid shading shows as long as the viewport does not show textures.
    material.diffuse_color = (*result.mesh.vertex_colors.mean(axis=0), 1.0)
    mesh.materials.append(material)
    return mesh


def write_facts(owner: bpy.types.Object, result: GenerationResult) -> None:
    """Keep on an object how it was made, and its picture."""
    _write_record(owner, result.record)
    owner[f"{RECORD_KEY}_seconds"] = result.stage_seconds
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


def build_mesh(name: str, data: MeshData) -> bpy.types.Mesh:
    """Return a new smooth-shaded mesh with its colour attribute and UV map.

    Normals are Blender's own: custom ones would go stale with the first edit, and on a closed
    mesh of this density they differ by about a degree.
    """
    mesh = bpy.data.meshes.new(name)
    num_vertices, num_faces = len(data.vertices), len(data.faces)
    mesh.vertices.add(num_vertices)
    mesh.loops.add(3 * num_faces)
    mesh.polygons.add(num_faces)
    # A third of the time of vertices.co and loops.vertex_index, on every Blender served.
    mesh.attributes["position"].data.foreach_set("vector", _flat(data.vertices, np.float32))
    mesh.attributes[".corner_vert"].data.foreach_set("value", _flat(data.faces, np.int32))
    starts = np.arange(0, 3 * num_faces, 3, dtype=np.int32)
    mesh.polygons.foreach_set("loop_start", starts)
    mesh.update(calc_edges=True)

    _add_colors(mesh, data)
    if data.texture is not None:
        uvs = mesh.uv_layers.new(name=UV_MAP)
        uvs.uv.foreach_set("vector", _flat(data.texture.corner_uvs, np.float32))
    return mesh


def build_image(name: str, texture: TextureData) -> bpy.types.Image:
    """Return a new sRGB image, packed so that the .blend file carries it.

    Half a millisecond where the pipeline has encoded it, 0.1 s and more where it has not.
    """
    size = len(texture.pixels)
    content = texture.png or encode_png(texture.pixels)
    image = bpy.data.images.new(f"{name} Base Color", size, size, alpha=False)
    image.source = "FILE"
    image.pack(data=content, data_len=len(content))
    return image


def _add_colors(mesh: bpy.types.Mesh, data: MeshData) -> None:
    # A float attribute holds linear values, which is what vertex_colors are.
    rgba = np.ones((len(data.vertices), 4), dtype=np.float32)
    rgba[:, :3] = data.vertex_colors
    attribute = mesh.attributes.new(COLOR_ATTRIBUTE, "FLOAT_COLOR", "POINT")
    attribute.data.foreach_set("color", rgba.ravel())
    mesh.color_attributes.active_color = attribute
    mesh.color_attributes.render_color_index = 0


def _build_material(name: str, image: bpy.types.Image | None) -> bpy.types.Material:
    """Return a material whose base colour is the image, or the colour attribute without one."""
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0):
        material.use_nodes = True
    nodes, links = material.node_tree.nodes, material.node_tree.links
    # By type and by identifier: names are translated, and sockets move between versions.
    shader = next(node for node in nodes if node.type == "BSDF_PRINCIPLED")
    if image is not None:
        source = nodes.new("ShaderNodeTexImage")
        source.image = image
    else:
        source = nodes.new("ShaderNodeVertexColor")
        source.layer_name = COLOR_ATTRIBUTE
    source.location = (shader.location.x - 320.0, shader.location.y)
    links.new(source.outputs["Color"], shader.inputs["Base Color"])
    return material


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
