# SPDX-License-Identifier: GPL-3.0-or-later
"""Text over as many lines as it needs: Blender's own labels are cut off at the region's edge."""

from __future__ import annotations

import blf

DEFAULT_WIDTH = 240
"""Pixels of a sidebar that nobody has widened, for where there is no region."""
MARGINS = 66
"""Pixels that tabs, panel borders and a box take from a sidebar, at a scale of 1."""
ICON = 20
"""Pixels of an icon before the text."""


def draw_text(
    layout, context, text: str, *, icon: str = "NONE", alert: bool = False, reserved: int = 0
) -> None:
    """Add a text over several lines, its icon before the first.

    Args:
        layout: of a panel or a box in it.
        context: its region says how wide a line is.
        text: translated already.
        icon: of Blender's own.
        alert: whether to draw it in red.
        reserved: pixels of the line, at a scale of 1, that something else takes.
    """
    column = layout.column(align=True)
    column.alert = alert
    has_icon = icon != "NONE"
    for number, line in enumerate(wrap(context, text, reserved + (ICON if has_icon else 0))):
        column.label(text=line, icon="BLANK1" if number and has_icon else icon, translate=False)


def draw_message(layout, context, text: str, *, icon: str, message: str):
    """Add a box with a text and a button that dismisses it; return the box."""
    box = layout.box()
    row = box.row(align=True)
    lines = row.column()
    text = text[:1].upper() + text[1:]
    draw_text(lines, context, text, icon=icon, alert=icon == "ERROR", reserved=ICON)
    button = row.column()
    button.emboss = "NONE"
    button.operator("maquette.dismiss", text="", icon="X").message = message
    return box


def wrap(context, text: str, reserved: int = 0) -> list[str]:
    """Break a text into lines that fit the region it is drawn in."""
    preferences = context.preferences
    scale = preferences.system.ui_scale or 1.0  # 0 without a window.
    blf.size(0, preferences.ui_styles[0].widget.points * scale)
    region_width = context.region.width if context.region else DEFAULT_WIDTH * scale
    width = region_width - scale * (MARGINS + reserved)
    return _break(text, max(width, 3 * ICON * scale))


def _break(text: str, width: float) -> list[str]:
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if _width(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        # Longer than a line: a path, or a language without spaces.
        for character in word:
            if _width(lines[-1] + character) > width:
                lines.append("")
            lines[-1] += character
    return lines


def _width(text: str) -> float:
    return blf.dimensions(0, text)[0]
