# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the model packs are, as the user's preferences say."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import weights_fetch

EXTENSION = __package__.rpartition(".")[0]
"""The extension's real name, such as bl_ext.user_default.maquette."""


def preferences(context):
    """Return the extension's preferences, or None where it is registered without them."""
    addon = context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon else None


def folder(context) -> Path | None:
    """Return the packs folder chosen in the preferences, or None for the usual one."""
    chosen = getattr(preferences(context), "packs_folder", "")
    return Path(bpy.path.abspath(chosen)) if chosen else None


def directory_of(context, pack_id: str) -> Path:
    """Return the folder of a pack that is ready to use.

    Raises:
        WeightsError: there is no such pack, or it is not complete on this machine.
    """
    return weights_fetch.pack_directory(pack_id, folder(context), ("text",))
