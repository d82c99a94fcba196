# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender is doing right now, and whether a result may land in the midst of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import bpy
from bpy.app.translations import pgettext_iface as iface_

BUSY_JOBS = ("RENDER", "OBJECT_BAKE")
"""Blender's own jobs that read the scene for minutes; see `bpy.app.is_job_running`."""
WITH_OUR_SIDEBAR = {"VIEW_3D", "IMAGE_EDITOR"}
SETTLE_TIME = 0.2  # Seconds.


def has_event_loop() -> bool:
    """Tell whether timers fire at all; they never do in background mode."""
    return not bpy.app.background


def landing_hindrance() -> str:
    """Return in words what results wait for, or an empty string when they may land.

    Outside Object Mode an undo step means something else, and the mode's own data would be
    rebuilt under the user's hands.
    """
    if not has_event_loop():
        return ""  # Nobody works here, and nobody would ever leave the mode.
    windows = bpy.context.window_manager.windows
    if any(_is_in_other_mode(window) for window in windows):
        return iface_("Waiting for Object Mode")
    if any(bpy.app.is_job_running(job) for job in BUSY_JOBS):
        return iface_("Waiting for the render to end")
    if name := next(_names_at_work(windows), ""):
        return iface_("Waiting for {operator} to end").format(operator=iface_(name, "Operator"))
    if not all(window.scene.is_editable for window in windows):
        return iface_("Waiting for a scene that is not linked")
    return ""


def _is_in_other_mode(window: bpy.types.Window) -> bool:
    active = window.view_layer.objects.active
    return active is not None and active.mode != "OBJECT"


def _names_at_work(windows: Iterable[bpy.types.Window]) -> Iterator[str]:
    """Yield the names of Blender's own operators that are changing the scene, such as Move.

    They hold on to objects, and their own undo step is still to come. Those of add-ons may run
    as long as Blender does, so nothing waits for them.
    """
    for window in windows:
        for operator in window.modal_operators:
            is_native = getattr(bpy.types, operator.bl_idname, None) is None
            if is_native and "UNDO" in operator.bl_options:
                yield operator.bl_label or operator.bl_idname


def window_for(scene_uid: int) -> bpy.types.Window | None:
    """Return the window in which results of this scene's jobs land.

    A timer has no window of its own, and the user may have gone to another scene since or
    deleted the one that asked: then it is the window in front of the user.
    """
    windows = list(bpy.context.window_manager.windows)
    ours = [window for window in windows if window.scene.session_uid == scene_uid]
    return next(iter([*ours, *windows]), None)


def redraw() -> None:
    """Have the places that show jobs drawn again, and nothing that takes long to draw."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in WITH_OUR_SIDEBAR:
                for region in area.regions:
                    if region.type == "UI":
                        region.tag_redraw()
        # The status bar is in no screen. A text in it belongs to an operator at work.
        if not window.modal_operators:
            # Blender asks the context for the window, and a timer has none: it would crash.
            with bpy.context.temp_override(window=window):
                window.workspace.status_text_set(None)


def settle() -> None:
    """Redraw once more a moment later.

    Where a panel came or went, Blender moves the others only when they are drawn again.
    """
    if has_event_loop() and not bpy.app.timers.is_registered(redraw):
        bpy.app.timers.register(redraw, first_interval=SETTLE_TIME)
