# SPDX-License-Identifier: GPL-3.0-or-later
"""The operators that start and stop a generation."""

from __future__ import annotations

import bpy

from . import jobs, messages, properties


class MAQUETTE_OT_generate(bpy.types.Operator):
    """Generate a mesh from the prompt and place it at the 3D cursor"""

    bl_idname = "maquette.generate"
    bl_label = "Generate Mesh"
    # No UNDO: it returns before there is a result, and jobs makes the step when that lands.
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if context.window_manager.maquette.is_running:
            cls.poll_message_set("A generation is already running")
            return False
        if not context.scene.maquette.prompt.strip():
            cls.poll_message_set("Enter a prompt first")
            return False
        return True

    def execute(self, context):
        try:
            jobs.submit(context, properties.request_of(context.scene.maquette))
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        if status_error := context.window_manager.maquette.error:
            # Only without a window, where the run has already ended.
            self.report({"ERROR"}, status_error)
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_cancel(bpy.types.Operator):
    """Stop the running generation; nothing is added to the scene"""

    bl_idname = "maquette.cancel"
    bl_label = "Cancel Generation"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not context.window_manager.maquette.is_running:
            cls.poll_message_set("No generation is running")
            return False
        return True

    def execute(self, context):
        jobs.cancel()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_generate, MAQUETTE_OT_cancel)
