# SPDX-License-Identifier: GPL-3.0-or-later
"""A reference image as the model will see it, with what is to be said about it."""

from __future__ import annotations

from .wrapping import draw_text

SIDEBAR_SCALE = 8.0


def draw_picture(layout, context, image) -> None:
    """Add the prepared picture and its warnings, or the button that prepares it."""
    picture = context.window_manager.maquette_pictures.get(str(image.session_uid))
    column = layout.column()
    if picture is None:
        column.operator("maquette.preview_image", icon="HIDE_OFF").image = image.name
        return
    row = column.row()
    row.label(text="As the model sees it" if not picture.error else "This image cannot be used")
    row.operator("maquette.preview_image", text="", icon="FILE_REFRESH").image = image.name
    if picture.error:
        draw_text(column, context, picture.error, icon="ERROR", alert=True)
        return
    column.template_icon(icon_value=picture.icon_id, scale=SIDEBAR_SCALE)
    for note in picture.notes.splitlines():
        draw_text(column, context, note, icon="ERROR")
