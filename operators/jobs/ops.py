# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the list of jobs.

None makes an undo step: the list is on the window manager, which undo does not touch.
"""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from .. import messages
from . import jump, queue


def _is_running(cls, context) -> bool:
    if not context.window_manager.maquette.is_running:
        cls.poll_message_set("No generation is running")
        return False
    return True


class MAQUETTE_OT_cancel(bpy.types.Operator):
    """Stop the running job; variants that are finished are kept"""

    bl_idname = "maquette.cancel"
    bl_label = "Cancel Generation"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        return _is_running(cls, context)

    def execute(self, context):
        queue.cancel()
        return {"FINISHED"}


class MAQUETTE_OT_cancel_all(bpy.types.Operator):
    """Stop the running job and take every waiting one off the queue"""

    bl_idname = "maquette.cancel_all"
    bl_label = "Cancel All Jobs"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        return _is_running(cls, context)

    def execute(self, context):
        queue.cancel_all()
        return {"FINISHED"}


class MAQUETTE_OT_job_cancel(bpy.types.Operator):
    """Stop this job, or take it off the queue if it has not started"""

    bl_idname = "maquette.job_cancel"
    bl_label = "Cancel Job"
    bl_options = {"INTERNAL"}

    job_id: bpy.props.IntProperty(name="Job", options={"SKIP_SAVE"})

    def execute(self, context):
        queue.cancel(self.job_id)
        return {"FINISHED"}


class MAQUETTE_OT_job_retry(bpy.types.Operator):
    """Do the same once more, as a new job"""

    bl_idname = "maquette.job_retry"
    bl_label = "Retry Job"
    bl_options = {"INTERNAL"}

    job_id: bpy.props.IntProperty(name="Job", options={"SKIP_SAVE"})

    def execute(self, context):
        try:
            queue.retry(context, self.job_id)
        except messages.EXPECTED as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        except KeyError:
            self.report({"ERROR"}, rpt_("The job is not known any more: enter its prompt again"))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_job_remove(bpy.types.Operator):
    """Take this job off the list; what it made stays in the scene"""

    bl_idname = "maquette.job_remove"
    bl_label = "Remove Job"
    bl_options = {"INTERNAL"}

    job_id: bpy.props.IntProperty(name="Job", options={"SKIP_SAVE"})

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
    MAQUETTE_OT_cancel_all,
    MAQUETTE_OT_job_cancel,
    MAQUETTE_OT_job_retry,
    MAQUETTE_OT_job_remove,
    MAQUETTE_OT_jobs_clear,
    *jump.CLASSES,
)
