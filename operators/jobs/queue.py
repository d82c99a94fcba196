# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this session, in order, and what can be done with them.

`wm.maquette.jobs` shows them; what can be lost there (a file is loaded) or cannot be stored there
(requests, threads, results) is kept here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ...core.errors import CancelledError
from ...core.mesh import GenerationResult
from ...core.worker import Worker
from .. import packs, status
from .spec import JobSpec


@dataclass(slots=True, eq=False)
class Job:
    """A job that has not ended."""

    job_id: int
    spec: JobSpec
    pack_dir: Path
    scene_uid: int
    """The scene that asked for it."""
    worker: Worker | None = None
    """None while the job waits."""
    results: list[GenerationResult] = field(default_factory=list)
    has_worked: bool = False
    """Whether the worker has nothing more to say."""
    error: Exception | None = None
    is_cancelled: bool = False


live: list[Job] = []
"""Jobs that wait, work or land, oldest first."""
_specs: dict[int, JobSpec] = {}
"""Of every job in the list, ended or not, for another try."""


def submit(context, spec: JobSpec) -> int:
    """Append a job; it starts at once when none is running. Returns its id.

    Without a window (background mode) it returns when the job has ended.

    Raises:
        WeightsError: the pack is not on this machine.
    """
    from . import pump

    pack_dir = packs.directory_of(context, spec.request.pack)
    entry = _add_entry(status.current(), spec)
    live.append(Job(entry.job_id, spec, pack_dir, context.scene.session_uid))
    _specs[entry.job_id] = spec
    job_id = entry.job_id
    pump.start()
    return job_id


def _add_entry(shown: status.MaquetteStatus, spec: JobSpec) -> status.MaquetteJob:
    job_id = max((entry.job_id for entry in shown.jobs), default=0) + 1
    request = spec.request
    entry = shown.jobs.add()
    entry.job_id, entry.state = job_id, "WAITING"
    entry.prompt, entry.seed, entry.count = request.prompt, request.seed, request.count
    entry.label = spec.label or request.prompt or (request.image.source if request.image else "")
    shown.active_job = len(shown.jobs) - 1
    return entry


def find(job_id: int) -> Job | None:
    """Return a job that has not ended."""
    return next((job for job in live if job.job_id == job_id), None)


def spec_of(job_id: int) -> JobSpec | None:
    """Return what a job of the list was asked to do, or None for one of an earlier session."""
    return _specs.get(job_id)


def cancel(job_id: int | None = None) -> None:
    """Ask a job to stop, the one at work by default; it shows so until it has stopped."""
    job = find(job_id) if job_id is not None else _at_work()
    if job is None:
        return
    job.is_cancelled = True
    shown = status.current()
    if job.worker is None:
        job.error, job.has_worked = CancelledError(), True
    else:
        job.worker.cancel()
        shown.stage = "Cancelling"
    if entry := status.entry_of(shown, job.job_id):
        entry.stage = "Cancelling"


def cancel_all() -> None:
    """Ask every job that has not ended to stop."""
    for job in list(live):
        cancel(job.job_id)


def _at_work() -> Job | None:
    return next((job for job in live if job.worker is not None), None)


def retry(context, job_id: int) -> int:
    """Append a job that does the same as an earlier one. Returns its id.

    Raises:
        KeyError: the job belongs to an earlier session or was removed.
        WeightsError: the pack is not on this machine.
    """
    return submit(context, _specs[job_id])


def remove(job_id: int) -> None:
    """Take an ended job off the list; its results stay."""
    shown = status.current()
    for index, entry in enumerate(shown.jobs):
        if entry.job_id == job_id and entry.state in status.ENDED:
            shown.jobs.remove(index)
            _specs.pop(job_id, None)
            break
    shown.active_job = min(shown.active_job, max(len(shown.jobs) - 1, 0))


def clear_finished() -> None:
    """Take every ended job off the list."""
    shown = status.current()
    for job_id in [entry.job_id for entry in shown.jobs if entry.state in status.ENDED]:
        remove(job_id)


def forget_all() -> list[Job]:
    """Empty the queue and return what was in it. Touches no Blender data."""
    forgotten = list(live)
    live.clear()
    _specs.clear()
    return forgotten
