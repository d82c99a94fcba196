# SPDX-License-Identifier: GPL-3.0-or-later
"""What our dialogs show. Operators open them and name these menus, whose contents they are."""

from __future__ import annotations

import bpy

PICTURE_SCALE = 10.0


class MAQUETTE_MT_prompt_dialog(bpy.types.Menu):
    """A prompt, and the settings that matter most"""

    bl_label = "Generate Mesh from Prompt"

    def draw(self, context):
        layout = self.layout
        settings = context.scene.maquette
        row = layout.row()
        row.activate_init = True  # So that one can type at once.
        row.prop(settings, "prompt", text="", icon="TEXT", placeholder="A red chair")
        _draw_choices(layout, settings)
        if settings.prompt and settings.hindrance:
            layout.label(text=settings.hindrance, icon="ERROR", translate=False)


class MAQUETTE_MT_image_dialog(bpy.types.Menu):
    """The image as the model will see it, and the settings that matter most"""

    bl_label = "Generate Mesh from Image"

    def draw(self, context):
        layout = self.layout
        settings = context.scene.maquette
        image = settings.image
        if image is None:
            return
        picture = context.window_manager.maquette_pictures.get(str(image.session_uid))
        if picture is not None and not picture.error:
            layout.template_icon(icon_value=picture.icon_id, scale=PICTURE_SCALE)
            for note in picture.notes.splitlines():
                layout.label(text=note, icon="ERROR", translate=False)
        _draw_choices(layout, settings)


class MAQUETTE_MT_batch_dialog(bpy.types.Menu):
    """What a list of prompts comes to"""

    bl_label = "Generate Meshes from List"

    def draw(self, context):
        layout = self.layout
        column = layout.column(align=True)
        for number, line in enumerate(context.window_manager.maquette_batch.splitlines()):
            column.label(text=line, icon="BLANK1" if number else "PRESET", translate=False)
        _draw_choices(layout, context.scene.maquette, has_count=False)


class MAQUETTE_MT_batch_files(bpy.types.Menu):
    """What a list may be; shown beside the files"""

    bl_label = "Lists of Prompts"

    def draw(self, context):
        column = self.layout.column(align=True)
        column.label(text="Text: a prompt on each line", icon="TEXT")
        column.label(text="Lines that begin with # are left out", icon="BLANK1")
        column.separator()
        column.label(text="CSV: columns named", icon="SPREADSHEET")
        # Not translated, because they are what has to stand in the file.
        column.label(text="prompt, seed, count, preset, name", icon="BLANK1", translate=False)
        column.label(text="Only prompt is needed", icon="BLANK1")


def _draw_choices(layout, settings, *, has_count=True):
    """Add what is chosen before any generation: model, quality, number, place."""
    row = layout.row(align=True)
    # Custom cannot be chosen, only arrived at.
    for name in ("DRAFT", "FAST", "NORMAL", "FINE"):
        row.prop_enum(settings, "preset", name)
    column = layout.column()
    column.use_property_split = True
    column.use_property_decorate = False
    column.prop(settings, "pack")
    if has_count:
        column.prop(settings, "count")
    column.prop(settings, "location")


CLASSES = (
    MAQUETTE_MT_prompt_dialog,
    MAQUETTE_MT_image_dialog,
    MAQUETTE_MT_batch_dialog,
    MAQUETTE_MT_batch_files,
)
