# SPDX-License-Identifier: GPL-3.0-or-later
"""The operator behind Generate."""

from __future__ import annotations

import bpy

from . import jobs, messages, packs, properties, repeats


class MAQUETTE_OT_generate(bpy.types.Operator):
    """Generate a mesh from the prompt and place it as chosen"""

    bl_idname = "maquette.generate"
    bl_label = "Generate Mesh"
    # No UNDO: it returns before there is a result, and jobs makes the step when that lands.
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        if hindrance := context.scene.maquette.hindrance:
            cls.poll_message_set(hindrance)
            return False
        return True

    def execute(self, context):
        return start(self, context)


def start(operator: bpy.types.Operator, context) -> set[str]:
    """Submit what the sidebar shows; returns what the operator's `execute` returns."""
    settings = context.scene.maquette
    if hindrance := settings.hindrance:
        operator.report({"ERROR"}, hindrance)
        return {"CANCELLED"}
    if settings.random_seed:
        properties.draw_seed(settings)
    try:
        request = properties.request_of(settings, packs.preferences(context))
        request = repeats.with_new_seed(request)
        settings.seed = request.seed
        jobs.submit(
            context, jobs.JobSpec(request=request, placement=jobs.placement_of(context, settings))
        )
    except messages.EXPECTED as error:
        operator.report({"ERROR"}, messages.for_user(error))
        return {"CANCELLED"}
    if status_error := context.window_manager.maquette.error:
        # Only without a window, where the run has already ended.
        operator.report({"ERROR"}, status_error)
        return {"CANCELLED"}
    return {"FINISHED"}


CLASSES = (MAQUETTE_OT_generate,)
