# SPDX-License-Identifier: GPL-3.0-or-later
"""How the current run is doing, what went wrong, and the list of jobs."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .generate import SidebarPanel
from .wrapping import draw_message, draw_text

MAX_ROWS = 5

STATE_ICONS = {
    "WAITING": "SORTTIME",
    "RUNNING": "PLAY",
    "DONE": "CHECKMARK",
    "FAILED": "ERROR",
    "CANCELLED": "CANCEL",
}


def time_left(seconds: float) -> str:
    """Return the time that is left in words, rounded so that it does not flicker."""
    if seconds < 0.0:
        return iface_("Time left: not known yet")
    if seconds < 5.0:
        return iface_("A few seconds left")
    if seconds < 90.0:
        return iface_("About {count} s left").format(count=5 * round(seconds / 5.0))
    if seconds < 5400.0:
        return iface_("About {count} min left").format(count=round(seconds / 60.0))
    return iface_("About {count} h left").format(count=round(seconds / 3600.0))


class MAQUETTE_PT_running(SidebarPanel, bpy.types.Panel):
    """How far the run is"""

    bl_label = "Running"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"HIDE_HEADER"}
    bl_order = 0

    @classmethod
    def poll(cls, context):
        return context.window_manager.maquette.is_running

    def draw(self, context):
        status = context.window_manager.maquette
        column = self.layout.column()
        row = column.row(align=True)
        row.progress(factor=status.fraction, text=status.stage)
        row.operator("maquette.cancel", text="", icon="CANCEL")
        column.label(text=time_left(status.seconds_left), icon="TIME", translate=False)


class MAQUETTE_PT_preview(SidebarPanel, bpy.types.Panel):
    """What becomes of the preview that a cancelled run has left"""

    bl_label = "Preview"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"HIDE_HEADER"}
    bl_order = 1

    @classmethod
    def poll(cls, context):
        return context.window_manager.maquette.has_preview

    def draw(self, context):
        column = self.layout.box().column()
        draw_text(
            column, context, iface_("The cancelled run has left a preview"), icon="GHOST_ENABLED"
        )
        row = column.row(align=True)
        row.operator("maquette.preview_keep", text="Keep", icon="CHECKMARK")
        row.operator("maquette.preview_discard", text="Discard", icon="X")


class MAQUETTE_PT_message(SidebarPanel, bpy.types.Panel):
    """What went wrong, until it is dismissed or the next run starts"""

    bl_label = "Message"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"HIDE_HEADER"}
    bl_order = 1

    @classmethod
    def poll(cls, context):
        status = context.window_manager.maquette
        return bool(status.error or status.warning)

    def draw(self, context):
        status = context.window_manager.maquette
        layout = self.layout
        if status.error:
            box = draw_message(layout, context, status.error, icon="ERROR", message="ERROR")
            if status.report:
                box.operator("maquette.copy_report", icon="COPYDOWN")
        if status.warning:
            draw_message(layout, context, status.warning, icon="INFO", message="WARNING")


class MAQUETTE_UL_jobs(bpy.types.UIList):
    """Jobs of this session, oldest first"""

    def draw_item(self, context, layout, data, item, icon, active_data, active_property, index):
        row = layout.row(align=True)
        # How far a running job is stands above, where its stage and its time are.
        _draw_label(row, item)
        buttons = row.row(align=True)
        buttons.emboss = "NONE"
        if item.state in {"WAITING", "RUNNING"}:
            buttons.operator("maquette.job_cancel", text="", icon="X").job_id = item.job_id
            return
        name, picture = ("job_retry", "FILE_REFRESH")
        if item.state == "DONE":
            name, picture = ("job_jump", "ZOOM_SELECTED")
        buttons.operator(f"maquette.{name}", text="", icon=picture).job_id = item.job_id
        buttons.operator("maquette.job_remove", text="", icon="X").job_id = item.job_id


def _draw_label(row, item) -> None:
    """Add the name of a job, behind the picture of its first result where there is one."""
    made = bpy.data.objects.get(item.result_names.partition("\n")[0])
    if item.state == "DONE" and made is not None and made.preview is not None:
        row.label(text=item.label, icon_value=made.preview.icon_id, translate=False)
    else:
        row.label(text=item.label, icon=STATE_ICONS[item.state], translate=False)


class MAQUETTE_PT_jobs(SidebarPanel, bpy.types.Panel):
    """What runs, what waits, and what has ended"""

    bl_label = "Jobs"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_order = 2

    @classmethod
    def poll(cls, context):
        return bool(context.window_manager.maquette.jobs)

    def draw(self, context):
        layout = self.layout
        status = context.window_manager.maquette
        rows = min(len(status.jobs), MAX_ROWS)
        layout.template_list(
            "MAQUETTE_UL_jobs",
            "",
            status,
            "jobs",
            status,
            "active_job",
            rows=rows,
            maxrows=MAX_ROWS,
        )
        if 0 <= status.active_job < len(status.jobs):
            _draw_failure(layout, context, status.jobs[status.active_job])
        if sum(job.state not in {"WAITING", "RUNNING"} for job in status.jobs) > 1:
            layout.operator("maquette.jobs_clear", text="Clear Ended")


def _draw_failure(layout, context, job):
    # The last failure stands in full above already.
    if job.state != "FAILED" or job.error == context.window_manager.maquette.error:
        return
    box = layout.box()
    draw_text(box, context, job.error, icon="ERROR", alert=True)
    if job.report:
        box.operator("maquette.copy_report", icon="COPYDOWN").job_id = job.job_id


CLASSES = (
    MAQUETTE_UL_jobs,
    MAQUETTE_PT_running,
    MAQUETTE_PT_preview,
    MAQUETTE_PT_message,
    MAQUETTE_PT_jobs,
)
