# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer: reads what the worker says, lands what is finished, starts what waits."""

from __future__ import annotations

import logging
import traceback

import bpy

from ...core.errors import CancelledError
from ...core.worker import Done, Failed, Preview, Progress, Variant, Worker
from .. import events, messages, status
from . import landing, queue
from .queue import Job
from .task import Task

logger = logging.getLogger(__name__)

INTERVAL = 0.1  # Seconds between two looks at the queue.


def has_event_loop() -> bool:
    """Tell whether timers fire at all; they never do in background mode."""
    return not bpy.app.background


def start() -> None:
    """See to it that the queue is worked off; without a window return when it is."""
    if not has_event_loop():
        while tick() is not None:
            _wait()
    else:
        tick()
        if not bpy.app.timers.is_registered(tick):
            bpy.app.timers.register(tick, first_interval=INTERVAL, persistent=True)


def _wait() -> None:
    for job in queue.live:
        if job.worker is not None and not job.has_worked:
            job.worker.join()


def tick() -> float | None:
    """Move every job on; a `bpy.app.timers` callback that ends with the last job."""
    for job in list(queue.live):
        try:
            _advance(job)
        except Exception as error:  # noqa: BLE001 - a bug must not stop the other jobs
            job.error, job.has_worked = error, True
            job.results.clear()
            _end(job)
    if queue.live and not any(job.worker and not job.has_worked for job in queue.live):
        _start_next()
    _redraw()
    return INTERVAL if queue.live else None


def _start_next() -> None:
    job = next((job for job in queue.live if job.worker is None and not job.has_worked), None)
    if job is None:
        return
    job.worker = Worker(Task(job.spec.request, job.pack_dir))
    shown = status.current()
    status.show_start(shown)
    entry = status.entry_of(shown, job.job_id)
    if entry is not None:
        entry.state, entry.stage = "RUNNING", shown.stage
        events.call(events.started, entry)
    job.worker.start()


def _advance(job: Job) -> None:
    if job.worker is not None and not job.has_worked:
        _read_messages(job)
    if job.has_worked and landing.advance(job):
        _end(job)


def _read_messages(job: Job) -> None:
    shown = status.current()
    entry = status.entry_of(shown, job.job_id)
    while (message := job.worker.poll()) is not None:
        match message:
            case Progress(stage, fraction) if not job.is_cancelled:
                status.show_progress(shown, stage, fraction)
                if entry is not None:
                    entry.stage, entry.fraction = stage, fraction
                    events.call(events.progressed, entry)
            case Preview(preview) if not job.is_cancelled:
                events.call(events.previewed, entry, preview)
            case Variant(result) if not job.is_cancelled:
                job.results.append(result)
            case Done():
                job.has_worked = True
            case Failed(error):
                job.has_worked, job.error = True, error


def _end(job: Job) -> None:
    queue.live.remove(job)
    error, report = "", ""
    state = "CANCELLED" if job.is_cancelled or isinstance(job.error, CancelledError) else "DONE"
    if job.error is not None and state != "CANCELLED":
        state, error = "FAILED", messages.for_user(job.error)
        report = "".join(traceback.format_exception(job.error))
        if messages.is_bug(job.error):
            logger.error("generation failed unexpectedly", exc_info=job.error)
    shown = status.current()
    status.show_end(shown, error, report)
    entry = status.entry_of(shown, job.job_id)
    if entry is not None:
        entry.state, entry.stage, entry.error, entry.report = state, "", error, report
        entry.fraction = 1.0 if state == "DONE" else entry.fraction
        events.call(events.ended, entry)


def _redraw() -> None:
    # The sidebars only: a viewport may take longer to draw than the interval of this timer.
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            for region in area.regions:
                if area.type == "VIEW_3D" and region.type == "UI":
                    region.tag_redraw()
