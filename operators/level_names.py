# SPDX-License-Identifier: GPL-3.0-or-later
"""What comes with a result is called after it, also when the artist gives it another name.

Names do not hold the two together, parents do; but game engines go by names. A name that is not
one of ours is somebody's wish and stays.
"""

from __future__ import annotations

import re

import bpy
from bpy.app.handlers import persistent

from . import levels

_OURS = re.compile(r"UCX_.+|.+_LOD[0-9](\.[0-9]+)?", re.DOTALL)


def follow() -> None:
    """Name what comes with results after these, as they are called now."""
    for child in bpy.data.objects:
        owner = child.parent
        if owner is None or not (levels.LEVEL_KEY in child or levels.COLLISION_KEY in child):
            continue
        wanted = levels.name_of(owner.name, child.get(levels.LEVEL_KEY))
        if child.name != wanted and child.is_editable and _OURS.fullmatch(child.name):
            _rename(child, wanted)


def _rename(child: bpy.types.Object, name: str) -> None:
    mesh, before = child.data, child.name
    child.name = name
    # Another object may have the name: Blender then adds a number, here as everywhere.
    if mesh is not None and mesh.name == before and mesh.is_editable:
        mesh.name = child.name


_owner = object()
_KEYS = ((bpy.types.Object, "name"), (bpy.types.ID, "name"))
"""A name that is set, and one that is typed in the outliner, which Blender tells as an ID's."""


def _subscribe() -> None:
    bpy.msgbus.clear_by_owner(_owner)
    for key in _KEYS:
        bpy.msgbus.subscribe_rna(key=key, owner=_owner, args=(), notify=follow)


@persistent
def _on_load_post(*_: object) -> None:
    _subscribe()  # They end with the file in which they were made.


@persistent
def _on_save_pre(*_: object) -> None:
    """Redo brings a name back without a word."""
    follow()


_HANDLERS = (
    (bpy.app.handlers.load_post, _on_load_post),
    (bpy.app.handlers.save_pre, _on_save_pre),
)


def register() -> None:
    """Hear of names."""
    for callbacks, callback in _HANDLERS:
        callbacks.append(callback)
    _subscribe()


def unregister() -> None:
    """Stop listening."""
    bpy.msgbus.clear_by_owner(_owner)
    for callbacks, callback in _HANDLERS:
        callbacks.remove(callback)
