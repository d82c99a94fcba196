# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidebar lists beside settings and jobs; on the window manager, refilled from disk."""

from __future__ import annotations

import bpy
from bpy.props import CollectionProperty, IntProperty

from . import history, pack_states


class MaquetteSidebar(bpy.types.PropertyGroup):
    """Lists that panels read"""

    pack_states: CollectionProperty(type=pack_states.MaquettePackState)
    history: CollectionProperty(type=history.MaquetteHistoryEntry)
    active_history: IntProperty(name="Entry", description="The chosen entry of the history")


CLASSES = (*pack_states.CLASSES, *history.GROUPS, MaquetteSidebar)


def register() -> None:
    """Add the lists, and what keeps them filled."""
    bpy.types.WindowManager.maquette_sidebar = bpy.props.PointerProperty(type=MaquetteSidebar)
    pack_states.register()
    history.register()


def unregister() -> None:
    """Remove them in reverse order."""
    history.unregister()
    pack_states.unregister()
    del bpy.types.WindowManager.maquette_sidebar
