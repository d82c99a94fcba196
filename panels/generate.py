# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D viewport: a prompt, a button, and how the run is doing."""

from __future__ import annotations

import bpy


class MAQUETTE_PT_generate(bpy.types.Panel):
    """Make a mesh from a prompt"""

    bl_label = "Maquette"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"

    def draw(self, context):
        layout = self.layout
        settings = context.scene.maquette
        status = context.window_manager.maquette

        column = layout.column()
        column.enabled = not status.is_running
        column.prop(settings, "prompt", text="", icon="TEXT")
        column.prop(settings, "seed")

        if status.is_running:
            row = layout.row(align=True)
            row.progress(factor=status.fraction, text=status.stage)
            row.operator("maquette.cancel", text="", icon="CANCEL")
        else:
            row = layout.row()
            row.scale_y = 1.5
            row.operator("maquette.generate", text="Generate", icon="MESH_DATA")

        if status.error:
            row = layout.row()
            row.alert = True
            row.label(text=status.error, icon="ERROR")
        if status.warning:
            layout.label(text=status.warning, icon="INFO")


class MAQUETTE_PT_advanced(bpy.types.Panel):
    """How detailed and how large the mesh is"""

    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.enabled = not context.window_manager.maquette.is_running
        settings = context.scene.maquette
        layout.prop(settings, "resolution")
        layout.prop(settings, "texture_size")
        layout.prop(settings, "target_size")


CLASSES = (MAQUETTE_PT_generate, MAQUETTE_PT_advanced)
