# SPDX-License-Identifier: GPL-3.0-or-later
"""From a line of the list of jobs to what the job made."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_

from .. import mesh_build
from . import queue
from .spec import object_of


class MAQUETTE_OT_job_jump(bpy.types.Operator):
    """Select what this job made and bring it into view"""

    bl_idname = "maquette.job_jump"
    bl_label = "Jump to Result"
    # No UNDO: usually it is selected already, and then there is nothing to undo.
    bl_options = {"INTERNAL"}

    job_id: bpy.props.IntProperty(name="Job", options={"SKIP_SAVE"})

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT":
            cls.poll_message_set("Go to Object Mode first")
            return False
        return True

    def execute(self, context):
        found = results_of(self.job_id)
        if not found:
            text = rpt_("Its result was undone or deleted: redo it, or generate it again")
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        _show_scene_of(context, found[0])
        here = [each for each in found if each.name in context.view_layer.objects]
        before = _choice(context)
        for each in here:
            each.hide_set(False)
        seen = [each for each in here if each.visible_get()]
        if not seen:
            text = rpt_("The result is hidden: show its collection in the Outliner")
            self.report({"ERROR"}, text)
            return {"CANCELLED"}
        mesh_build.select_only(context, seen)
        if _choice(context) != before:
            bpy.ops.ed.undo_push(message=iface_(self.bl_label))
        _frame_selected(context)
        return {"FINISHED"}


def results_of(job_id: int) -> list[bpy.types.Object]:
    """Return what a job made and is still there, by whatever name."""
    uids = queue.results_of(job_id)
    return [found for uid in uids if (found := object_of(uid)) is not None]


def _choice(context) -> tuple[object, ...]:
    """Return what is active and what is selected; nothing hidden is."""
    return context.view_layer.objects.active, *context.selected_objects


def _show_scene_of(context, wanted: bpy.types.Object) -> None:
    """Have the window show a scene that the object is in."""
    if wanted.name not in context.scene.objects and context.window is not None:
        for scene in bpy.data.scenes:
            if wanted.name in scene.objects:
                context.window.scene = scene
                return


def _frame_selected(context) -> None:
    """Bring the selection into view in the largest viewport of the window."""
    if context.window is None:
        return
    areas = [area for area in context.window.screen.areas if area.type == "VIEW_3D"]
    for area in sorted(areas, key=lambda area: area.width * area.height)[-1:]:
        region = next(each for each in area.regions if each.type == "WINDOW")
        with context.temp_override(area=area, region=region):
            if bpy.ops.view3d.view_selected.poll():
                bpy.ops.view3d.view_selected()


CLASSES = (MAQUETTE_OT_job_jump,)
