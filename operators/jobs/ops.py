# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the list of jobs."""

from __future__ import annotations

import bpy

from .. import messages, status
from . import queue


class _JobOperator:
    """An operator on one job of the list."""

    # No UNDO: the list is on the window manager, which undo does not touch.
    bl_options = {"INTERNAL"}
    job_id: bpy.props.IntProperty(name="Job", options={"SKIP_SAVE"})

    @property
    def entry(self):
        return status.entry_of(status.current(), self.job_id)


class MAQUETTE_OT_cancel(bpy.types.Operator):
    """Stop the running job; variants that are finished stay"""

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
        queue.cancel()
        return {"FINISHED"}


class MAQUETTE_OT_job_cancel(_JobOperator, bpy.types.Operator):
    """Stop this job, or take it off the queue if it has not started"""

    bl_idname = "maquette.job_cancel"
    bl_label = "Cancel Job"

    def execute(self, context):
        queue.cancel(self.job_id)
        return {"FINISHED"}


class MAQUETTE_OT_job_retry(_JobOperator, bpy.types.Operator):
    """Do the same once more, as a new job"""

    bl_idname = "maquette.job_retry"
    bl_label = "Retry Job"

    def execute(self, context):
        try:
            queue.retry(context, self.job_id)
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        except KeyError:
            self.report({"ERROR"}, "The job is not known any more: enter its prompt again")
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_job_jump(_JobOperator, bpy.types.Operator):
    """Select what this job made and frame it in the viewport"""

    bl_idname = "maquette.job_jump"
    bl_label = "Jump to Result"
    bl_options = {"INTERNAL", "UNDO"}

    def execute(self, context):
        names = self.entry.result_names.splitlines() if self.entry else []
        found = [each for name in names if (each := context.view_layer.objects.get(name))]
        if not found:
            self.report({"ERROR"}, "Its result is not in this scene any more")
            return {"CANCELLED"}
        for other in list(context.view_layer.objects.selected):
            other.select_set(False)
        for each in found:
            each.select_set(True)
        context.view_layer.objects.active = found[0]
        if bpy.ops.view3d.view_selected.poll():
            bpy.ops.view3d.view_selected()
        return {"FINISHED"}


class MAQUETTE_OT_job_remove(_JobOperator, bpy.types.Operator):
    """Take this job off the list; what it made stays in the scene"""

    bl_idname = "maquette.job_remove"
    bl_label = "Remove Job"

    def execute(self, context):
        queue.remove(self.job_id)
        return {"FINISHED"}


class MAQUETTE_OT_jobs_clear(bpy.types.Operator):
    """Take every job that has ended off the list; what they made stays in the scene"""

    bl_idname = "maquette.jobs_clear"
    bl_label = "Clear Ended Jobs"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        queue.clear_finished()
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_cancel,
    MAQUETTE_OT_job_cancel,
    MAQUETTE_OT_job_retry,
    MAQUETTE_OT_job_jump,
    MAQUETTE_OT_job_remove,
    MAQUETTE_OT_jobs_clear,
)
