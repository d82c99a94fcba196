# SPDX-License-Identifier: GPL-3.0-or-later
"""Generate pressed again with nothing changed: whoever does that wants another mesh, not a copy."""

from __future__ import annotations

from dataclasses import fields, replace

from ..core.config import MAX_SEED, GenerationRequest
from . import jobs, status
from .jobs import jump

_LIVE = frozenset({"WAITING", "RUNNING"})


def with_new_seed(request: GenerationRequest) -> GenerationRequest:
    """Return the request with the next seed that has not been used for it, usually its own.

    A request counts as made while its job waits or runs, and as long as a result of it is in this
    file: whoever has undone or deleted a mesh gets the same one again.
    """
    made = [_facts(spec.request) for entry in status.current().jobs if (spec := _spec_of(entry))]
    while _facts(request) in made:
        request = replace(request, seed=(request.seed + request.count) % (MAX_SEED + 1))
    return request


def _spec_of(entry) -> jobs.JobSpec | None:
    if entry.state in _LIVE or (entry.state == "DONE" and jump.results_of(entry.job_id)):
        return jobs.spec_of(entry.job_id)
    return None


def _facts(request: GenerationRequest) -> tuple[object, ...]:
    """Return what tells requests apart; arrays of pixels cannot be compared in one go."""
    values = {each.name: getattr(request, each.name) for each in fields(request)}
    if request.image is not None:
        values["image"] = request.image.source, request.image.pixels.tobytes()
    return tuple(values.values())
