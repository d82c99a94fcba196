# SPDX-License-Identifier: GPL-3.0-or-later
"""Giving the models' memory back: when asked, and when nothing was generated for a while."""

from __future__ import annotations

import sys
import time

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from . import events, packs, tasks

INTERVAL = 20.0  # Seconds between two looks at whether anything runs.

_last_active = 0.0


def _pipeline():
    """Return core.pipeline if a run has imported it, and with it torch; never imports it."""
    pipeline = sys.modules.get(f"{packs.EXTENSION}.core.pipeline")
    # A thread may be in the middle of importing it.
    return pipeline if hasattr(pipeline, "has_models") else None


def is_loaded() -> bool:
    """Tell whether a model is in memory."""
    pipeline = _pipeline()
    return pipeline is not None and pipeline.has_models()


def release() -> None:
    """Forget the model on a thread: the pipeline may be loading one, and is waited for."""
    if (pipeline := _pipeline()) is not None:
        tasks.start(tasks.Task(run=lambda task: pipeline.release(), on_end=_on_end))


def _on_end(_result: object, _error: Exception | None) -> None:
    events.call(events.released)


def idle_seconds(now: float) -> float:
    """Return how long nothing has run, and note the time if something does."""
    global _last_active
    if bpy.context.window_manager.maquette.is_running:
        _last_active = now
    return now - _last_active


def look() -> float:
    """Release what is not used; a timer that never ends."""
    minutes = packs.preferences_of(bpy.context).idle_minutes
    idle = idle_seconds(time.monotonic())
    if minutes and idle > 60.0 * minutes and is_loaded():
        release()
    return INTERVAL


class MAQUETTE_OT_release_memory(bpy.types.Operator):
    """Forget the model that is kept in memory; the next run loads it again"""

    bl_idname = "maquette.release_memory"
    bl_label = "Release Memory Now"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if context.window_manager.maquette.is_running:
            cls.poll_message_set("A generation is running")
            return False
        if not is_loaded():
            cls.poll_message_set("No model is in memory")
            return False
        return True

    def execute(self, _context):
        release()
        self.report({"INFO"}, rpt_("The model's memory was released"))
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_release_memory,)


def register() -> None:
    """Begin to look; without a window nobody is idle."""
    global _last_active
    _last_active = time.monotonic()
    if not bpy.app.background:
        bpy.app.timers.register(look, first_interval=INTERVAL, persistent=True)


def unregister() -> None:
    """Stop looking."""
    if bpy.app.timers.is_registered(look):
        bpy.app.timers.unregister(look)
