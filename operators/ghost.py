# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that are drawn into 3D viewports without being in the scene.

The graphics card is only touched inside the draw handler, where Blender has made it ready. The
handler draws the viewports of one scene, gives the card's state back as it was, and never raises.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import bpy
import gpu
import numpy as np

from ..core.mesh import MeshData

logger = logging.getLogger(__name__)

ALPHA = 0.8
"""A trace of what is behind shows through, so that nobody takes it for an object."""

_LIGHTS = (
    ((-0.35, -0.60, 0.72), 0.80),
    ((0.90, -0.20, 0.30), 0.25),
    ((0.10, 0.95, 0.25), 0.30),
)
"""Direction towards each light in the world, and its strength."""
_AMBIENT = 0.24
_SKY = 0.10
"""Added where a surface faces up, taken away where it faces down."""


@dataclass(slots=True, eq=False)
class Ghost:
    """One mesh, ready to be drawn."""

    points: np.ndarray
    """In the world, float32 [V, 3]."""
    colors: np.ndarray
    """sRGB and alpha, light included, float32 [V, 4]."""
    faces: np.ndarray
    """int32 [F, 3]."""
    _batch: object = field(default=None, repr=False)

    def draw(self, shader) -> None:
        """Draw it; only inside a draw handler."""
        if self._batch is None:
            self._batch = self._make_batch()
        self._batch.draw(shader)

    def _make_batch(self):
        layout = gpu.types.GPUVertFormat()
        layout.attr_add(id="pos", comp_type="F32", len=3, fetch_mode="FLOAT")
        layout.attr_add(id="color", comp_type="F32", len=4, fetch_mode="FLOAT")
        vertices = gpu.types.GPUVertBuf(layout, len(self.points))
        vertices.attr_fill("pos", self.points)
        vertices.attr_fill("color", self.colors)
        triangles = gpu.types.GPUIndexBuf(type="TRIS", seq=self.faces)
        return gpu.types.GPUBatch(type="TRIS", buf=vertices, elem=triangles)


def make(mesh: MeshData, matrix: np.ndarray) -> Ghost:
    """Return a mesh as it is drawn.

    Args:
        mesh: a preview, with linear colors.
        matrix: from the mesh to the world, without shear, [4, 4].
    """
    turn = matrix[:3, :3].astype(np.float32)
    points = mesh.vertices @ turn.T + matrix[:3, 3].astype(np.float32)
    colors = np.empty((len(points), 4), dtype=np.float32)
    colors[:, :3] = shade(mesh.normals @ turn.T, mesh.vertex_colors)
    colors[:, 3] = ALPHA
    return Ghost(np.ascontiguousarray(points), colors, np.ascontiguousarray(mesh.faces))


def shade(normals: np.ndarray, colors: np.ndarray) -> np.ndarray:
    """Return the sRGB colors [V, 3] that matt surfaces show under fixed lights.

    Args:
        normals: in the world, of any length, [V, 3].
        colors: linear Rec.709 in [0, 1], [V, 3].
    """
    unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    light = _AMBIENT + _SKY * unit[:, 2]
    for direction, strength in _LIGHTS:
        toward = np.array(direction, dtype=np.float32) / np.linalg.norm(direction)
        light = light + strength * np.maximum(unit @ toward, 0.0)
    linear = np.clip(colors * light[:, None], 0.0, 1.0)
    return np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * np.power(linear, 1 / 2.4) - 0.055
    ).astype(np.float32)


_ghosts: tuple[Ghost, ...] = ()
_scene_uid = 0
_handle = None


def show(ghosts: Sequence[Ghost], scene_uid: int) -> None:
    """Draw these, and nothing else, in the viewports that show the scene; none: draw nothing."""
    global _ghosts, _scene_uid, _handle
    before, _ghosts = _scene_uid, tuple(ghosts)
    _scene_uid = scene_uid
    if _ghosts and _handle is None:
        _handle = bpy.types.SpaceView3D.draw_handler_add(_draw, (), "WINDOW", "POST_VIEW")
    elif not _ghosts and _handle is not None:
        bpy.types.SpaceView3D.draw_handler_remove(_handle, "WINDOW")
        _handle = None
    _redraw({before, scene_uid})


def shown() -> tuple[Ghost, ...]:
    """Return what is drawn."""
    return _ghosts


def _redraw(scene_uids: set[int]) -> None:
    for window in bpy.context.window_manager.windows:
        if window.scene.session_uid not in scene_uids:
            continue
        for area in window.screen.areas:
            for region in area.regions:
                if area.type == "VIEW_3D" and region.type == "WINDOW":
                    region.tag_redraw()


def _draw() -> None:
    """The draw handler."""
    try:
        if _ghosts and bpy.context.scene.session_uid == _scene_uid:
            _draw_all(_ghosts)
    except Exception:
        # It would be raised again with every redraw, and take the viewport's own drawing along.
        logger.exception("the preview cannot be drawn")
        _stop_drawing()


def _draw_all(ghosts: Sequence[Ghost]) -> None:
    state = gpu.state
    before = state.blend_get(), state.depth_test_get(), state.depth_mask_get()
    shader = gpu.shader.from_builtin("SMOOTH_COLOR")
    try:
        state.depth_test_set("LESS_EQUAL")
        state.depth_mask_set(True)
        # The meshes are closed, so that their far side is never seen but through the near one.
        state.face_culling_set("BACK")
        state.blend_set("ALPHA")
        # Depth first, so that only what is behind a mesh shows through and never the mesh itself.
        for is_seen in (False, True):
            state.color_mask_set(is_seen, is_seen, is_seen, is_seen)
            for each in ghosts:
                each.draw(shader)
    finally:
        state.color_mask_set(True, True, True, True)
        blend, depth_test, depth_mask = before
        state.blend_set(blend)
        state.depth_test_set(depth_test)
        state.depth_mask_set(depth_mask)
        state.face_culling_set("NONE")


def _stop_drawing() -> None:
    global _ghosts
    _ghosts = ()
