# SPDX-License-Identifier: GPL-3.0-or-later
"""What the interface shows of this machine: the engine, packs, downloads, diagnostics.

Kept on the window manager, filled when Blender is ready for it, and again whenever a file was
opened, which may bring what another machine had, or something changed.
"""

from __future__ import annotations

import atexit

import bpy
from bpy.app.handlers import persistent

from ..engine import loading
from . import tasks


def refresh(context) -> None:
    """Look at the engine and the packs again; main thread only."""
    from . import engine, pack_states, storage

    engine.refresh(context)
    storage.refresh(context)
    pack_states.refresh(context)


class MAQUETTE_OT_refresh(bpy.types.Operator):
    """Look again at what is on this machine"""

    bl_idname = "maquette.refresh"
    bl_label = "Look Again"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        refresh(context)
        apply_default_location(context)
        return {"FINISHED"}


class MAQUETTE_OT_preferences(bpy.types.Operator):
    """Open Maquette's preferences"""

    bl_idname = "maquette.preferences"
    bl_label = "Preferences"
    bl_options = {"INTERNAL"}

    def execute(self, _context):
        from .packs import EXTENSION

        bpy.ops.preferences.addon_show(module=EXTENSION)
        return {"FINISHED"}


class MAQUETTE_OT_machine_dismiss(bpy.types.Operator):
    """Take this message away"""

    bl_idname = "maquette.machine_dismiss"
    bl_label = "Dismiss"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        manager = context.window_manager
        for shown in (manager.maquette_engine, manager.maquette_downloads):
            shown.error = shown.message = ""
        return {"FINISHED"}


def apply_default_location(context) -> None:
    """Give scenes that nobody has set a place in the one of the preferences."""
    from . import packs

    location = packs.preferences_of(context).default_location
    for scene in bpy.data.scenes:
        if scene.is_editable and not scene.maquette.is_property_set("location"):
            if scene.maquette.location != location:
                scene.maquette.location = location


def _first_look() -> None:
    from . import engine, engine_setup

    refresh(bpy.context)
    apply_default_location(bpy.context)
    place = engine.folder(bpy.context)
    if place.is_to_be_removed and not loading.is_loaded(place):
        engine_setup.remove(bpy.context, place)


@persistent
def _on_load_post(*_: object) -> None:
    """Threads go on; what they show is written again at the next tick."""
    manager = bpy.context.window_manager
    for shown in (
        manager.maquette_engine,
        manager.maquette_downloads,
        manager.maquette_diagnostics,
    ):
        shown.is_running = False
        shown.error = ""
    manager.maquette_diagnostics.is_detecting = False
    refresh(bpy.context)
    apply_default_location(bpy.context)


CLASSES = (MAQUETTE_OT_refresh, MAQUETTE_OT_preferences, MAQUETTE_OT_machine_dismiss)


def register() -> None:
    """Add the states, and look as soon as Blender is ready."""
    from .diagnostics import MaquetteDiagnostics
    from .downloads import MaquetteDownloads
    from .engine import MaquetteEngine

    pointers = {
        "maquette_engine": MaquetteEngine,
        "maquette_downloads": MaquetteDownloads,
        "maquette_diagnostics": MaquetteDiagnostics,
    }
    for name, kind in pointers.items():
        setattr(bpy.types.WindowManager, name, bpy.props.PointerProperty(type=kind))
    bpy.app.handlers.load_post.append(_on_load_post)
    # A daemon thread that is inside torch, or has a pip running, must end before Blender does.
    atexit.register(tasks.stop)
    if hasattr(bpy.app.handlers, "exit_pre"):  # From Blender 5.1.
        bpy.app.handlers.exit_pre.append(_on_exit)
    if bpy.app.background:
        refresh(bpy.context)  # Timers never fire there.
    else:
        bpy.app.timers.register(_first_look, first_interval=0.0, persistent=True)


@persistent
def _on_exit(*_: object) -> None:
    tasks.stop()


def unregister() -> None:
    """Stop what runs, and remove everything."""
    tasks.unregister()
    atexit.unregister(tasks.stop)
    if bpy.app.timers.is_registered(_first_look):
        bpy.app.timers.unregister(_first_look)
    bpy.app.handlers.load_post.remove(_on_load_post)
    if hasattr(bpy.app.handlers, "exit_pre"):
        bpy.app.handlers.exit_pre.remove(_on_exit)
    for name in ("maquette_diagnostics", "maquette_downloads", "maquette_engine"):
        delattr(bpy.types.WindowManager, name)
