# SPDX-License-Identifier: GPL-3.0-or-later
"""What must not survive: a file that is loaded, Blender's exit, the extension being disabled."""

from __future__ import annotations

import atexit
import logging

import bpy
from bpy.app.handlers import persistent

from .. import status
from . import host, landing, pace, pump, queue

logger = logging.getLogger(__name__)

STOP_TIMEOUT = 5.0  # Seconds; a step on a slow machine takes less.


def stop() -> None:
    """Cancel every job, wait for the worker and forget them. Touches no Blender data."""
    workers = queue.forget_all()
    for worker in workers:
        worker.cancel()
    for worker in workers:
        if not worker.join(STOP_TIMEOUT):
            logger.error("the generation did not stop within %.0f s", STOP_TIMEOUT)


@persistent
def _on_load_pre(*_: object) -> None:
    """A result must not land in another file."""
    stop()


@persistent
def _on_load_post(*_: object) -> None:
    """The list goes with the file whose objects it names; Blender itself mostly empties it."""
    _empty_list()


def _empty_list() -> None:
    shown = status.current()
    status.show_nothing(shown)
    shown.jobs.clear()
    shown.active_job = 0


@persistent
def _on_exit(*_: object) -> None:
    stop()


def _handlers() -> list[tuple[list, object]]:
    handlers = bpy.app.handlers
    pairs = [(handlers.load_pre, _on_load_pre), (handlers.load_post, _on_load_post)]
    if hasattr(handlers, "exit_pre"):  # From Blender 5.1.
        pairs.append((handlers.exit_pre, _on_exit))
    return pairs


def register() -> None:
    """Watch for file loading and for Blender's exit."""
    for handlers, handler in _handlers():
        handlers.append(handler)
    # A daemon thread that is inside torch when the interpreter ends aborts the process.
    atexit.register(stop)


def unregister() -> None:
    """Stop every job and remove the timer, the handlers and what was about to land."""
    for job in queue.live:
        landing.discard(job)
    stop()
    if bpy.context.window_manager is not None:  # It is when Blender ends.
        _empty_list()
    atexit.unregister(stop)
    pace.reset()
    for timer in (pump.tick, host.redraw):
        if bpy.app.timers.is_registered(timer):
            bpy.app.timers.unregister(timer)
    for handlers, handler in _handlers():
        handlers.remove(handler)
