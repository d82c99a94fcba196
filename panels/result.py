# SPDX-License-Identifier: GPL-3.0-or-later
"""What the active object was made from, and what can be done with it next."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_n as n_

from .gallery import RECORD_KEY, draw_more_like_this, is_result, is_variant
from .generate import SidebarPanel
from .wrapping import draw_text

FACTS = {
    "pack": n_("Model"),
    "pack_hash": n_("Model Hash"),
    "version": n_("Maquette"),
}
SETTINGS = {
    "num_steps": n_("Steps"),
    "guidance_scale": n_("Guidance"),
    "method": n_("Sampler"),
    "resolution": n_("Resolution"),
    "texture_size": n_("Texture"),
    "triangles": n_("Triangles at Most"),
    "shading": n_("Shading"),
    "symmetry": n_("Symmetry"),
    "num_lods": n_("LODs"),
    "collision": n_("Collision"),
    "like_seeds": n_("Like Seed"),
    "mesh_source": n_("From Mesh"),
    "device": n_("Device"),
    "precision": n_("Precision"),
}
UNSAID = ("none", 0)
"""Values of settings that say that nothing was asked for."""
STAGES = {
    "load": n_("Loading"),
    "condition": n_("Prompt"),
    "encode": n_("Reading"),
    "sample": n_("Sampling"),
    "surface": n_("Surface"),
    "unwrap": n_("Unwrapping"),
    "texture": n_("Texture"),
}
FORMATS = ("GLTF", "FBX", "USD", "OBJ", "STL", "3MF")
LABELS = {"GLTF": "glTF"}


class _ResultPanel(SidebarPanel):
    """A panel about the active object"""

    @classmethod
    def poll(cls, context):
        return is_result(context.view_layer.objects.active)


class MAQUETTE_PT_result(_ResultPanel, bpy.types.Panel):
    """What the active object was made from"""

    bl_label = "Result"
    bl_order = 11

    def draw(self, context):
        layout = self.layout
        active = context.view_layer.objects.active
        prompt = active.get(f"{RECORD_KEY}_prompt") or active.name
        draw_text(layout, context, str(prompt), icon="TEXT")
        seed = iface_("Seed {seed}").format(seed=active.get(f"{RECORD_KEY}_seed", "?"))
        layout.label(text=seed, icon="BLANK1", translate=False)
        _draw_view(layout, context)
        column = layout.column(align=True)
        column.operator("maquette.regenerate", icon="FILE_REFRESH")
        # What leaves this object as it is, and adds others beside it.
        column = layout.column(align=True)
        column.operator("maquette.same_with_new_seed", icon="ADD")
        if not is_variant(active):  # The gallery has this button too.
            draw_more_like_this(column)
        layout.operator("maquette.edit_prompt", icon="GREASEPENCIL")


def _draw_view(layout, context) -> None:
    """Add what brings the result before one's eyes; nothing here comes and goes under a click."""
    row = layout.row(align=True)
    row.operator_context = "INVOKE_REGION_WIN"
    row.operator("view3d.view_selected", text="Frame Selected", icon="ZOOM_SELECTED")
    space = context.space_data
    if space is not None and space.type == "VIEW_3D":
        shading = space.shading
        colors = row.row(align=True)
        colors.enabled = shading.type == "SOLID"  # The others show colors by themselves.
        shown = shading.type != "SOLID" or shading.color_type in {"TEXTURE", "VERTEX"}
        colors.operator("maquette.show_colors", icon="SHADING_TEXTURE", depress=shown)


class MAQUETTE_PT_result_details(_ResultPanel, bpy.types.Panel):
    """Seed, model, settings and times of the active object"""

    bl_label = "Details"
    bl_parent_id = "MAQUETTE_PT_result"
    bl_options = {"DEFAULT_CLOSED"}
    bl_order = 1

    def draw(self, context):
        active = context.view_layer.objects.active
        column = self.layout.column(align=True)
        _draw_facts(column, active)
        settings = active.get(f"{RECORD_KEY}_settings", {})
        for key, label in SETTINGS.items():
            if key in settings and settings[key] not in UNSAID:
                _draw_fact(column, label, _in_words(settings[key]))
        seconds = active.get(f"{RECORD_KEY}_seconds", {})
        if seconds:
            column.separator()
        for key, label in STAGES.items():
            if key in seconds:
                _draw_fact(column, label, f"{seconds[key]:.1f} s")


def _draw_facts(column, active) -> None:
    for key, label in FACTS.items():
        _draw_fact(column, label, str(active.get(f"{RECORD_KEY}_{key}", "?")))
    if active.type == "MESH":
        # A polygon of n corners is n - 2 triangles.
        mesh = active.data
        count = len(mesh.loops) - 2 * len(mesh.polygons)
        _draw_fact(column, n_("Triangles"), f"{count:,}")
    size = " x ".join(f"{length:.2f}" for length in active.dimensions)
    _draw_fact(column, n_("Size"), size)


def _draw_fact(column, label: str, value: str) -> None:
    split = column.split(factor=0.45)
    split.label(text=label)
    split.label(text=value, translate=False)


def _in_words(value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


class MAQUETTE_PT_result_use(_ResultPanel, bpy.types.Panel):
    """Keep the selected results as assets or as files"""

    bl_label = "Save and Export"
    bl_parent_id = "MAQUETTE_PT_result"
    bl_order = 0

    def draw(self, context):
        layout = self.layout
        row = layout.row(align=True)
        row.operator("maquette.asset_save", icon="ASSET_MANAGER")
        if context.view_layer.objects.active.asset_data is not None:
            row.operator("maquette.asset_clear", text="", icon="X")
        row.operator("maquette.asset_delete_file", text="", icon="TRASH")
        row = layout.row(align=True)
        for name in FORMATS:
            button = row.operator("maquette.export", text=LABELS.get(name, name), translate=False)
            button.file_format = name


class MAQUETTE_MT_result(bpy.types.Menu):
    """What can be done with an earlier result"""

    bl_label = "Maquette"

    def draw(self, context):
        layout = self.layout
        layout.operator("maquette.regenerate", icon="FILE_REFRESH")
        layout.operator("maquette.same_with_new_seed", icon="ADD")
        layout.operator("maquette.more_like_this", icon="OUTLINER_COLLECTION")
        layout.operator("maquette.edit_prompt", icon="GREASEPENCIL")
        layout.separator()
        layout.operator("maquette.update_thumbnail", icon="IMAGE_DATA")
        layout.operator("maquette.asset_save", icon="ASSET_MANAGER")


def draw_in_context_menu(self, context) -> None:
    """Add our menu to that of an object which Maquette made."""
    if is_result(context.view_layer.objects.active):
        self.layout.menu("MAQUETTE_MT_result")
        self.layout.separator()


def register() -> None:
    """Add our menu to the one that opens on a right click."""
    bpy.types.VIEW3D_MT_object_context_menu.prepend(draw_in_context_menu)


def unregister() -> None:
    """Take it out again."""
    bpy.types.VIEW3D_MT_object_context_menu.remove(draw_in_context_menu)


CLASSES = (
    MAQUETTE_PT_result,
    MAQUETTE_PT_result_use,
    MAQUETTE_PT_result_details,
    MAQUETTE_MT_result,
)
