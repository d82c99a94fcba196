# SPDX-License-Identifier: GPL-3.0-or-later
"""Why Generate is greyed, read off Blender's properties so that `poll` and panels may ask."""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface


def read(settings) -> str:
    """Return why nothing can be generated with these settings, or an empty string."""
    if settings.source == "TEXT" and not settings.prompt.strip():
        return iface("Enter a prompt first")
    if settings.source == "IMAGE" and settings.image is None:
        return iface("Choose an image first")
    if settings.location == "PLACEHOLDER" and bpy.context.active_object is None:
        return iface("Select the object to take the place of first")
    return ""
