# SPDX-License-Identifier: GPL-3.0-or-later
"""The mesh of a result: what it is made of, its levels of detail, and other faces for it."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .gallery import is_result
from .generate import SidebarPanel
from .wrapping import draw_text

CLOSED_KEY = "maquette_closed"
LEVEL_KEY = "maquette_level"
"""Custom properties of a result, and of its children with fewer triangles."""


class MAQUETTE_PT_result_mesh(SidebarPanel, bpy.types.Panel):
    """What the mesh is made of, and what it can be made into"""

    bl_label = "Mesh"
    bl_parent_id = "MAQUETTE_PT_result"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 0

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        return is_result(active) and active.type == "MESH"

    def draw(self, context):
        layout = self.layout
        active = context.view_layer.objects.active
        column = layout.column(align=True)
        for text in _facts(active, context.scene.unit_settings):
            column.label(text=text, translate=False)
        _draw_levels(layout, active)
        state = context.window_manager.maquette_remesh
        column = layout.column(align=True)
        column.operator("maquette.quad_remesh", icon="MOD_REMESH")
        column.operator("maquette.change_triangles", icon="MOD_DECIM")
        if state.is_running:
            row = layout.row(align=True)
            row.progress(text=state.stage, factor=state.fraction, translate=False)
            row.operator("maquette.remesh_cancel", text="", icon="X")
        elif state.error:
            draw_text(layout, context, state.error, icon="ERROR")


def _facts(active, units) -> list[str]:
    """Return what there is to say about a mesh, in words."""
    mesh = active.data
    faces, corners = len(mesh.polygons), len(mesh.loops)
    if corners == 4 * faces:
        text = iface_("{count} quads")
    elif corners == 3 * faces:
        text = iface_("{count} triangles")
    else:
        text = iface_("{count} faces")
    found = [text.format(count=f"{faces:,}")]
    # It says nothing about a mesh that has been edited since.
    is_closed, *counts = active.get(CLOSED_KEY, (0,))
    if counts == [len(mesh.edges), faces]:
        text = iface_("{faces}, closed") if is_closed else iface_("{faces}, open")
        found[0] = text.format(faces=found[0])
    size = " x ".join(_length(each, units) for each in active.dimensions)
    return [*found, size]


def _length(value: float, units) -> str:
    return bpy.utils.units.to_string(
        units.system, "LENGTH", value * units.scale_length, precision=3, compatible_unit=False
    )


def _draw_levels(layout, active) -> None:
    """Add a button for each level of detail, that which is seen pressed."""
    levels = {each[LEVEL_KEY]: each for each in active.children if LEVEL_KEY in each}
    if not levels:
        return
    row = layout.row(align=True)
    row.label(text="Level of Detail")
    for number, each in sorted(({0: active} | levels).items()):
        is_seen = not each.hide_get()
        button = row.operator(
            "maquette.show_level", text=str(number), translate=False, depress=is_seen
        )
        button.level = number


CLASSES = (MAQUETTE_PT_result_mesh,)
