# SPDX-License-Identifier: GPL-3.0-or-later
"""The keyboard shortcut of the prompt dialog.

It is added to Blender's add-on keymap; what the user makes of it lives in the user's keymap and
outlives disabling.
"""

from __future__ import annotations

import bpy

KEYMAP = "3D View"
OPERATOR = "maquette.generate_from_prompt"
KEY = {"type": "M", "value": "PRESS", "shift": True, "alt": True}
"""Free in Blender's own keymaps and in the industry compatible one, 4.2 to 5.2."""


def register() -> None:
    """Add the shortcut."""
    config = bpy.context.window_manager.keyconfigs.addon
    if config is None:
        return  # Without a window.
    keymap = config.keymaps.new(KEYMAP, space_type="VIEW_3D")
    keymap.keymap_items.new(OPERATOR, **KEY)


def unregister() -> None:
    """Remove it."""
    config = bpy.context.window_manager.keyconfigs.addon
    keymap = config.keymaps.get(KEYMAP) if config else None
    if keymap is None:
        return
    for item in [each for each in keymap.keymap_items if each.idname == OPERATOR]:
        keymap.keymap_items.remove(item)
