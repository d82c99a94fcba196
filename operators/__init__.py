# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user can do in Blender, and the state behind it."""

from __future__ import annotations

import bpy

from . import (
    assets,
    batch,
    diagnostics,
    downloads,
    engine,
    engine_setup,
    estimates,
    export,
    generate,
    history_operators,
    image_generate,
    image_pack,
    image_preview,
    jobs,
    known_things,
    level_names,
    levels,
    machine,
    memory,
    preview,
    print_changes,
    print_check,
    print_repair,
    print_select,
    print_settings,
    prompt_dialog,
    properties,
    rebuild,
    remesh,
    report,
    results,
    seed,
    shortcut,
    show_colors,
    sidebar,
    status,
    storage,
    variants,
)
from .variants import choosing

CLASSES = (
    *properties.CLASSES,
    *status.CLASSES,
    *generate.CLASSES,
    *jobs.CLASSES,
    *sidebar.CLASSES,
    *history_operators.CLASSES,
    *report.CLASSES,
    *seed.CLASSES,
    *known_things.CLASSES,
    *engine.CLASSES,
    *engine_setup.CLASSES,
    *downloads.CLASSES,
    *storage.CLASSES,
    *diagnostics.CLASSES,
    *memory.CLASSES,
    *preview.CLASSES,
    *machine.CLASSES,
    *choosing.CLASSES,
    *results.CLASSES,
    *rebuild.CLASSES,
    *levels.CLASSES,
    *remesh.CLASSES,
    *show_colors.CLASSES,
    *assets.CLASSES,
    *export.CLASSES,
    *print_settings.CLASSES,
    *print_check.CLASSES,
    *print_repair.CLASSES,
    *print_select.CLASSES,
    *image_preview.CLASSES,
    *image_pack.CLASSES,
    *image_generate.CLASSES,
    *prompt_dialog.CLASSES,
    *batch.CLASSES,
)
WITH_MORE = (
    jobs,
    preview,
    estimates,
    sidebar,
    machine,
    memory,
    variants,
    image_preview,
    batch,
    remesh,
    level_names,
    shortcut,
    print_changes,
)
"""Modules that need more than their classes: register() and unregister()."""


def register() -> None:
    """Add the classes, the two pointers that hold our state, and what modules need besides."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=properties.MaquetteSettings)
    bpy.types.WindowManager.maquette = bpy.props.PointerProperty(type=status.MaquetteStatus)
    for module in WITH_MORE:
        module.register()


def unregister() -> None:
    """Stop what runs, then remove everything in reverse order."""
    for module in reversed(WITH_MORE):
        module.unregister()
    del bpy.types.WindowManager.maquette
    del bpy.types.Scene.maquette
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
