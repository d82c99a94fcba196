# SPDX-License-Identifier: GPL-3.0-or-later
"""Results in viewports that show a few chosen objects alone: Blender leaves new ones out there."""

from __future__ import annotations

from collections.abc import Iterable

import bpy


def join(context, objects: Iterable[bpy.types.Object]) -> None:
    """Have every viewport in Local View that shows this scene show these objects too."""
    windows = context.window_manager.windows
    areas = [
        area
        for window in windows
        if window.scene == context.scene
        for area in window.screen.areas
        if area.type == "VIEW_3D"
    ]
    spaces = [space for area in areas if (space := area.spaces.active).local_view is not None]
    for each in objects:
        for space in spaces:
            each.local_view_set(space, True)
