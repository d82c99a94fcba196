# SPDX-License-Identifier: GPL-3.0-or-later
"""Maquette's keyboard shortcuts, to be shown and changed in the preferences."""

from __future__ import annotations

import rna_keymap_ui

KEYMAP = "3D View"
OPERATORS = ("maquette.generate_from_prompt",)


def draw_shortcuts(layout, context) -> None:
    """Add each shortcut as the keymap editor shows it; what is changed there is kept."""
    config = context.window_manager.keyconfigs.user
    keymap = config.keymaps.get(KEYMAP) if config else None
    items = [] if keymap is None else [i for i in keymap.keymap_items if i.idname in OPERATORS]
    if not items:
        layout.label(text="The shortcut was removed: restore it under Keymap", icon="INFO")
        return
    column = layout.column()
    column.context_pointer_set("keymap", keymap)
    for item in items:
        rna_keymap_ui.draw_kmi(["ADDON", "USER", "DEFAULT"], config, keymap, item, column, 0)
