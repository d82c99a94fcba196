# SPDX-License-Identifier: GPL-3.0-or-later
"""The main-thread half of generating: a queue of jobs, one worker at a time, one timer.

    job_id = jobs.submit(context, JobSpec(request=request, placement=placement))
    jobs.cancel(job_id)

A timer, not a modal operator: Blender postpones auto-save while a modal operator runs. Nothing
here keeps a pointer into Blender's data, because undo and file loading invalidate those.
"""

from __future__ import annotations

from .lifecycle import register, stop, unregister
from .ops import CLASSES
from .queue import cancel, cancel_all, clear_finished, remove, retry, spec_of, submit
from .spec import JobSpec, Placement, object_of, placement_of

__all__ = [
    "CLASSES",
    "JobSpec",
    "Placement",
    "cancel",
    "cancel_all",
    "clear_finished",
    "object_of",
    "placement_of",
    "register",
    "remove",
    "retry",
    "spec_of",
    "stop",
    "submit",
    "unregister",
]
