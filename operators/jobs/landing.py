# SPDX-License-Identifier: GPL-3.0-or-later
"""From finished variants to objects in the scene: many short ticks, one undo step.

Meshes and images are made first, one a tick, where nobody sees them. The last tick puts
everything into the scene and makes the undo step, so that no undo of the user's own falls in
between. What an undo took away before that is simply made again: results are kept until the end.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

import bpy
from bpy.app.translations import pgettext_iface as iface_

from ...core.mesh import GenerationResult
from .. import events, levels, mesh_build, notes, status
from . import host, insertion, local_view, queue
from .queue import Job

logger = logging.getLogger(__name__)

MAX_STEP_NAME_BYTES = 60
"""Blender cuts names of undo steps at 63 bytes, and not always between two characters."""


def advance(job: Job) -> bool:
    """Do the next piece of work; return True when everything has landed."""
    if not job.results:
        discard(job)  # Cancelled in the middle, if there is anything.
        return True
    if host.landing_hindrance():
        return False
    if job.landing is None:
        job.landing = _land(job)
    try:
        # A timer has no window of its own.
        with bpy.context.temp_override(window=host.window_for(job.scene_uid)):
            next(job.landing)
    except StopIteration:
        job.results.clear()
        return True
    return False


def show_waiting() -> str:
    """Say on each job that waits to land what it waits for, and return that."""
    waiting = [job for job in queue.live if job.has_worked and job.results]
    hindrance = host.landing_hindrance() if waiting else ""
    for job in waiting:
        if entry := status.entry_of(status.current(), job.job_id):
            entry.stage = hindrance or iface_("Adding to the scene")
    return hindrance


def discard(job: Job) -> None:
    """Remove what was made of a job's results and has not come into the scene."""
    job.results.clear()
    job.landing = None
    for mesh_uid, image_uid, *further in job.staged:
        for uid in (mesh_uid, *further):
            if (mesh := _find(bpy.data.meshes, uid)) is not None:
                bpy.data.meshes.remove(mesh)
        if (image := _find(bpy.data.images, image_uid)) is not None:
            bpy.data.images.remove(image)
    job.staged.clear()


def _land(job: Job) -> Iterator[None]:
    """Make everything, pausing after each piece that takes long."""
    for result in job.results:
        mesh = mesh_build.build_mesh(result.name, result.mesh)
        job.staged.append((mesh.session_uid, 0))
        yield
        if result.mesh.texture is not None:
            image = mesh_build.build_image(result.name, result.mesh.texture)
            job.staged[-1] = (job.staged[-1][0], image.session_uid)
            if not result.mesh.texture.png:
                yield
        for further in levels.build_meshes(result):
            job.staged[-1] += (further.session_uid,)
            yield
    built = [
        _staged_data(result, *uids) for result, uids in zip(job.results, job.staged, strict=True)
    ]
    job.staged.clear()
    objects = insertion.insert(bpy.context, job.spec, job.results, built)
    local_view.join(bpy.context, objects)
    events.call(events.landed, bpy.context, objects, job.spec, list(job.results))
    # No operator runs now, so nobody else makes the undo step.
    push_undo(_step_name(job, objects[0].name))
    _show_landed(job, objects)


def push_undo(name: str) -> None:
    """Make an undo step; its name is cut where Blender would."""
    name = name.encode()[:MAX_STEP_NAME_BYTES].decode(errors="ignore")
    try:
        bpy.ops.ed.undo_push(message=name)
    except RuntimeError:  # The result is there; that it cannot be undone must not hide that.
        logger.exception("no undo step could be made")


def _staged_data(
    result: GenerationResult, mesh_uid: int, image_uid: int, *further_uids: int
) -> insertion.Built:
    """Return a variant's meshes with its material, made again where an undo removed a piece."""
    mesh = _find(bpy.data.meshes, mesh_uid)
    image = _find(bpy.data.images, image_uid)
    further = [_find(bpy.data.meshes, uid) for uid in further_uids]
    if None in further:
        for left in filter(None, further):
            bpy.data.meshes.remove(left)
        further = list(levels.build_meshes(result))
    return insertion.Built(mesh_build.build_data(result, mesh, image), tuple(further))


def _find(collection, uid: int):
    return next((each for each in collection if each.session_uid == uid), None) if uid else None


def _step_name(job: Job, name: str) -> str:
    count = len(job.results)
    if job.spec.replaces_uid:
        text = iface_("Regenerate {name}").format(name=name)
    elif count > 1:
        text = iface_("Generate {count} Variants of {name}").format(count=count, name=name)
    elif job.spec.request.mesh is not None:
        text = iface_("Rebuild {name}").format(name=job.spec.request.mesh_source)
    else:
        text = iface_("Generate {name}").format(name=name)
    return text


def _show_landed(job: Job, objects: list[bpy.types.Object]) -> None:
    queue.keep_results(job.job_id, tuple(each.session_uid for each in objects))
    shown = status.current()
    if entry := status.entry_of(shown, job.job_id):
        entry.result_names = "\n".join(each.name for each in objects)
    warnings = [warning for result in job.results for warning in result.warnings]
    if warnings:
        shown.warning = notes.in_words(warnings[0])
