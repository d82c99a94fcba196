# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompts that were generated before."""

from __future__ import annotations

import bpy

from .generate import SidebarPanel
from .wrapping import draw_text, wrap

LIST_EXTRAS = 100
"""Pixels of what stands beside a prompt in the list: icon, seed, scroll bar and buttons."""


class MAQUETTE_UL_history(bpy.types.UIList):
    """Prompts, newest first"""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        row = layout.row(align=True)
        picture = "IMAGE_DATA" if item.source == "IMAGE" else "TEXT"
        row.label(text=item.name, icon=picture, translate=False)
        seed = row.row(align=True)
        seed.alignment = "RIGHT"
        seed.active = False
        seed.label(text=str(item.seed), translate=False)


class MAQUETTE_MT_history(bpy.types.Menu):
    """More to do with the history"""

    bl_label = "History"

    def draw(self, context):
        layout = self.layout
        layout.operator("maquette.history_export", text="Export...", icon="EXPORT")
        layout.operator("maquette.history_import", text="Import...", icon="IMPORT")
        layout.separator()
        layout.operator("maquette.history_clear", text="Clear...", icon="TRASH")


class MAQUETTE_PT_history(SidebarPanel, bpy.types.Panel):
    """Earlier prompts, to fill in or to generate again"""

    bl_label = "History"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 6

    def draw(self, context):
        layout = self.layout
        sidebar = context.window_manager.maquette_sidebar
        row = layout.row()
        row.template_list(
            "MAQUETTE_UL_history", "", sidebar, "history", sidebar, "active_history", rows=4
        )
        column = row.column(align=True)
        column.operator("maquette.history_remove", text="", icon="REMOVE")
        column.separator()
        column.menu("MAQUETTE_MT_history", text="", icon="DOWNARROW_HLT")
        if 0 <= sidebar.active_history < len(sidebar.history):
            _draw_entry(layout, context, sidebar.history[sidebar.active_history])
        row = layout.row(align=True)
        row.operator("maquette.history_recall")
        row.operator("maquette.history_run", text="Again", icon="FILE_REFRESH")


def _draw_entry(layout, context, entry):
    column = layout.column(align=True)
    if len(wrap(context, entry.name, LIST_EXTRAS)) > 1:
        # The list shows its beginning only.
        draw_text(column, context, entry.name)
    column.label(text=entry.date, icon="TIME", translate=False)


CLASSES = (MAQUETTE_UL_history, MAQUETTE_MT_history, MAQUETTE_PT_history)
