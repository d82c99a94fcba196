# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that stops what runs, which Blender remembers until something else begins.

Esc pressed over a menu, minutes before, makes QuadriFlow give up at its first look: it answers
{"FINISHED"} and leaves the mesh as it is. Blender forgets the key where a bake or a render begins.
"""

from __future__ import annotations

from contextlib import suppress

import bpy


def as_seen(holder: bpy.types.Object) -> dict[str, object]:
    """Return an override of the context in which this object alone is there."""
    return {
        "object": holder,
        "active_object": holder,
        "selected_objects": [holder],
        "selected_editable_objects": [holder],
    }


def forget(context, holder: bpy.types.Object) -> None:
    """Let Blender forget the key, by a bake that is refused before it does anything.

    Args:
        context: of an operator.
        holder: an object that no view layer has, which nothing can be baked on.
    """
    # It is asked after the key has been forgotten, and says that it does not see the object.
    with suppress(RuntimeError), context.temp_override(**as_seen(holder)):
        bpy.ops.object.bake(type="EMIT")
