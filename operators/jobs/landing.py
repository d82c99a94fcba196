# SPDX-License-Identifier: GPL-3.0-or-later
"""From finished variants to objects in the scene, as one undo step."""

from __future__ import annotations

import bpy

from .. import events, mesh_build, status
from ..variants import layout
from .queue import Job


def advance(job: Job) -> bool:
    """Do the next piece of work; return True when everything has landed."""
    if not job.results:
        return True
    if not _may_land():
        status.current().stage = "Waiting for Object Mode"
        return False
    # A timer has no window of its own, and the user may have gone to another scene since.
    windows = bpy.context.window_manager.windows
    ours = [window for window in windows if window.scene.session_uid == job.scene_uid]
    window = next(iter([*ours, *windows]), None)
    with bpy.context.temp_override(window=window):
        _land(bpy.context, job)
    return True


def _may_land() -> bool:
    """Tell whether the scene can take a new object without disturbing the user's work."""
    if bpy.app.background:
        return True
    return bpy.context.mode == "OBJECT" and not bpy.app.is_job_running("RENDER")


def _land(context, job: Job) -> None:
    sizes = [job.spec.request.target_size] * len(job.results)
    locations = layout.grid_locations(sizes, job.spec.placement.location)
    objects = [
        mesh_build.add_object(context, result, location=location)
        for result, location in zip(job.results, locations, strict=True)
    ]
    events.call(events.landed, context, objects, job.spec, job.results)
    # No operator runs now, so nobody else makes the undo step.
    bpy.ops.ed.undo_push(message="Generate Mesh")
    if entry := status.entry_of(status.current(), job.job_id):
        entry.result_names = "\n".join(each.name for each in objects)
    warnings = [warning for result in job.results for warning in result.warnings]
    if warnings:
        status.current().warning = warnings[0]
