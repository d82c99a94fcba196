# SPDX-License-Identifier: GPL-3.0-or-later
"""The dice beside the seed."""

from __future__ import annotations

import bpy

from . import properties


class MAQUETTE_OT_draw_seed(bpy.types.Operator):
    """Draw another seed, which gives another mesh for the same prompt"""

    bl_idname = "maquette.draw_seed"
    bl_label = "New Seed"
    bl_options = {"REGISTER", "UNDO", "INTERNAL"}

    def execute(self, context):
        properties.draw_seed(context.scene.maquette)
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_draw_seed,)
