# SPDX-License-Identifier: GPL-3.0-or-later
"""Model packs in the preferences: where they are, how large, and what can be done with them."""

from __future__ import annotations

from bpy.app.translations import pgettext_iface as iface_

from .preferences_engine import draw_outcome
from .wrapping import draw_text

ICONS = {"ready": "CHECKMARK", "damaged": "ERROR", "partial": "INFO", "missing": "IMPORT"}


def draw(preferences, layout, context):
    """Draw the section."""
    shown = context.window_manager.maquette_downloads
    layout.prop(preferences, "packs_folder", placeholder="The usual folder")
    for row in shown.packs:
        _draw_pack(layout.box(), context, row)
    draw_progress(layout, context)


def _draw_pack(box, context, pack):
    head = box.row()
    head.label(text=pack.title, icon=ICONS.get(pack.status, "DOT"), translate=False)
    side = head.row()
    side.alignment = "RIGHT"
    if pack.is_present:
        side.label(text=pack.size, translate=False)
    buttons = side.row(align=True)
    buttons.ui_units_x = 7 if pack.is_bundled else 8
    buttons.enabled = pack.is_present
    buttons.operator("maquette.pack_open", text="Open", icon="FILE_FOLDER").pack_id = pack.name
    buttons.operator("maquette.pack_verify", text="Verify").pack_id = pack.name
    if not pack.is_bundled:
        buttons.operator("maquette.pack_delete", text="", icon="TRASH").pack_id = pack.name
    column = box.column(align=True)
    words = column.column()
    words.alert = pack.status == "damaged"
    words.label(text=pack.words, translate=False)
    facts = column.column(align=True)
    facts.active = False
    draw_text(facts, context, iface_(pack.summary))
    facts.label(text=pack.license, translate=False)
    facts.label(text=pack.folder, translate=False)
    if pack.is_fetched:
        _draw_fetch(box, pack)


def _draw_fetch(box, pack):
    row = box.row(align=True)
    for part, size in (("TEXT", pack.fetch_text), ("IMAGE", pack.fetch_image)):
        if not size:
            continue
        template = (
            iface_("Fetch Text ({size})") if part == "TEXT" else iface_("Fetch Image ({size})")
        )
        text = template.format(size=size)
        button = row.operator("maquette.pack_fetch", text=text, icon="IMPORT", translate=False)
        button.pack_id, button.part = pack.name, part
    operator = row.operator(
        "maquette.pack_import", text="Import From Folder...", icon="FILE_FOLDER"
    )
    operator.pack_id = pack.name


def draw_progress(layout, context):
    """Draw what runs with a pack, and how the last such thing ended."""
    shown = context.window_manager.maquette_downloads
    column = layout.column(align=True)
    if shown.is_running:
        name = iface_(shown.bl_rna.properties["action"].enum_items[shown.action].name)
        column.label(text=f"{name}: {shown.title}", translate=False)
        row = column.row(align=True)
        row.progress(factor=shown.fraction, text=f"{shown.fraction:.0%}")
        row.operator("maquette.pack_cancel", text="", icon="CANCEL")
        draw_text(column, context, shown.text)
    else:
        draw_outcome(column, context, shown)
