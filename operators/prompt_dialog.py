# SPDX-License-Identifier: GPL-3.0-or-later
"""The prompt as a dialog: for the Add menu, search and the keyboard shortcut."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import StringProperty

from ..core import config
from . import generate

WIDTH = 380


class MAQUETTE_OT_generate_from_prompt(bpy.types.Operator):
    """Ask for a prompt and generate a mesh from it"""

    bl_idname = "maquette.generate_from_prompt"
    bl_label = "Generate Mesh from Prompt"
    bl_options = {"REGISTER"}

    prompt: StringProperty(
        name="Prompt",
        description="What to make; empty takes the prompt of the sidebar",
        maxlen=config.MAX_PROMPT_CHARACTERS,
        options={"SKIP_SAVE"},
    )

    def invoke(self, context, event):
        # The dialog edits the settings of the sidebar, so that what was typed is never lost.
        context.scene.maquette.source = "TEXT"
        if self.prompt:
            context.scene.maquette.prompt = self.prompt
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, confirm_text=iface_("Generate")
        )

    def draw(self, context):
        self.layout.menu_contents("MAQUETTE_MT_prompt_dialog")

    def execute(self, context):
        settings = context.scene.maquette
        settings.source = "TEXT"
        if self.prompt:
            settings.prompt = self.prompt
        return generate.start(self, context)


CLASSES = (MAQUETTE_OT_generate_from_prompt,)
