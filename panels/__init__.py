# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sees. Panels read Blender's properties and name operators; they know no more."""

from __future__ import annotations

import bpy

from . import (
    dialogs,
    gallery,
    generate,
    history,
    image_editor,
    machine,
    menus,
    mesh_tools,
    preferences,
    print_check,
    rebuild,
    result,
    running,
    statusbar,
)

CLASSES = (
    *preferences.CLASSES,
    *generate.CLASSES,
    *machine.CLASSES,
    *running.CLASSES,
    *history.CLASSES,
    *dialogs.CLASSES,
    *image_editor.CLASSES,
    *menus.CLASSES,
    *gallery.CLASSES,
    *result.CLASSES,
    *rebuild.CLASSES,
    *mesh_tools.CLASSES,
    *print_check.CLASSES,
)
WITH_MORE = (statusbar, menus, result)
"""Modules that need more than their classes: register() and unregister()."""


def register() -> None:
    """Add the panels and the preferences."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    for module in WITH_MORE:
        module.register()


def unregister() -> None:
    """Remove them in reverse order."""
    for module in reversed(WITH_MORE):
        module.unregister()
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
