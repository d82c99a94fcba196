# SPDX-License-Identifier: GPL-3.0-or-later
"""The Maquette tab of the Image Editor: the picture as the model sees it, and the button."""

from __future__ import annotations

import bpy

from .picture import draw_picture


class MAQUETTE_PT_image(bpy.types.Panel):
    """Make a mesh from the image in this editor"""

    bl_label = "Maquette"
    bl_space_type = "IMAGE_EDITOR"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def draw(self, context):
        layout = self.layout
        image = context.space_data.image
        if image is None:
            layout.label(text="Open an image first", icon="INFO")
            return
        draw_picture(layout, context, image)
        row = layout.row()
        row.scale_y = 1.6
        row.operator("maquette.generate_from_image", text="Generate...", icon="MESH_DATA")


CLASSES = (MAQUETTE_PT_image,)
