# SPDX-License-Identifier: GPL-3.0-or-later
"""The run in Blender's status bar, for when the sidebar is closed."""

from __future__ import annotations

import bpy

from .running import time_left

WIDTH = 9.0
"""Of the bar, in units of a button's height."""


def draw(self, context):
    """Show bar, time left and Cancel, while there is a run."""
    status = context.window_manager.maquette
    if not status.is_running:
        return
    row = self.layout.row(align=True)
    bar = row.row()
    bar.ui_units_x = WIDTH
    bar.progress(factor=status.fraction, text=status.stage)
    row.operator("maquette.cancel", text="", icon="CANCEL")
    if status.seconds_left >= 0.0:
        row.label(text=time_left(status.seconds_left), translate=False)


def register() -> None:
    """Append it to what Blender shows there."""
    bpy.types.STATUSBAR_HT_header.append(draw)


def unregister() -> None:
    """Take it away again."""
    bpy.types.STATUSBAR_HT_header.remove(draw)
