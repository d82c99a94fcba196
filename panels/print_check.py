# SPDX-License-Identifier: GPL-3.0-or-later
"""In the sidebar: whether the active mesh can be printed, and what to do about it."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .generate import SidebarPanel
from .wrapping import draw_text


class MAQUETTE_PT_print_check(SidebarPanel, bpy.types.Panel):
    """Whether the active mesh can be printed"""

    bl_label = "Print Check"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 12

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        return active is not None and active.type == "MESH"

    def draw(self, context):
        layout = self.layout
        settings = context.scene.maquette_print
        shown = context.window_manager.maquette_print
        layout.prop(settings, "min_wall")
        row = layout.row(align=True)
        row.prop(settings, "use_size", text="")
        sub = row.row(align=True)
        sub.active = settings.use_size
        sub.prop(settings, "size", text="Size (mm)")
        column = layout.column(align=True)
        column.prop(settings, "use_bed", text="Printer (mm)")
        row = column.row(align=True)
        row.active = settings.use_bed
        row.prop(settings, "bed", text="")
        _draw_button(layout, shown)
        if shown.error:
            draw_text(layout, context, shown.error, icon="ERROR", alert=True)
        active = context.view_layer.objects.active
        if shown.object_uid == active.session_uid and not shown.is_running:
            _draw_result(layout, context, shown)


def _draw_button(layout, shown):
    if not shown.is_running:
        layout.operator("maquette.print_check", icon="VIEWZOOM")
        return
    row = layout.row(align=True)
    row.progress(text=iface_(shown.stage), factor=shown.fraction)
    row.operator("maquette.print_check_cancel", text="", icon="CANCEL")


def _draw_result(layout, context, shown):
    box = layout.box()
    if shown.is_stale:
        text = iface_("The object or the settings have changed: check again")
        draw_text(box, context, text, icon="FILE_REFRESH", alert=True)
    elif context.mode == "EDIT_MESH":
        text = iface_("Leave Edit Mode to see whether this still holds")
        draw_text(box, context, text, icon="EDITMODE_HLT")
    column = box.column(align=True)
    column.active = not shown.is_stale
    draw_text(column, context, shown.verdict, icon="CHECKMARK" if shown.is_printable else "ERROR")
    draw_text(column, context, shown.size, icon="BLANK1")
    if shown.walls:
        draw_text(column, context, shown.walls, icon="BLANK1")
    for line in shown.lines:
        column.separator(factor=0.5)
        draw_text(column, context, line.text, icon=line.icon)
        if line.advice:
            advice = column.column(align=True)
            advice.active = False
            draw_text(advice, context, line.advice, icon="BLANK1")
    _draw_tools(layout, shown)


def _draw_tools(layout, shown):
    if shown.can_repair:
        layout.operator("maquette.print_repair", icon="MODIFIER")
    row = layout.row(align=True)
    for name, label, is_there in (
        ("THIN", iface_("Thin Walls"), shown.has_thin),
        ("FLOATING", iface_("Floating Parts"), shown.has_floating),
        ("HOLES", iface_("Holes"), shown.has_holes),
    ):
        if is_there:
            button = row.operator(
                "maquette.print_select", text=label, icon="RESTRICT_SELECT_OFF", translate=False
            )
            button.kind = name


CLASSES = (MAQUETTE_PT_print_check,)
