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


def draw_text(layout, context, text: str, *, icon: str = "NONE", alert: bool = False) -> None:
    """Add a text below one another, its icon before the first line."""
    column = layout.column(align=True)
    column.alert = alert
    for number, line in enumerate(wrap(context, text, has_icon=icon != "NONE")):
        row = column.row()
        # The lines are parts of a sentence that was translated as a whole.
        follower = "BLANK1" if icon != "NONE" else "NONE"
        row.label(text=line, icon=follower if number else icon, translate=False)


def wrap(context, text: str, *, has_icon: bool = False) -> list[str]:
    """Break a text into lines that fit the region it is drawn in."""
    preferences = context.preferences
    scale = preferences.system.ui_scale or 1.0  # 0 without a window.
    blf.size(0, preferences.ui_styles[0].widget.points * scale)
    region_width = context.region.width if context.region else DEFAULT_WIDTH * scale
    width = region_width - scale * (MARGINS + (ICON if has_icon else 0))
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
