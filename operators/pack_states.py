# SPDX-License-Identifier: GPL-3.0-or-later
"""What of each model pack is on this machine, in words, kept where panels can read it.

Looking takes a few file accesses for each pack, so it is done when something may have changed and
never while a panel is drawn: at start-up, when a file is opened, when the user chooses a pack, and
after a pack was fetched, imported, verified or deleted.
"""

from __future__ import annotations

import bpy
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import EnumProperty, StringProperty

from .. import weights_fetch
from ..core.errors import CheckpointError
from ..core.pack import reads_meshes
from . import packs

PART_OF_SOURCE = {"TEXT": "text", "IMAGE": "image"}
MESH = "MESH"
"""What a result may begin with besides; no part of a pack stands for it."""


class MaquettePackState(bpy.types.PropertyGroup):
    """Whether a pack can be used for prompts or for pictures; found by `key_of`"""

    kind: EnumProperty(
        name="State",
        items=(
            ("READY", "Ready", "It can be used"),
            ("MISSING", "Missing", "It is not on this machine, or not all of it"),
            ("DAMAGED", "Damaged", "Its files are not as published"),
            ("NO_MODEL", "No Model", "It cannot be made from this source"),
        ),
    )
    words: StringProperty(name="State in Words")


def key_of(pack_id: str, source: str) -> str:
    """Return the name of a state in `wm.maquette_sidebar.pack_states`; panels build it too."""
    return f"{pack_id} {source}"


def refresh(context) -> None:
    """Look at every pack and show what is there; main thread only."""
    states = context.window_manager.maquette_sidebar.pack_states
    folder = packs.folder(context)
    weights_fetch.find_own_packs(folder or weights_fetch.user_packs_root())
    states.clear()
    for info in weights_fetch.PACKS.values():
        for source in PART_OF_SOURCE:
            state = states.add()
            state.name = key_of(info.id, source)
            state.kind, state.words = _look(info, source, folder)
        state = states.add()
        state.name = key_of(info.id, MESH)
        state.kind, state.words = _look_for_encoder(info, folder)


def _look(info: weights_fetch.PackInfo, source: str, folder) -> tuple[str, str]:
    part = PART_OF_SOURCE[source]
    if part not in info.parts:
        others = [each.title for each in weights_fetch.PACKS.values() if part in each.parts]
        return "NO_MODEL", iface_("It takes no images: choose {model}").format(model=others[0])
    state = weights_fetch.pack_state(info.id, folder, (part,))
    if state.status == "ready":
        return "READY", iface_("Ready")
    if info.bundled:
        return "DAMAGED", iface_("Damaged: install Maquette again")
    if info.own and state.status == "damaged":
        return "DAMAGED", iface_("Damaged: copy its folder there again")
    if info.own:
        return "MISSING", iface_("It stands on another model: fetch {model}").format(
            model=info.base
        )
    if state.status == "damaged":
        return "DAMAGED", iface_("Damaged: fetch it again")
    size = weights_fetch.describe_bytes(bytes_to_fetch(info, part, state))
    if state.status == "missing":
        return "MISSING", iface_("Not on this machine, {size} to fetch").format(size=size)
    return "MISSING", iface_("Incomplete, {size} to fetch").format(size=size)


def _look_for_encoder(info: weights_fetch.PackInfo, folder) -> tuple[str, str]:
    """Tell whether a pack reads meshes; one that is not there is like one that has no words."""
    state, words = _look(info, "TEXT", folder)
    if state != "READY":
        return state, words
    try:
        directory = weights_fetch.pack_directory(info.id, folder, ("text",))
        if reads_meshes(directory):
            return "READY", iface_("Ready")
    except (CheckpointError, weights_fetch.WeightsError):
        return "DAMAGED", iface_("Damaged: fetch it again")
    if info.is_native:
        return "NO_MODEL", iface_("This model cannot read meshes yet: choose another")
    return "NO_MODEL", iface_("It cannot read meshes without OpenAI's transmitter.pt: import it")


def bytes_to_fetch(info: weights_fetch.PackInfo, part: str, state: weights_fetch.PackState) -> int:
    """Return the bytes that a fetch of a part would transfer now."""
    missing = set(state.missing)
    files = [file for component in info.components_of((part,)) for file in component.files]
    return sum(file.size or 0 for file in files if file.path in missing)


def on_choice(_settings, context) -> None:
    """Look again because the user chose something; for `update` of properties."""
    refresh(context)


def _first_look() -> None:
    refresh(bpy.context)


@persistent
def _on_load_post(*_: object) -> None:
    """A file may bring the states that another machine had."""
    refresh(bpy.context)


CLASSES = (MaquettePackState,)


def register() -> None:
    """Look for the first time as soon as Blender is ready for it, and whenever a file is opened."""
    bpy.app.handlers.load_post.append(_on_load_post)
    if bpy.app.background:
        _first_look()  # Timers never fire there.
    else:
        bpy.app.timers.register(_first_look, first_interval=0.0, persistent=True)


def unregister() -> None:
    """Stop looking."""
    if bpy.app.timers.is_registered(_first_look):
        bpy.app.timers.unregister(_first_look)
    bpy.app.handlers.load_post.remove(_on_load_post)
