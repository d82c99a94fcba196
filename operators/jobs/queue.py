# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of this session, in order, and what can be done with them.

`wm.maquette.jobs` shows them. What cannot be stored there (requests, threads, results) is kept
here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bpy.app.translations import pgettext_iface as iface_

from ...core.errors import CancelledError
from ...core.mesh import GenerationResult, PreviewMesh
from ...core.worker import Progress, Worker
from .. import engine, packs, status
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
    stage: str = ""
    """Of the worker, for the report of a failure."""
    progress: Progress | None = None
    """What the worker last said, as long as it is not shown."""
    previews: dict[int, PreviewMesh] = field(default_factory=dict)
    """The latest of each variant, likewise, by its index."""
    results: list[GenerationResult] = field(default_factory=list)
    has_worked: bool = False
    """Whether the worker has nothing more to say."""
    error: Exception | None = None
    cancelled_at: float | None = None
    """On the monotonic clock; None while nobody wants it to stop."""
    landing: Iterator[None] | None = None
    """From the first piece of the results that has become Blender data."""
    staged: list[tuple[int, ...]] = field(default_factory=list)
    """`session_uid` of the mesh and the image (0: none) of each result, and of the meshes that come
    with it, not yet in the scene."""

    @property
    def is_cancelled(self) -> bool:
        return self.cancelled_at is not None

    @property
    def is_at_work(self) -> bool:
        return self.worker is not None and not self.has_worked


live: list[Job] = []
"""Jobs that wait, work or land, oldest first."""
stopping: list[Worker] = []
"""Workers of cancelled jobs that have ended for the user, but whose threads have not."""
_specs: dict[int, JobSpec] = {}
"""Of every job in the list, ended or not, for another try."""
_results: dict[int, tuple[int, ...]] = {}
"""`session_uid` of what each ended job made."""


def submit(context, spec: JobSpec) -> int:
    """Append a job; it starts at once when none is running. Returns its id.

    Without a window (background mode) it returns when the job has ended.

    Raises:
        WeightsError: the pack is not on this machine.
    """
    from . import pump

    part = ("image",) if spec.request.image is not None else ()
    engine.activate(context)
    pack_dir = packs.directory_of(context, spec.request.pack, *part)
    shown = status.current()
    if not live:
        status.show_start(shown)
    job_id = _add_entry(shown, spec)
    _specs[job_id] = spec
    live.append(Job(job_id, spec, pack_dir, context.scene.session_uid))
    pump.start()
    return job_id


def _add_entry(shown: status.MaquetteStatus, spec: JobSpec) -> int:
    known = [*_specs, *(entry.job_id for entry in shown.jobs)]
    request = spec.request
    entry = shown.jobs.add()
    entry.job_id, entry.state = max(known, default=0) + 1, "WAITING"
    entry.prompt, entry.seed, entry.count = request.prompt, request.seed, request.count
    entry.label = spec.label or request.prompt or (request.image.source if request.image else "")
    shown.active_job = len(shown.jobs) - 1
    return entry.job_id


def find(job_id: int) -> Job | None:
    """Return a job that has not ended."""
    return next((job for job in live if job.job_id == job_id), None)


def spec_of(job_id: int) -> JobSpec | None:
    """Return what a job of the list was asked to do, or None when it is not there any more."""
    return _specs.get(job_id)


def results_of(job_id: int) -> tuple[int, ...]:
    """Return the `session_uid` of what a job made; empty for one that is unknown."""
    return _results.get(job_id, ())


def keep_results(job_id: int, uids: tuple[int, ...]) -> None:
    """Remember what a job made, whatever the user calls it from now on."""
    _results[job_id] = uids


def cancel(job_id: int | None = None) -> None:
    """Ask a job to stop, the running one by default.

    It is cancelled within a second, whatever its thread is at. Variants that were finished before
    the others land; when all were, and only wait to land, none does.
    """
    job = find(job_id) if job_id is not None else _running()
    if job is None or job.is_cancelled:
        return
    job.cancelled_at = time.monotonic()
    if job.is_at_work:
        job.worker.cancel()
    else:
        job.results.clear()
        job.has_worked, job.error = True, CancelledError()
    shown = status.current()
    if entry := status.entry_of(shown, job.job_id):
        entry.stage = iface_("Cancelling")
    if job is _running():
        shown.stage = iface_("Cancelling")


def cancel_all() -> None:
    """Ask every job that has not ended to stop."""
    for job in list(live):
        cancel(job.job_id)


def _running() -> Job | None:
    """Return the job at work, else the one that is landing or waits to."""
    at_work = (job for job in live if job.is_at_work)
    return next(at_work, None) or next((job for job in live if job.worker is not None), None)


def retry(context, job_id: int) -> int:
    """Append a job that does the same as an earlier one. Returns its id.

    Raises:
        KeyError: the job was removed from the list.
        WeightsError: the pack is not on this machine.
    """
    return submit(context, _specs[job_id])


def remove(job_id: int) -> None:
    """Take an ended job off the list; what it made stays."""
    shown = status.current()
    for index, entry in enumerate(shown.jobs):
        if entry.job_id == job_id and entry.state in status.ENDED:
            shown.jobs.remove(index)
            _specs.pop(job_id, None)
            _results.pop(job_id, None)
            break
    shown.active_job = min(shown.active_job, max(len(shown.jobs) - 1, 0))


def clear_finished() -> None:
    """Take every ended job off the list."""
    shown = status.current()
    for job_id in [entry.job_id for entry in shown.jobs if entry.state in status.ENDED]:
        remove(job_id)


def forget_all() -> list[Worker]:
    """Empty the queue and return the workers that were at it. Touches no Blender data."""
    workers = [job.worker for job in live if job.worker is not None] + stopping
    live.clear()
    stopping.clear()
    _specs.clear()
    _results.clear()
    return workers
