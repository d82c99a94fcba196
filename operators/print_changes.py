# SPDX-License-Identifier: GPL-3.0-or-later
"""Hears when what was checked for printing may have changed."""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent

from . import events, print_check, print_settings


@persistent
def on_update(_scene, depsgraph) -> None:
    """Compare when the object, or its mesh, is among what has changed."""
    checked = print_check.last()
    if checked is None:
        return
    for update in depsgraph.updates:
        if not (update.is_updated_geometry or update.is_updated_transform):
            continue
        changed = update.id.original  # What is evaluated has a number of its own.
        if isinstance(changed, bpy.types.Object) and changed.session_uid == checked.asked.uid:
            print_check.compare(bpy.context, depsgraph)
            return


@persistent
def on_undo(*_) -> None:
    """Compare after undo and redo, which replace objects."""
    print_check.compare(bpy.context)


@persistent
def on_load(*_) -> None:
    """Forget what was found in another file."""
    print_check.forget(bpy.context)


def on_settings(context) -> None:
    """Compare when the settings have changed."""
    print_check.compare(context)


HANDLERS = {
    "depsgraph_update_post": on_update,
    "undo_post": on_undo,
    "redo_post": on_undo,
    "load_post": on_load,
}


def register() -> None:
    """Begin to hear."""
    print_settings.register()
    for name, handler in HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)
    events.print_settings_changed.append(on_settings)


def unregister() -> None:
    """Stop hearing, and forget what was found."""
    events.print_settings_changed.remove(on_settings)
    for name, handler in HANDLERS.items():
        if handler in getattr(bpy.app.handlers, name):
            getattr(bpy.app.handlers, name).remove(handler)
    print_check.forget(bpy.context)
    print_settings.unregister()
