# SPDX-License-Identifier: GPL-3.0-or-later
"""The sidebar of the 3D viewport: what to make, how well, where it stands, and the button."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .picture import draw_picture
from .preferences_engine import draw_connection
from .wrapping import draw_text, wrap

PROMPT_EXTRAS = 26
"""Pixels of the icon and the cross in the prompt's field, beyond those of a text in a box."""
STARTER = "starter"
"""The pack that knows few kinds of objects, which a menu names."""
PACK_ICONS = {"READY": "CHECKMARK", "MISSING": "IMPORT", "DAMAGED": "ERROR", "NO_MODEL": "INFO"}


class SidebarPanel:
    """A panel of the Maquette tab"""

    bl_space_type = "VIEW_3D"
    bl_region_type = "UI"
    bl_category = "Maquette"


class MAQUETTE_PT_generate(SidebarPanel, bpy.types.Panel):
    """Make a mesh from a prompt or from an image"""

    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        settings = context.scene.maquette
        _draw_source(layout, context, settings)
        _draw_pack(layout, context, settings)

        row = layout.row(align=True)
        names = ["DRAFT", "FAST", "NORMAL", "FINE"]
        # Custom cannot be chosen, only arrived at.
        for name in [*names, "CUSTOM"] if settings.preset == "CUSTOM" else names:
            row.prop_enum(settings, "preset", name)

        column = layout.column(align=True)
        column.prop(settings, "count")
        column.prop(settings, "location", text="")
        if settings.location == "PLACEHOLDER":
            column.prop(settings, "placeholder_action", text="")
        _draw_button(layout, context, settings)


def _draw_source(layout, context, settings):
    column = layout.column()
    row = column.row(align=True)
    row.prop(settings, "source", expand=True)
    if settings.source == "TEXT":
        row = column.row()
        row.scale_y = 1.2
        row.prop(settings, "prompt", text="", icon="TEXT", placeholder="A red chair")
        if len(wrap(context, settings.prompt, PROMPT_EXTRAS)) > 1:
            # The field shows its beginning and its end only.
            draw_text(column, context, settings.prompt)
        return
    column.template_ID(settings, "image", open="image.open")
    if settings.image is not None:
        draw_picture(column, context, settings.image)


def _pack_state(context, settings):
    states = context.window_manager.maquette_sidebar.pack_states
    return states.get(f"{settings.pack} {settings.source}")


def _draw_pack(layout, context, settings):
    state = _pack_state(context, settings)
    column = layout.column(align=True)
    row = column.row(align=True)
    row.prop(settings, "pack", text="")
    if settings.pack == STARTER and settings.source == "TEXT":
        row.menu("MAQUETTE_MT_things", text="", icon="QUESTION")
    if state is None:
        return
    draw_text(column, context, state.words, icon=PACK_ICONS[state.kind])
    if state.kind == "NO_MODEL":
        column.operator("maquette.offer_image_pack", icon="IMPORT")
    if state.kind == "MISSING" and not context.window_manager.maquette_downloads.is_running:
        _draw_fetch(column, context, settings)


def _draw_fetch(column, context, settings):
    if not bpy.app.online_access:
        draw_connection(column, context)
    row = column.row(align=True)
    button = row.operator("maquette.pack_fetch", text="Fetch Model", icon="IMPORT")
    button.pack_id, button.part = settings.pack, settings.source
    # Packs can be imported from a folder there.
    row.operator("maquette.preferences", text="", icon="PREFERENCES")


def _draw_button(layout, context, settings):
    status = context.window_manager.maquette
    state = _pack_state(context, settings)
    column = layout.column()
    row = column.row(align=True)
    row.scale_y = 1.6
    row.operator("maquette.generate", text="Generate", icon="MESH_DATA")
    row.menu("MAQUETTE_MT_more", text="", icon="DOWNARROW_HLT")
    if state is not None and state.kind != "READY":
        return  # It stands at the model.
    if settings.hindrance:
        draw_text(column, context, settings.hindrance, icon="INFO")
    elif status.estimate and not status.is_running:
        draw_text(column, context, status.estimate, icon="TIME")


class MAQUETTE_PT_mesh(SidebarPanel, bpy.types.Panel):
    """How the mesh is made up, and what comes with it"""

    bl_label = "Mesh"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 3

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.maquette
        column = layout.column()
        column.prop(settings, "triangle_budget")
        if settings.triangle_budget == "CUSTOM":
            column.prop(settings, "triangles")
        column.prop(settings, "shading")
        column.prop(settings, "symmetry")
        row = column.row(heading="Remove Specks")
        row.prop(settings, "use_speck_share", text="")
        if settings.use_speck_share:
            row.prop(settings, "speck_share", text="")
        else:
            words = row.row()
            words.active = False  # It tells what holds now, and is no name of the box beside it.
            words.label(text="As the Model Says")

        column = layout.column(heading="Textures")
        column.enabled = settings.texture_size > 0
        column.prop(settings, "normal_map")
        column.prop(settings, "occlusion_map")
        if not settings.texture_size:
            words = iface_("There are no maps without a texture: set Texture under Advanced")
            draw_text(layout, context, words, icon="INFO")
        column = layout.column()
        column.prop(settings, "num_lods")
        column.prop(settings, "collision")


class MAQUETTE_PT_advanced(SidebarPanel, bpy.types.Panel):
    """How detailed and how large the mesh is"""

    bl_label = "Advanced"
    bl_parent_id = "MAQUETTE_PT_generate"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 4

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        settings = context.scene.maquette
        column = layout.column()
        column.prop(settings, "fast_sampling")
        row = column.row()
        row.enabled = not settings.fast_sampling
        row.prop(settings, "steps")
        row = column.row(heading="Guidance")
        row.prop(settings, "use_guidance", text="")
        if settings.use_guidance:
            row.prop(settings, "guidance", text="")
        else:
            words = row.row()
            words.active = False  # It tells what holds now, and is no name of the box beside it.
            words.label(text="As the Model Says")
        column.prop(settings, "resolution")
        column.prop(settings, "texture_size")
        row = column.row()
        row.enabled = settings.location != "PLACEHOLDER"
        row.prop(settings, "target_size")

        column = layout.column()
        row = column.row(align=True)
        row.enabled = not settings.random_seed
        row.prop(settings, "seed")
        row.operator("maquette.draw_seed", text="", icon="FILE_REFRESH")
        column.prop(settings, "random_seed")
        layout.prop(settings, "device")


CLASSES = (MAQUETTE_PT_generate, MAQUETTE_PT_mesh, MAQUETTE_PT_advanced)
