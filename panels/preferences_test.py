# SPDX-License-Identifier: GPL-3.0-or-later
"""The self-test in the preferences."""

from __future__ import annotations

from .wrapping import draw_text


def draw(_preferences, layout, context):
    """Draw the section."""
    shown = context.window_manager.maquette_diagnostics
    if shown.is_running:
        row = layout.row(align=True)
        row.progress(factor=shown.fraction, text=shown.stage)
        row.operator("maquette.self_test_cancel", text="", icon="CANCEL")
        return
    row = layout.row(align=True)
    row.operator("maquette.self_test", icon="PLAY")
    row.operator("maquette.diagnostics_copy", icon="COPYDOWN")
    if shown.error:
        draw_text(layout, context, shown.error, icon="ERROR", alert=True)
    if shown.words:
        icon = "CHECKMARK" if shown.has_passed else "ERROR"
        draw_text(layout, context, shown.words, icon=icon, alert=not shown.has_passed)
    if shown.report:
        _draw_report(layout.box(), shown.report)


def _draw_report(box, report):
    column = box.column(align=True)
    column.scale_y = 0.8
    for line in report.splitlines():
        if line.startswith("  "):
            # The report is aligned for a font of one width, which labels are not drawn in.
            name, _, text = line.strip().partition("  ")
            split = column.split(factor=0.2)
            split.label(text=name, translate=False)
            split.label(text=text.strip(), translate=False)
        else:
            column.label(text=line, translate=False)
