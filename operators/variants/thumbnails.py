# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of results, kept on the object as Blender's own preview of it.

They are saved with the file, follow undo, and are what the Asset Browser shows.
"""

from __future__ import annotations

import bpy
import numpy as np

from ...core.mesh import MeshData
from ...core.thumbnail import render_thumbnail

_ICON_SIZE = 32
"""Pixels per side of the small picture that lists show."""


def store(owner: bpy.types.ID, picture: np.ndarray) -> None:
    """Make a picture the preview of a datablock.

    Args:
        owner: usually an object.
        picture: sRGB, straight alpha, first row at the bottom, [S, S, 4], S a multiple of 32.
    """
    values = picture.astype(np.float32) / 255.0
    values[:, :, :3] *= values[:, :, 3:]  # Blender blends previews as premultiplied.
    block = len(picture) // _ICON_SIZE
    small = values.reshape(_ICON_SIZE, block, _ICON_SIZE, block, 4).mean(axis=(1, 3))
    preview = owner.preview_ensure()
    preview.image_size = values.shape[:2]
    preview.image_pixels_float.foreach_set(values.ravel())
    preview.icon_size = small.shape[:2]
    preview.icon_pixels_float.foreach_set(small.ravel())


def has_picture(owner: bpy.types.ID) -> bool:
    """Tell whether there is a preview to show."""
    return owner.preview is not None and owner.preview.image_size[0] > 0


def render(subject: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> None:
    """Draw an object as it is now, modifiers included, and store the picture.

    Blocks for a fifth of a second at 200,000 triangles; new results bring theirs from the worker.
    """
    evaluated = subject.evaluated_get(depsgraph)
    mesh = evaluated.to_mesh()
    try:
        store(subject, render_thumbnail(_mesh_data(mesh)))
    finally:
        evaluated.to_mesh_clear()


def _mesh_data(mesh: bpy.types.Mesh) -> MeshData:
    mesh.calc_loop_triangles()
    return MeshData(
        vertices=_read(mesh.vertices, "co", 3),
        faces=_read(mesh.loop_triangles, "vertices", 3, np.int32),
        normals=_read(mesh.vertex_normals, "vector", 3),
        vertex_colors=_vertex_colors(mesh),
    )


def _vertex_colors(mesh: bpy.types.Mesh) -> np.ndarray:
    colors = mesh.color_attributes.active_color
    if colors is None or colors.domain != "POINT":
        return np.full((len(mesh.vertices), 3), 0.5, dtype=np.float32)
    return np.ascontiguousarray(_read(colors.data, "color", 4)[:, :3])


def _read(items, name: str, width: int, kind: type = np.float32) -> np.ndarray:
    values = np.empty(len(items) * width, dtype=kind)
    items.foreach_get(name, values)
    return values.reshape(-1, width)
