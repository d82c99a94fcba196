# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can do in Blender, and the state behind it."""

from __future__ import annotations

import bpy

from . import generate, jobs, properties

CLASSES = (*properties.CLASSES, *generate.CLASSES)


def register() -> None:
    """Add the classes, the two pointers that hold our state, and the handlers of jobs."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=properties.MaquetteSettings)
    bpy.types.WindowManager.maquette = bpy.props.PointerProperty(type=properties.MaquetteStatus)
    jobs.register()


def unregister() -> None:
    """Stop a running job, then remove everything in reverse order."""
    jobs.unregister()
    del bpy.types.WindowManager.maquette
    del bpy.types.Scene.maquette
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
