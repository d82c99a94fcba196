# SPDX-License-Identifier: GPL-3.0-or-later
"""Select in Edit Mode what the print check found, so that one sees where it is."""

from __future__ import annotations

import bpy
import numpy as np
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import EnumProperty

from . import print_check


class MAQUETTE_OT_print_select(bpy.types.Operator):
    """Show in Edit Mode what the print check found, by selecting it"""

    bl_idname = "maquette.print_select"
    bl_label = "Select Print Problems"
    bl_options = {"REGISTER", "UNDO"}

    kind: EnumProperty(
        name="Problem",
        items=(
            ("THIN", "Thin Walls", "Faces whose wall is thinner than what the printer can make"),
            ("FLOATING", "Floating Parts", "Parts that hang on nothing"),
            ("HOLES", "Holes", "The rims of holes"),
        ),
    )

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        checked = print_check.last()
        if active is None or checked is None or checked.asked.uid != active.session_uid:
            cls.poll_message_set("Check the object for printing first")
            return False
        if not checked.asked.is_own_mesh:
            cls.poll_message_set("Apply the modifiers of the object and check it again")
            return False
        if print_check.state(context).is_stale:
            cls.poll_message_set("The object has changed: check it again")
            return False
        return True

    def execute(self, context):
        active = context.view_layer.objects.active
        if active.mode != "OBJECT":
            bpy.ops.object.mode_set(mode="OBJECT")
        print_check.compare(context)
        if print_check.state(context).is_stale:
            self.report({"ERROR"}, rpt_("The object has changed: check it again"))
            return {"CANCELLED"}
        mesh, report = active.data, print_check.last().report
        for domain in (mesh.vertices, mesh.edges, mesh.polygons):
            domain.foreach_set("select", np.zeros(len(domain), dtype=bool))
        if self.kind == "HOLES":
            _select(mesh.vertices, report.open_vertices)
        else:
            faces = report.thin_faces
            if self.kind == "FLOATING":
                none = np.empty(0, dtype=np.int64)
                faces = np.concatenate([none, *report.floating_faces])
            _select(mesh.polygons, print_check.polygons_of(print_check.last(), faces))
        by_vertex = self.kind == "HOLES"
        context.tool_settings.mesh_select_mode = (by_vertex, False, not by_vertex)
        bpy.ops.object.mode_set(mode="EDIT")
        return {"FINISHED"}


def _select(domain, indices: np.ndarray) -> None:
    is_selected = np.zeros(len(domain), dtype=bool)
    is_selected[indices] = True
    domain.foreach_set("select", is_selected)


CLASSES = (MAQUETTE_OT_print_select,)
