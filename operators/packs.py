# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's preferences, and where they say that the model packs are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import bpy

from .. import weights_fetch

EXTENSION = __package__.rpartition(".")[0]
"""The extension's real name, such as bl_ext.user_default.maquette."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preferences as plain values, which may go to a thread; here are their defaults."""

    packs_folder: Path | None = None
    """None for the usual folder."""
    device: str = "auto"
    precision: str = "auto"
    reserved_cores: int = 1
    idle_minutes: int = 10
    """How long an unused model stays in memory; 0 for as long as Blender runs."""
    show_preview: bool = True
    default_location: str = "CURSOR"


def preferences_of(context) -> Preferences:
    """Return the preferences, or the defaults where the extension is registered without any."""
    found = preferences(context)
    if found is None:
        return Preferences()
    return Preferences(
        packs_folder=folder(context),
        device=found.device.lower(),
        precision=found.precision.lower(),
        reserved_cores=found.reserved_cores,
        idle_minutes=found.idle_minutes,
        show_preview=found.show_preview,
        default_location=found.default_location,
    )


def refresh(context) -> None:
    """Look at every pack again and show what is there; main thread only."""
    from . import pack_states, storage

    weights_fetch.find_own_packs(folder(context) or weights_fetch.user_packs_root())
    storage.refresh(context)
    pack_states.refresh(context)


def preferences(context):
    """Return the extension's preferences, or None where it is registered without them."""
    addon = context.preferences.addons.get(EXTENSION)
    return addon.preferences if addon else None


def folder(context) -> Path | None:
    """Return the packs folder chosen in the preferences, or None for the usual one."""
    chosen = getattr(preferences(context), "packs_folder", "")
    return Path(bpy.path.abspath(chosen)) if chosen else None


def directory_of(context, pack_id: str, part: str = "text") -> Path:
    """Return the folder of a pack that is ready to use.

    Raises:
        WeightsError: there is no such pack, or the part is not complete on this machine.
    """
    return weights_fetch.pack_directory(pack_id, folder(context), (part,))
