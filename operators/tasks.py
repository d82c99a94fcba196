# SPDX-License-Identifier: GPL-3.0-or-later
"""Work beside generating, such as downloads: a thread for each, and one timer for all of them.

    task = tasks.start(Task(run=..., on_tick=..., on_end=...))
    task.cancel.set()

`run` is called on the thread and never touches Blender; the other two are called on the main
thread. Without a window (background mode) `start` returns when the task has ended.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import bpy

logger = logging.getLogger(__name__)

INTERVAL = 0.1  # Seconds between two looks.
STOP_TIMEOUT = 5.0


@dataclass(eq=False)
class Task:
    """One piece of work."""

    run: Callable[[Task], object]
    """Does it and returns the result; sets `progress`, and looks at `cancel`."""
    on_end: Callable[[object, Exception | None], None]
    """Hears the result, or why there is none."""
    on_tick: Callable[[Task], None] = lambda task: None
    """Shows `progress`, ten times a second."""
    progress: object = None
    """Whatever `run` last told; replaced as a whole, so that no lock is needed."""
    cancel: threading.Event = field(default_factory=threading.Event)
    _result: object = None
    _error: Exception | None = None
    _thread: threading.Thread | None = None

    def begin(self) -> None:
        """Start the thread."""
        # A daemon, because a dead connection must not keep Blender's process alive.
        self._thread = threading.Thread(target=self._work, name="maquette-task", daemon=True)
        self._thread.start()

    def join(self, timeout: float | None = None) -> bool:
        """Wait for the thread, and tell whether it has ended."""
        if self._thread is not None:
            self._thread.join(timeout)
        return not self.is_alive

    @property
    def is_alive(self) -> bool:
        """Whether the thread has not ended."""
        return self._thread is not None and self._thread.is_alive()

    def end(self) -> None:
        """Tell the owner how it went."""
        self.on_end(self._result, self._error)

    def _work(self) -> None:
        try:
            self._result = self.run(self)
        except Exception as error:  # noqa: BLE001 - the owner decides what to tell the user
            self._error = error


_tasks: list[Task] = []


def start(task: Task) -> Task:
    """Begin a task."""
    _tasks.append(task)
    task.begin()
    if bpy.app.background:  # Timers never fire there.
        task.join()
        tick()
    elif not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=INTERVAL, persistent=True)
    return task


def tick() -> float | None:
    """Show how far each task is, and end those whose thread has; the timer."""
    had_tasks = bool(_tasks)
    for task in list(_tasks):
        has_ended = not task.is_alive
        try:
            task.on_tick(task)
            if has_ended:
                _tasks.remove(task)
                task.end()
        except Exception:
            # A bug in one task must not stop the timer of the others.
            logger.exception("a task could not be shown")
            if task in _tasks:
                _tasks.remove(task)
                task.cancel.set()
    redraw()
    # Once more after the last: a panel that appears or goes is in its place at the second drawing.
    return INTERVAL if had_tasks else None


def redraw() -> None:
    """Draw what shows tasks again: sidebars of viewports, and the preferences."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if (area.type, region.type) in {("VIEW_3D", "UI"), ("PREFERENCES", "WINDOW")}:
                    region.tag_redraw()


def stop() -> None:
    """Cancel every task, wait for its thread and forget it. Touches no Blender data."""
    stopped = list(_tasks)
    _tasks.clear()
    for task in stopped:
        task.cancel.set()
    for task in stopped:
        if not task.join(STOP_TIMEOUT):
            logger.error("a task did not stop within %.0f s", STOP_TIMEOUT)


def unregister() -> None:
    """Stop everything, and the timer."""
    stop()
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
