# SPDX-License-Identifier: GPL-3.0-or-later
"""Colors in the viewport: Blender's Solid shading shows one color for each material by default."""

from __future__ import annotations

import bpy


class MAQUETTE_OT_show_colors(bpy.types.Operator):
    """Show textures and color attributes in this viewport's Solid shading, or no longer"""

    bl_idname = "maquette.show_colors"
    bl_label = "Show Colors"
    # No UNDO: how a viewport is shaded is not part of what Blender undoes.
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if context.space_data is None or context.space_data.type != "VIEW_3D":
            cls.poll_message_set("Use it in a 3D viewport")
            return False
        return True

    def execute(self, context):
        active = context.view_layer.objects.active
        has_uvs = active is not None and active.type == "MESH" and len(active.data.uv_layers) > 0
        colored = "TEXTURE" if has_uvs else "VERTEX"
        shading = context.space_data.shading
        shading.color_type = "MATERIAL" if shading.color_type == colored else colored
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_show_colors,)
