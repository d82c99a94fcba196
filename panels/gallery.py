# SPDX-License-Identifier: GPL-3.0-or-later
"""The variants of one prompt as pictures, and what can be done with the chosen one."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .generate import SidebarPanel
from .wrapping import DEFAULT_WIDTH

RECORD_KEY = "maquette"
VARIANTS_KEY = "maquette_variants"
GALLERY_KEY = "maquette_gallery"
"""Custom properties of objects, of collections with variants, and of the scene."""
PICTURE_UNITS = 4.6
"""Height of a picture in lines; two of them fit a sidebar that nobody has widened."""
PICTURE_WIDTH = 105
"""Pixels of a picture with its frame, at a scale of 1."""


def is_result(subject) -> bool:
    """Tell whether an object was made by Maquette."""
    return subject is not None and RECORD_KEY in subject


def is_variant(subject) -> bool:
    """Tell whether an object is one of several that are still to be chosen from."""
    return is_result(subject) and any(VARIANTS_KEY in each for each in subject.users_collection)


def gallery_of(context):
    """Return the collection to show: that of the active variant, else the one shown last."""
    active = context.view_layer.objects.active
    if is_variant(active):
        return next(each for each in active.users_collection if VARIANTS_KEY in each)
    last = context.scene.get(GALLERY_KEY)
    return last if isinstance(last, bpy.types.Collection) and VARIANTS_KEY in last else None


class MAQUETTE_PT_gallery(SidebarPanel, bpy.types.Panel):
    """Compare the variants of a prompt and choose among them"""

    bl_label = "Variants"
    bl_order = 10

    @classmethod
    def poll(cls, context):
        return gallery_of(context) is not None

    def draw(self, context):
        layout = self.layout
        collection = gallery_of(context)
        variants = [each for each in collection.objects if is_result(each)]
        active = context.view_layer.objects.active
        layout.label(text=collection.name, icon="OUTLINER_COLLECTION", translate=False)

        grid = layout.grid_flow(
            row_major=True, columns=_num_columns(context, len(variants)), even_columns=True
        )
        for variant in variants:
            _draw_variant(grid, variant, variant == active)
        if active in variants:
            _draw_choice(layout)
        else:
            layout.label(text="Choose one by its seed", icon="INFO")


def _num_columns(context, count: int) -> int:
    scale = context.preferences.system.ui_scale or 1.0  # 0 without a window.
    width = context.region.width if context.region else DEFAULT_WIDTH * scale
    return max(2, min(count, int(width / (scale * PICTURE_WIDTH))))


def _draw_variant(layout, variant, is_active: bool) -> None:
    column = layout.column(align=True)
    picture = column.box()
    if variant.preview is not None:
        picture.template_icon(icon_value=variant.preview.icon_id, scale=PICTURE_UNITS)
    else:
        picture.label(text=variant.name, icon="MESH_DATA", translate=False)
    seed = iface_("Seed {seed}").format(seed=variant.get(f"{RECORD_KEY}_seed", "?"))
    button = column.operator(
        "maquette.variant_select", text=seed, depress=is_active, translate=False
    )
    button.object_uid = variant.session_uid


def _draw_choice(layout) -> None:
    column = layout.column(align=True)
    row = column.row(align=True)
    row.operator("maquette.variant_keep", text="Keep", icon="CHECKMARK")
    row.operator("maquette.variant_discard", text="Discard", icon="TRASH")
    column.operator("maquette.variant_keep_only", text="Keep Only This", icon="SOLO_ON")
    draw_more_like_this(column)


def draw_more_like_this(column) -> None:
    """Add the button that starts at once, and one that asks how many and how different."""
    row = column.row(align=True)
    # It holds for the whole panel, so it is put back.
    row.operator_context = "EXEC_DEFAULT"
    row.operator("maquette.more_like_this", icon="OUTLINER_COLLECTION")
    row.operator_context = "INVOKE_DEFAULT"
    row.operator("maquette.more_like_this", text="", icon="PREFERENCES")


CLASSES = (MAQUETTE_PT_gallery,)
