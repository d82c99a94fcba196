# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: notes how often its main thread is free, and how soon a job is cancelled."""

from __future__ import annotations

import sys
import threading
import time

import bpy
import probes  # That of tests/gui/driver, on the path of the Blender that runs this.

INTERVAL = 0.005


def _newest():
    jobs = bpy.context.window_manager.maquette.jobs
    return jobs[-1] if jobs else None


def clear() -> None:
    """Remove every object, so that what is drawn is what was made last."""
    bpy.data.batch_remove(list(bpy.data.objects))
    bpy.data.orphans_purge(do_recursive=True)


class Ticks:
    """Notes when it is called, which is every 5 ms as long as nothing holds Blender up."""

    def __init__(self) -> None:
        self._notes: list[tuple[float, float, str, int]] = []
        bpy.app.timers.register(self, persistent=True)

    def __call__(self) -> float:
        job = _newest()
        stage = job.stage if job is not None and job.state == "RUNNING" else ""
        self._notes.append((time.perf_counter(), time.thread_time(), stage, len(bpy.data.objects)))
        return INTERVAL

    def stop(self) -> list[tuple[float, float, str]]:
        """Return each gap: its seconds, those in which this thread computed, and the stage.

        The two differ by waiting: for the interpreter, for pictures, for a processor.
        """
        bpy.app.timers.unregister(self)
        gaps = []
        for before, after in zip(self._notes, self._notes[1:], strict=False):
            stage = "Adding to the scene" if after[3] != before[3] else after[2] or before[2]
            gaps.append((after[0] - before[0], after[1] - before[1], stage))
        return gaps


class Redraws:
    """Has the viewport drawn ten times a second, as often as a run has the sidebar drawn."""

    def __init__(self) -> None:
        bpy.app.timers.register(self)

    def __call__(self) -> float:
        probes.area("VIEW_3D").tag_redraw()
        return 0.1

    def stop(self) -> None:
        """Have nothing drawn any more."""
        bpy.app.timers.unregister(self)


class Own:
    """Notes how long Maquette itself holds the main thread: its timer, and what it draws."""

    FUNCTIONS = (("jobs.pump", "tick"), ("ghost", "_draw"))

    def __init__(self) -> None:
        self.longest = 0.0
        for module, name in self.FUNCTIONS:
            found = sys.modules[f"bl_ext.user_default.maquette.operators.{module}"]
            setattr(found, name, self._timed(getattr(found, name)))

    def _timed(self, function):
        def call(*arguments):
            started = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                self.longest = max(self.longest, time.perf_counter() - started)

        return call


class Cancel:
    """Cancels the next job as soon as its stage has a name, and notes what then happens when."""

    def __init__(self, stage: str) -> None:
        self.is_over = False
        self.shown_seconds = self.thread_seconds = -1.0
        self._stage, self._pressed = stage, 0.0
        self._known = len(bpy.context.window_manager.maquette.jobs)
        bpy.app.timers.register(self, persistent=True)

    def __call__(self) -> float | None:
        if len(bpy.context.window_manager.maquette.jobs) == self._known:
            return 0.0
        job = _newest()
        if not self._pressed:
            if job.state == "RUNNING" and job.stage == self._stage:
                self._pressed = time.perf_counter()
                bpy.ops.maquette.cancel()
            elif job.state == "DONE":
                self.is_over = True  # The stage was too short to be seen.
                return None
            return 0.0
        passed = time.perf_counter() - self._pressed
        if self.shown_seconds < 0.0 and not bpy.context.window_manager.maquette.is_running:
            self.shown_seconds = passed
        if not any(thread.name == "maquette" for thread in threading.enumerate()):
            self.thread_seconds = passed
        self.is_over = self.shown_seconds >= 0.0 and self.thread_seconds >= 0.0
        return None if self.is_over else INTERVAL
