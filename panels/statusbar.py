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
    header = bpy.types.STATUSBAR_HT_header
    # Blender puts this back after each text that an operator has shown there, such as that which
    # installs extensions: what is appended beside it would be gone.
    original = getattr(header, "_draw_orig", None)
    if original is None:
        header.append(draw)
        return
    shown, header.draw = header.draw, original
    header.append(draw)
    header._draw_orig = header.draw
    if shown is not original:
        header.draw = shown


def unregister() -> None:
    """Take it away again."""
    header = bpy.types.STATUSBAR_HT_header
    for function in (header.draw, getattr(header, "_draw_orig", None)):
        functions = getattr(function, "_draw_funcs", ())
        if draw in functions:
            functions.remove(draw)
