# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons: quads of about a number, or fewer triangles, each with the same texture."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, IntProperty

from ...core.config import MAX_TEXTURE_SIZE, MIN_TRIANGLES
from ...core.painted import RemeshRequest
from .. import records
from ..variants import gallery
from . import quadriflow, reading, running

MIN_TEXTURE_SIZE = 64
MAX_QUADS = 200_000
WIDTH = 340


class _Remeshing:
    """An operator that gives a result another mesh"""

    # No UNDO: the step is made when the new mesh is put on the object.
    bl_options = {"REGISTER"}

    object_uid: IntProperty(
        name="Result",
        description="The session_uid of the result; 0 for the active object",
        options={"HIDDEN", "SKIP_SAVE"},
    )
    texture_size: IntProperty(
        name="Texture",
        description="Width of the new images; 0 makes a color attribute only",
        default=1024,
        min=0,
        max=MAX_TEXTURE_SIZE,
        subtype="PIXEL",
        options={"SKIP_SAVE"},
    )
    normal_map: BoolProperty(
        name="Normal Map",
        description="Keep in a texture of directions what the new mesh is too coarse for",
        default=True,
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        if gallery.find(context, 0) is None or active.type != "MESH":
            cls.poll_message_set("Select a mesh that Maquette made")
        elif context.mode != "OBJECT":
            cls.poll_message_set("Switch to Object Mode first")
        elif context.window_manager.maquette_remesh.is_running:
            cls.poll_message_set("Another object is being remeshed")
        elif not active.is_editable or not active.data.is_editable:
            cls.poll_message_set("The object is linked from another file")
        elif active.data.shape_keys is not None:
            cls.poll_message_set("Remove its shape keys first: they cannot be kept")
        else:
            return True
        return False

    def invoke(self, context, event):
        subject = gallery.find(context, self.object_uid)
        image = reading.base_image(subject)
        self.texture_size = max(image.size) if image else 0
        self.normal_map = image is not None
        self.suggest(subject)
        return context.window_manager.invoke_props_dialog(
            self, width=WIDTH, confirm_text=iface_("Remesh")
        )

    def draw(self, _context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, self.amount)
        layout.prop(self, "texture_size")
        row = layout.row()
        row.enabled = self.texture_size > 0
        row.prop(self, "normal_map")

    def execute(self, context):
        subject = gallery.find(context, self.object_uid)
        try:
            if subject is None or subject.type != "MESH" or not len(subject.data.polygons):
                raise records.RecordError(rpt_("The object has no faces: choose another one"))
            if 0 < self.texture_size < MIN_TEXTURE_SIZE:
                self.texture_size = MIN_TEXTURE_SIZE
            self.apply(context, subject, records.read(subject))
        except records.RecordError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        if error := running.state().error:
            # Only without a window, where it has already ended.
            self.report({"ERROR"}, error)
            return {"CANCELLED"}
        return {"FINISHED"}

    def request(self, subject: bpy.types.Object, record: dict, **geometry) -> RemeshRequest:
        """Return what to do, with the looks of the object as they are."""
        values = record["settings"]
        shading = values.get("shading")
        return RemeshRequest(
            source=reading.read_painted(subject),
            texture_size=self.texture_size,
            normal_map=self.normal_map and self.texture_size > 0,
            occlusion_map=values.get("occlusion_map") is True and self.texture_size > 0,
            shading=shading if shading in ("flat", "smooth", "auto") else "smooth",
            **geometry,
        )

    def record(self, record: dict, **changes: object) -> dict:
        """Return the record as it will be."""
        return running.with_settings(
            record, texture_size=self.texture_size, normal_map=self.normal_map, **changes
        )


class MAQUETTE_OT_quad_remesh(_Remeshing, bpy.types.Operator):
    """Give this object a mesh of quads with the same texture; the window waits for QuadriFlow"""

    bl_idname = "maquette.quad_remesh"
    bl_label = "Quad Remesh"

    amount = "quads"

    quads: IntProperty(
        name="Quads",
        description="About how many quads there will be; the time grows with it",
        default=5_000,
        min=50,
        soft_max=20_000,
        max=MAX_QUADS,
        options={"SKIP_SAVE"},
    )

    def suggest(self, subject) -> None:
        """Half as many faces as there are give quads as large as a pair of triangles."""
        self.quads = min(5_000, max(50, len(subject.data.loops) // 6))

    def apply(self, context, subject, record) -> None:
        context.window.cursor_set("WAIT")
        try:
            vertices, quads = self._quads(context, subject, record)
        except quadriflow.QuadsError as error:
            text = rpt_("QuadriFlow could not remesh {name}: {reason}")
            raise records.RecordError(text.format(name=subject.name, reason=error)) from error
        finally:
            context.window.cursor_set("DEFAULT")
        request = self.request(subject, record, vertices=vertices, polygons=quads)
        remembered = self.record(record, quads=len(quads), triangles=2 * len(quads))
        running.start(context, subject, remembered, request, iface_("Quad Remesh {name}"))

    def _quads(self, context, subject, record):
        mesh = subject.data
        if record["settings"].get("symmetry") == "x":
            try:
                return quadriflow.quads_of(context, mesh, self.quads, is_symmetric=True)
            except quadriflow.HalvesError:
                text = rpt_("{name} lost its symmetry: undo it, and ask for more quads to keep it")
                self.report({"WARNING"}, text.format(name=subject.name))
        return quadriflow.quads_of(context, mesh, self.quads, is_symmetric=False)


class MAQUETTE_OT_change_triangles(_Remeshing, bpy.types.Operator):
    """Give this object a mesh of fewer triangles with the same texture"""

    bl_idname = "maquette.change_triangles"
    bl_label = "Reduce Triangles"

    amount = "triangles"

    triangles: IntProperty(
        name="Triangles",
        description="How many triangles there will be at most",
        default=5_000,
        min=MIN_TRIANGLES,
        soft_max=100_000,
        options={"SKIP_SAVE"},
    )

    def suggest(self, subject) -> None:
        """Half as many triangles as there are."""
        mesh = subject.data
        self.triangles = max(MIN_TRIANGLES, (len(mesh.loops) - 2 * len(mesh.polygons)) // 2)

    def apply(self, context, subject, record) -> None:
        mesh = subject.data
        if self.triangles >= len(mesh.loops) - 2 * len(mesh.polygons):
            raise records.RecordError(rpt_("It has no more triangles than that: ask for fewer"))
        request = self.request(subject, record, triangles=self.triangles)
        remembered = self.record(record, quads=None, triangles=self.triangles)
        running.start(context, subject, remembered, request, iface_("Reduce Triangles of {name}"))


CLASSES = (MAQUETTE_OT_quad_remesh, MAQUETTE_OT_change_triangles)
