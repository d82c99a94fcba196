# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside Blender: notes how often its main thread is free, and how soon a job is cancelled."""

from __future__ import annotations

import threading
import time

import bpy

INTERVAL = 0.005


def _newest():
    jobs = bpy.context.window_manager.maquette.jobs
    return jobs[-1] if jobs else None


class Ticks:
    """Notes when it is called, which is every 5 ms as long as nothing holds Blender up."""

    def __init__(self) -> None:
        self._notes: list[tuple[float, str, int]] = []
        bpy.app.timers.register(self, persistent=True)

    def __call__(self) -> float:
        job = _newest()
        stage = job.stage if job is not None and job.state == "RUNNING" else ""
        self._notes.append((time.perf_counter(), stage, len(bpy.data.objects)))
        return INTERVAL

    def stop(self) -> list[tuple[float, str, bool]]:
        """Return each gap in seconds, the stage at its end, and whether objects came in it."""
        bpy.app.timers.unregister(self)
        pairs = zip(self._notes, self._notes[1:], strict=False)
        return [(b[0] - a[0], b[1] or a[1], b[2] != a[2]) for a, b in pairs]


class Cancel:
    """Cancels the newest job as soon as its stage has a name, and notes what then happens when."""

    def __init__(self, stage: str, delay: float = 0.0) -> None:
        self.is_over = False
        self.shown_seconds = self.thread_seconds = -1.0
        self._stage, self._delay = stage, delay
        self._pressed = 0.0
        bpy.app.timers.register(self, persistent=True)

    def __call__(self) -> float | None:
        job = _newest()
        if not self._pressed:
            if job is not None and job.state == "RUNNING" and job.stage == self._stage:
                self._pressed = time.perf_counter()
                bpy.ops.maquette.cancel()
            elif job is not None and job.state == "DONE":
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
