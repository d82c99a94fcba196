# SPDX-License-Identifier: GPL-3.0-or-later
"""Why Generate is greyed, read off Blender's properties so that `poll` and panels may ask."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_

from .. import weights_fetch
from . import pack_states


def read(settings) -> str:
    """Return why nothing can be generated with these settings, or an empty string."""
    engine = bpy.context.window_manager.maquette_engine
    if engine.is_missing:
        return iface_("Set up the engine first")
    if engine.lacks_clip and not weights_fetch.PACKS[settings.pack].is_native:
        return iface_("Set up the engine first: this model needs more of it")
    if settings.source == "TEXT" and not settings.prompt.strip():
        return iface_("Enter a prompt first")
    if settings.source == "IMAGE" and settings.image is None:
        return iface_("Choose an image first")
    if settings.location == "PLACEHOLDER" and bpy.context.active_object is None:
        return iface_("Select the object to take the place of first")
    return _of_pack(settings)


def _of_pack(settings) -> str:
    states = bpy.context.window_manager.maquette_sidebar.pack_states
    state = states.get(pack_states.key_of(settings.pack, settings.source))
    # Before the first look nothing is known; a run says itself what its pack lacks.
    if state is None or state.kind == "READY":
        return ""
    return {
        "MISSING": iface_("Fetch the model first, or choose another"),
        "DAMAGED": iface_("The model is damaged: mend it first, or choose another"),
        "NO_MODEL": iface_("This model takes no images: choose another"),
    }[state.kind]
