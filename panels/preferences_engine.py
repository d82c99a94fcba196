# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine in the preferences: what there is, set up and remove, and the connection it needs."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .wrapping import draw_text

BUTTON = 20
"""Pixels that a button without text takes."""


def draw(preferences, layout, context):
    """Draw the section."""
    shown = context.window_manager.maquette_engine
    draw_state(layout, context)
    column = layout.column()
    column.enabled = not shown.is_running
    column.prop(preferences, "engine_folder", placeholder="The usual folder")
    column.prop(preferences, "wheels_folder", placeholder="None: from the internet")
    row = layout.row(align=True)
    text = "Set Up Again..." if shown.is_installed else "Set Up Engine..."
    row.operator("maquette.engine_setup", text=text, icon="IMPORT")
    if shown.is_installed:
        row.operator("maquette.engine_remove", text="Remove Engine...", icon="TRASH")
    if shown.has_log:
        row.operator("maquette.engine_copy_log", icon="COPYDOWN")


def draw_state(layout, context):
    """Draw in words whether the engine is there, or how far its set-up is."""
    shown = context.window_manager.maquette_engine
    column = layout.column(align=True)
    if shown.is_running:
        row = column.row(align=True)
        row.progress(factor=shown.fraction, text=shown.stage)
        row.operator("maquette.engine_cancel", text="", icon="CANCEL")
        return
    is_bad = shown.is_missing or shown.is_partial
    draw_text(column, context, shown.words, icon="INFO" if is_bad else "CHECKMARK")
    draw_outcome(column, context, shown)


def draw_outcome(layout, context, shown):
    """Draw how the last thing ended, with a button that takes the message away."""
    if not (shown.error or shown.message):
        return
    row = layout.row(align=True)
    icon = "ERROR" if shown.error else "CHECKMARK"
    text = shown.error or shown.message
    draw_text(row.column(), context, text, icon=icon, alert=bool(shown.error), reserved=BUTTON)
    button = row.column()
    button.emboss = "NONE"
    button.operator("maquette.machine_dismiss", text="", icon="X")


def draw_connection(layout, context):
    """Draw whether connections are allowed, and where to allow them."""
    if bpy.app.online_access:
        layout.label(
            text="Online access is allowed; it is used only when you fetch", icon="INTERNET"
        )
        return
    column = layout.column(align=True)
    if bpy.app.online_access_override:
        text = iface_(
            "Blender was started without online access: import packs and wheels from folders"
        )
        draw_text(column, context, text, icon="INTERNET_OFFLINE")
        return
    text = iface_("Online access is off: nothing can be fetched before you allow it")
    draw_text(column, context, text, icon="INTERNET_OFFLINE")
    column.prop(context.preferences.system, "use_online_access", text="Allow Online Access")
