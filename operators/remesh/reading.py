# SPDX-License-Identifier: GPL-3.0-or-later
"""A result's mesh and images as numpy, so that a worker thread can paint it anew."""

from __future__ import annotations

import bpy
import numpy as np

from ...core.painted import PaintedMesh


def read_painted(subject: bpy.types.Object) -> PaintedMesh:
    """Return how an object looks: its mesh without modifiers, its base colour and normal map."""
    mesh = subject.data
    mesh.calc_loop_triangles()
    triangles = mesh.loop_triangles
    faces = _read(triangles, "vertices", 3, np.int32)
    corners = _read(triangles, "loops", 3, np.int32)
    images = {}
    uvs = mesh.uv_layers.active
    if uvs is not None:
        base, normal = base_image(subject), normal_image(subject)
        images = {
            "corner_uvs": _read(uvs.uv, "vector", 2)[corners],
            "pixels": _pixels(base) if base else None,
            "normal_pixels": _pixels(normal) if normal else None,
        }
    return PaintedMesh(
        vertices=_read(mesh.attributes["position"].data, "vector", 3),
        faces=faces,
        corner_normals=_read(mesh.corner_normals, "vector", 3)[corners],
        corner_colors=_colors(mesh, faces, corners),
        **images,
    )


def base_image(subject: bpy.types.Object) -> bpy.types.Image | None:
    """Return the image behind the base colour of an object's material."""
    return _image_behind(subject, "Base Color")


def normal_image(subject: bpy.types.Object) -> bpy.types.Image | None:
    """Return the image behind the normals of an object's material."""
    return _image_behind(subject, "Normal")


def _image_behind(subject: bpy.types.Object, socket: str) -> bpy.types.Image | None:
    material = subject.active_material
    nodes = material.node_tree.nodes if material and material.node_tree else ()
    shader = next((node for node in nodes if node.type == "BSDF_PRINCIPLED"), None)
    waiting = [shader.inputs[socket]] if shader else []
    seen = set()
    while waiting:
        for link in waiting.pop(0).links:
            node = link.from_node
            if node.type == "TEX_IMAGE" and node.image and node.image.size[0]:
                return node.image
            if node.name not in seen:
                seen.add(node.name)
                waiting.extend(node.inputs)
    return None


def _pixels(image: bpy.types.Image) -> np.ndarray:
    """Return an image as it is stored, as bytes, first row at the bottom, [H, W, 4]."""
    width, height = image.size
    values = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    np.multiply(values, 255.0, out=values)
    np.rint(values, out=values)
    return values.clip(0.0, 255.0).astype(np.uint8).reshape(height, width, 4)


def _colors(mesh: bpy.types.Mesh, faces: np.ndarray, corners: np.ndarray) -> np.ndarray | None:
    """Return the sRGB colour attribute at the corners of triangles, [F, 3, 3], if there is one."""
    attribute = mesh.color_attributes.active_color
    if attribute is None:
        return None
    values = _read(attribute.data, "color_srgb", 4)[:, :3]
    return values[faces if attribute.domain == "POINT" else corners]


def _read(items, name: str, width: int, kind: type = np.float32) -> np.ndarray:
    values = np.empty(len(items) * width, dtype=kind)
    items.foreach_get(name, values)
    return values.reshape(-1, width)
