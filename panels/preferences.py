# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of this machine, under Edit, Preferences, Add-ons."""

from __future__ import annotations

import bpy
from bpy.props import StringProperty


class MaquettePreferences(bpy.types.AddonPreferences):
    """Where the model packs are"""

    # The extension's real name depends on the repository it was installed from.
    bl_idname = __package__.rpartition(".")[0]

    packs_folder: StringProperty(
        name="Packs Folder",
        description="Where model packs are kept; empty for the usual folder of this computer",
        subtype="DIR_PATH",
    )

    def draw(self, context):
        self.layout.use_property_split = True
        self.layout.prop(self, "packs_folder")


CLASSES = (MaquettePreferences,)
