# SPDX-License-Identifier: GPL-3.0-or-later
"""In the sidebar: what is still missing on this machine, and downloads under way."""

from __future__ import annotations

import bpy

from .generate import SidebarPanel
from .preferences_engine import draw_connection, draw_state
from .preferences_packs import draw_progress


class MAQUETTE_PT_engine(SidebarPanel, bpy.types.Panel):
    """What must be installed before anything can be generated"""

    bl_label = "Engine"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"HIDE_HEADER"}
    bl_order = -2

    @classmethod
    def poll(cls, context):
        shown = context.window_manager.maquette_engine
        if shown.lacks_clip:
            pack = context.window_manager.maquette_downloads.packs.get(context.scene.maquette.pack)
            if pack is not None and pack.needs_clip:
                return True
        return shown.is_missing or shown.is_running or bool(shown.error)

    def draw(self, context):
        shown = context.window_manager.maquette_engine
        box = self.layout.box()
        draw_state(box, context)
        if shown.is_running:
            return
        if not bpy.app.online_access:
            draw_connection(box, context)
        row = box.row()
        row.scale_y = 1.4
        row.operator("maquette.engine_setup", text="Set Up Engine...", icon="IMPORT")
        row = box.row(align=True)
        if shown.error:
            row.operator("maquette.engine_copy_log", icon="COPYDOWN")
        row.operator("maquette.preferences", icon="PREFERENCES")


class MAQUETTE_PT_downloads(SidebarPanel, bpy.types.Panel):
    """A model pack on its way"""

    bl_label = "Downloads"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"HIDE_HEADER"}
    bl_order = -1

    @classmethod
    def poll(cls, context):
        shown = context.window_manager.maquette_downloads
        return shown.is_running or bool(shown.error)

    def draw(self, context):
        draw_progress(self.layout.box(), context)


CLASSES = (MAQUETTE_PT_engine, MAQUETTE_PT_downloads)
