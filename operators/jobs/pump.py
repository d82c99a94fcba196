# SPDX-License-Identifier: GPL-3.0-or-later
"""The timer: reads what the worker says, lands what is finished, starts what waits."""

from __future__ import annotations

import logging
import time

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...core.errors import CancelledError
from ...core.worker import Done, Failed, Preview, Progress, Variant, Worker
from .. import events, messages, report, stages, status
from . import host, landing, pace, queue
from .queue import Job
from .task import Task

logger = logging.getLogger(__name__)

INTERVAL = 0.1  # Seconds between two looks at the queue.
PATIENCE = 0.5  # Seconds that a cancelled job is given before its thread is left to itself.


def start() -> None:
    """See to it that the queue is worked off; without a window return when it is."""
    _start_next()
    _show_summary()
    if not host.has_event_loop():
        while tick() is not None:
            _wait()
    elif not bpy.app.timers.is_registered(tick):
        bpy.app.timers.register(tick, first_interval=INTERVAL, persistent=True)


def _wait() -> None:
    for job in queue.live:
        if job.is_at_work:
            job.worker.join()


def tick() -> float | None:
    """Move every job on; a `bpy.app.timers` callback that ends with the last job."""
    # An exception is a bug. Blender would print it and drop the timer, and the panel must neither
    # show a bar that never moves nor stay silent; nor must it stop the other jobs.
    for job in list(queue.live):
        try:
            if _advance(job):
                _end(job)
        except Exception as error:  # noqa: BLE001 - told to the user as a bug, and logged
            _give_up(job, error)
    _start_next()
    # Every property that is written has the window drawn, so that nothing is, in between.
    if pace.is_due():
        _show()
    if queue.live:
        return INTERVAL
    host.settle()
    return None


def _show() -> None:
    for job in queue.live:
        _show_news(job)
    _show_summary()
    events.call(events.shown)
    host.redraw()
    if host.has_event_loop():
        pace.measure()


def _show_news(job: Job) -> None:
    """Show what the worker last said."""
    entry = status.entry_of(status.current(), job.job_id)
    progress, previews = job.progress, tuple(job.previews.values())
    job.progress = None
    job.previews.clear()
    if entry is not None and progress is not None:
        entry.stage, entry.fraction = stages.in_words(progress.stage), progress.fraction
        status.show_progress(status.current(), entry.stage, progress.fraction)
        events.call(events.progressed, entry)
    for preview in previews if entry is not None else ():
        events.call(events.previewed, entry, preview)


def _advance(job: Job) -> bool:
    """Do the next piece of a job and tell whether it has ended."""
    if job.is_at_work:
        _read_messages(job)
        if job.is_at_work and job.is_cancelled:
            _leave_to_itself(job)
    return job.has_worked and landing.advance(job)


def _read_messages(job: Job) -> None:
    while (message := job.worker.poll()) is not None:
        match message:
            case Done():
                job.has_worked = True
            case Failed(error):
                job.has_worked, job.error = True, error
            case _ if job.is_cancelled:
                continue
            case Progress():
                job.progress, job.stage = message, message.stage
            case Preview(preview):
                job.previews[preview.index] = preview
            case Variant(result):
                job.results.append(result)


def _leave_to_itself(job: Job) -> None:
    """End a cancelled job whose thread is at something that cannot be stopped.

    An import, for one. The next worker starts when the thread has ended.
    """
    if time.monotonic() - job.cancelled_at >= PATIENCE:
        queue.stopping.append(job.worker)
        job.has_worked, job.error = True, CancelledError()


def _start_next() -> None:
    queue.stopping[:] = [worker for worker in queue.stopping if not worker.join(0.0)]
    if queue.stopping or any(job.is_at_work for job in queue.live):
        return
    job = next((job for job in queue.live if job.worker is None and not job.has_worked), None)
    if job is None:
        return
    task = Task(job.spec.request, job.pack_dir)
    is_previewed = any(wanted() for wanted in events.wants_preview)
    job.worker = Worker.with_previews(task) if is_previewed else Worker(task)
    job.worker.start()
    pace.reset()
    shown = status.current()
    shown.fraction, shown.seconds_left = 0.0, status.UNKNOWN_TIME
    if entry := status.entry_of(shown, job.job_id):
        entry.state, entry.stage = "RUNNING", iface_("Starting")
        events.call(events.started, entry)


def _give_up(job: Job, error: Exception) -> None:
    landing.discard(job)
    if job.is_at_work:
        job.worker.cancel()
        queue.stopping.append(job.worker)
    job.error, job.has_worked = error, True
    _end(job)


def _end(job: Job) -> None:
    if job.is_cancelled:
        _show_news(job)  # The preview that it leaves is the latest one.
    pace.reset()
    queue.live.remove(job)
    shown = status.current()
    was_stopped = job.is_cancelled or isinstance(job.error, CancelledError)
    state, error, text = "CANCELLED" if was_stopped else "DONE", "", ""
    if job.error is not None and not was_stopped:
        state, error, text = "FAILED", messages.for_user(job.error), _report(job, job.error)
        shown.error, shown.report = error, text
    if entry := status.entry_of(shown, job.job_id):
        entry.state, entry.stage, entry.error, entry.report = state, "", error, text
        entry.fraction = 1.0 if state == "DONE" else entry.fraction
        events.call(events.ended, entry)


def _report(job: Job, error: Exception) -> str:
    """Return all that is known about a failure; the console gets it where it is a bug."""
    if messages.is_bug(error):
        logger.error("generation failed unexpectedly", exc_info=error)
    try:
        return report.compose(bpy.context, job.spec.request, error, job.stage)
    except Exception:
        logger.exception("no report could be written")
        return ""


def _show_summary() -> None:
    """Say in one line what all of the jobs are at; what the user can help with comes first."""
    shown = status.current()
    if not queue.live:
        status.show_idle(shown)
        return
    shown.is_running = True
    if hindrance := landing.show_waiting():
        shown.stage = hindrance
    elif not any(job.worker for job in queue.live):
        shown.stage = iface_("Waiting for the cancelled run to stop")
