# SPDX-License-Identifier: GPL-3.0-or-later
"""The buttons of the gallery; each is one undo step."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import IntProperty

from . import gallery, thumbnails
from .collection import collection_of


class _OnVariant:
    """An operator on one variant"""

    bl_options = {"UNDO", "INTERNAL"}

    object_uid: IntProperty(
        name="Variant",
        description="The session_uid of the variant; 0 for the active object",
        options={"HIDDEN", "SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        if context.mode != "OBJECT":
            cls.poll_message_set("Switch to Object Mode first")
            return False
        return True

    def execute(self, context):
        variant = gallery.find(context, self.object_uid)
        if variant is None or collection_of(variant) is None:
            self.report({"ERROR"}, rpt_("This is no variant any more: choose one in the gallery"))
            return {"CANCELLED"}
        self.apply(context, variant)
        return {"FINISHED"}


class MAQUETTE_OT_variant_select(_OnVariant, bpy.types.Operator):
    """Select this variant in the viewport"""

    bl_idname = "maquette.variant_select"
    bl_label = "Select Variant"

    def apply(self, context, variant):
        gallery.select(context, variant)
        gallery.show(context, collection_of(variant))


class MAQUETTE_OT_variant_keep(_OnVariant, bpy.types.Operator):
    """Take this variant out of the gallery and leave it where it stands"""

    bl_idname = "maquette.variant_keep"
    bl_label = "Keep"

    def apply(self, context, variant):
        name = variant.name
        gallery.keep(context, variant)
        self.report({"INFO"}, rpt_("Kept {name}").format(name=name))


class MAQUETTE_OT_variant_discard(_OnVariant, bpy.types.Operator):
    """Delete this variant with its mesh, material and texture"""

    bl_idname = "maquette.variant_discard"
    bl_label = "Discard"

    def apply(self, context, variant):
        name = variant.name
        gallery.discard(context, variant)
        self.report({"INFO"}, rpt_("Discarded {name}").format(name=name))


class MAQUETTE_OT_variant_keep_only(_OnVariant, bpy.types.Operator):
    """Keep this variant, move it to the middle of the sheet and delete the others"""

    bl_idname = "maquette.variant_keep_only"
    bl_label = "Keep Only This"

    def apply(self, context, variant):
        count = gallery.keep_only(context, variant)
        name = variant.name
        text = rpt_("Kept {name} and deleted {count} others")
        self.report({"INFO"}, text.format(name=name, count=count))


class MAQUETTE_OT_update_thumbnail(bpy.types.Operator):
    """Make a new picture of the selected results as they are now"""

    bl_idname = "maquette.update_thumbnail"
    bl_label = "Update Picture"
    bl_options = {"UNDO", "INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not any(each.type == "MESH" for each in context.selected_objects):
            cls.poll_message_set("Select a mesh object first")
            return False
        return True

    def execute(self, context):
        depsgraph = context.evaluated_depsgraph_get()
        for each in context.selected_objects:
            if each.type == "MESH":
                thumbnails.render(each, depsgraph)
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_variant_select,
    MAQUETTE_OT_variant_keep,
    MAQUETTE_OT_variant_discard,
    MAQUETTE_OT_variant_keep_only,
    MAQUETTE_OT_update_thumbnail,
)
