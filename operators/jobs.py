# SPDX-License-Identifier: GPL-3.0-or-later
"""The main-thread half of a generation: starts the worker, shows progress, lands the results.

A timer, not a modal operator: Blender postpones auto-save while a modal operator runs. Nothing
here keeps a pointer into Blender's data, because undo and file loading invalidate those.
"""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import bpy
from bpy.app.handlers import persistent

from .. import weights_fetch
from ..core.config import GenerationRequest
from ..core.errors import CancelledError
from ..core.mesh import GenerationResult
from ..core.worker import Done, Failed, Message, OnProgress, Progress, Variant, Worker
from . import mesh_build, messages, packs, properties

logger = logging.getLogger(__name__)

POLL_INTERVAL = 0.1  # Seconds between two looks at the queue.
STOP_TIMEOUT = 5.0  # Seconds; a step on a slow machine takes less.
GAP = 0.25  # Between variants laid out along X, as a fraction of the target size.


@dataclass(slots=True)
class _Job:
    worker: Worker
    scene_uid: int
    location: tuple[float, float, float]
    spacing: float
    """Metres from one variant to the next."""
    num_landed: int = 0
    held: Variant | None = None
    """A result that waits until it may land."""

    def next_message(self) -> Message | None:
        message, self.held = self.held, None
        return message or self.worker.poll()


_job: _Job | None = None


def submit(context, request: GenerationRequest) -> None:
    """Start a run; without a window (background mode) return when it has ended.

    Raises:
        WeightsError: the pack is not on this machine.
    """
    global _job
    if _job is not None:
        raise RuntimeError("a generation is already running")
    task = _Task(request, packs.directory_of(context, request.pack))
    _job = _Job(
        Worker(task),
        context.scene.session_uid,
        tuple(context.scene.cursor.location),
        request.target_size * (1.0 + GAP),
    )
    properties.show_start(context.window_manager.maquette)
    _job.worker.start()
    if _has_event_loop():
        bpy.app.timers.register(_pump, first_interval=POLL_INTERVAL, persistent=True)
    else:
        _job.worker.join()
        _pump()


def _has_event_loop() -> bool:
    """Tell whether timers fire at all; they never do in background mode."""
    return not bpy.app.background


def cancel() -> None:
    """Ask the run to stop; the panel shows that it is stopping until it has."""
    if _job is not None:
        _job.worker.cancel()
        bpy.context.window_manager.maquette.stage = "Cancelling"


@dataclass(frozen=True, slots=True)
class _Task:
    """What the worker thread runs: no Blender, and the first import of torch."""

    request: GenerationRequest
    pack_dir: Path

    def __call__(
        self, on_progress: OnProgress, cancel: threading.Event
    ) -> Iterable[GenerationResult]:
        from ..core import pipeline

        return pipeline.generate(
            self.request,
            self.pack_dir,
            on_progress=on_progress,
            cancel=cancel,
            pack_hash=weights_fetch.pack_hash(self.pack_dir, "text"),
        )


def _pump() -> float | None:
    """Handle the waiting messages; a `bpy.app.timers` callback."""
    global _job
    if _job is None:
        return None
    # An exception below is a bug. Blender prints it and drops the timer, and the panel must
    # neither show a bar that never moves nor stay silent.
    ending: str | None = messages.BUG
    try:
        ending = _handle_messages(_job)
    finally:
        if ending is not None:
            _job.worker.cancel()
            _job = None
            properties.show_end(bpy.context.window_manager.maquette, ending)
        _redraw()
    return POLL_INTERVAL if ending is None else None


def _handle_messages(job: _Job) -> str | None:
    """Return None while the run goes on, then its error sentence or an empty string."""
    status = bpy.context.window_manager.maquette
    while (message := job.next_message()) is not None:
        match message:
            case Progress(stage, fraction) if not job.worker.is_cancelled:
                properties.show_progress(status, stage, fraction)
            case Variant(result) if not job.worker.is_cancelled:
                if not _may_land():
                    job.held = message
                    status.stage = "Waiting for Object Mode"
                    return None
                _land(job, result)
            case Done():
                return ""
            case Failed(error):
                return _ending(error)
    return None


def _may_land() -> bool:
    """Tell whether the scene can take a new object without disturbing the user's work."""
    if not _has_event_loop():
        return True
    return bpy.context.mode == "OBJECT" and not bpy.app.is_job_running("RENDER")


def _land(job: _Job, result: GenerationResult) -> None:
    x, y, z = job.location
    location = (x + job.num_landed * job.spacing, y, z)
    # A timer has no window of its own, and the user may have gone to another scene since.
    windows = bpy.context.window_manager.windows
    ours = [window for window in windows if window.scene.session_uid == job.scene_uid]
    window = next(iter([*ours, *windows]), None)
    with bpy.context.temp_override(window=window):
        mesh_build.add_object(bpy.context, result, location=location)
        # No operator runs now, so nobody else makes the undo step.
        bpy.ops.ed.undo_push(message="Generate Mesh")
    job.num_landed += 1
    if result.warnings:
        bpy.context.window_manager.maquette.warning = result.warnings[0]


def _ending(error: Exception) -> str:
    if isinstance(error, CancelledError):
        return ""
    if messages.is_bug(error):
        logger.error("generation failed unexpectedly", exc_info=error)
    return messages.for_user(error)


def _redraw() -> None:
    # The sidebars only: a viewport may take longer to draw than the interval of this timer.
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if area.type == "VIEW_3D" and region.type == "UI":
                    region.tag_redraw()


def stop() -> None:
    """Cancel the run, wait for its thread and forget it. Touches no Blender data."""
    global _job
    if _job is None:
        return
    job, _job = _job, None
    job.worker.cancel()
    if not job.worker.join(STOP_TIMEOUT):
        logger.error("the generation did not stop within %.0f s", STOP_TIMEOUT)


@persistent
def _on_load_pre(*_: object) -> None:
    """A result must not land in another file."""
    stop()


@persistent
def _on_load_post(*_: object) -> None:
    """A file saved during a run brings that run's status with it."""
    properties.show_end(bpy.context.window_manager.maquette)


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
    """Stop the run and remove the timer and the handlers."""
    stop()
    atexit.unregister(stop)
    if bpy.app.timers.is_registered(_pump):
        bpy.app.timers.unregister(_pump)
    for handlers, handler in _handlers():
        handlers.remove(handler)
