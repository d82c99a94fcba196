# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sees. Panels read Blender's properties and name operators; they know no more."""

from __future__ import annotations

import bpy

from . import generate, preferences

CLASSES = (*preferences.CLASSES, *generate.CLASSES)


def register() -> None:
    """Add the panels and the preferences."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)


def unregister() -> None:
    """Remove them in reverse order."""
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
