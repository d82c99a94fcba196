# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model can do with a mesh that is there already."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .generate import SidebarPanel
from .wrapping import draw_text


class MAQUETTE_PT_rebuild(SidebarPanel, bpy.types.Panel):
    """Have the selected mesh made again by the model"""

    bl_label = "Selected Mesh"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 9

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        return active is not None and active.type == "MESH" and context.mode == "OBJECT"

    def draw(self, context):
        layout = self.layout
        text = iface_("The model reads the mesh and makes it again as it understands it")
        draw_text(layout, context, text, icon="INFO")
        states = context.window_manager.maquette_sidebar.pack_states
        state = states.get(f"{context.scene.maquette.pack} MESH")
        if state is not None and state.kind != "READY":
            draw_text(layout, context, state.words, icon="ERROR")
        layout.operator_context = "INVOKE_DEFAULT"
        layout.operator("maquette.rebuild", text="Rebuild with Maquette...", icon="MOD_REMESH")


CLASSES = (MAQUETTE_PT_rebuild,)
