# SPDX-License-Identifier: GPL-3.0-or-later
"""The growing preview: what a run has so far, drawn where its result will land.

Not an object: undo, saving, rendering and exporting never meet it. It goes when the result comes,
when the run fails and when a file is loaded. After a cancel it stays, to be kept or discarded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import bpy
import numpy as np
from bpy.app.handlers import persistent
from mathutils import Matrix

from ..core.mesh import GenerationResult, PreviewMesh
from . import events, ghost, jobs, mesh_build, packs
from .jobs import clearance, host, queue
from .variants import layout

MARK = "maquette_preview"
"""Custom property of an object that was a preview: how far the run was."""


@dataclass(slots=True)
class _Shown:
    """What one job has shown so far."""

    job_id: int
    scene_uid: int
    shift: float = 0.0
    """How far along X the results will step aside for what stands there, in metres."""
    variants: dict[int, tuple[PreviewMesh, Matrix]] = field(default_factory=dict)
    """The latest preview of each variant that has not landed, and where it stands."""
    ghosts: dict[int, ghost.Ghost] = field(default_factory=dict)


_shown: _Shown | None = None


def is_wanted() -> bool:
    """Tell whether a run that starts now should make previews; without a window nobody looks."""
    return host.has_event_loop() and packs.preferences_of(bpy.context).show_preview


def place_of(spec: jobs.JobSpec, preview: PreviewMesh) -> Matrix:
    """Return where a variant will stand, as far as that is known before all are finished."""
    count, index = spec.request.count, preview.index
    replaced = jobs.object_of(spec.replaces_uid) if spec.replaces_uid else None
    if replaced is not None:
        if index == 0:
            return replaced.matrix_world.copy()
        count, index = count - 1, index - 1
    placement, size = spec.placement, spec.request.target_size
    if (box := placement.box) is None:
        return Matrix.Translation(layout.grid_locations([size] * count, placement.location)[index])
    vertices = preview.mesh.vertices
    scale = box.scale_for((vertices.max(axis=0) - vertices.min(axis=0)).tolist())
    base = layout.grid_locations([size * scale] * count, box.base)[index]
    return Matrix.LocRotScale(base, Matrix.Rotation(box.yaw, 3, "Z"), (scale,) * 3)


def forget() -> None:
    """Draw nothing any more, and offer nothing to be kept."""
    global _shown
    if _shown is None:
        return
    uid, _shown = _shown.scene_uid, None
    ghost.show((), uid)
    bpy.context.window_manager.maquette.has_preview = False


def _on_previewed(entry, preview: PreviewMesh) -> None:
    global _shown
    job, spec = queue.find(entry.job_id), jobs.spec_of(entry.job_id)
    if job is None or spec is None:
        return
    if _shown is None or _shown.job_id != entry.job_id:
        forget()
        _shown = _Shown(entry.job_id, job.scene_uid, _shift_of(job.scene_uid, spec, preview))
    place = place_of(spec, preview)
    place.translation.x += _shown.shift
    _show_at(preview, place)
    ghost.show(tuple(_shown.ghosts.values()), _shown.scene_uid)


def _shift_of(scene_uid: int, spec: jobs.JobSpec, preview: PreviewMesh) -> float:
    """Return how far the results will step aside, as far as the first preview tells their size."""
    window = host.window_for(scene_uid)
    if spec.replaces_uid or spec.placement.box is not None or window is None:
        return 0.0
    vertices = preview.mesh.vertices
    half = (vertices.max(axis=0) - vertices.min(axis=0)) * (0.5, 0.5, 1.0)
    count, size = spec.request.count, spec.request.target_size
    bases = np.array(layout.grid_locations([size] * count, spec.placement.location))
    wanted = np.stack([bases - half * (1.0, 1.0, 0.0), bases + half], axis=1)
    with bpy.context.temp_override(window=window):
        return clearance.shift_right(wanted, clearance.boxes_of(bpy.context))


def _show_at(preview: PreviewMesh, matrix: Matrix) -> None:
    _shown.variants[preview.index] = preview, matrix
    _shown.ghosts[preview.index] = ghost.make(preview.mesh, np.array(matrix))


def _on_landed(_context, objects, spec, _results) -> None:
    """The objects take the place of their previews."""
    if _shown is None or jobs.spec_of(_shown.job_id) is not spec:
        return
    left = [variant for index, variant in _shown.variants.items() if index >= len(objects)]
    _shown.variants.clear()
    _shown.ghosts.clear()
    # Those that landed have closed their ranks, so the others step aside.
    right = max(each.location.x for each in objects)
    for preview, matrix in left:
        right += spec.request.target_size * matrix.median_scale * (1.0 + layout.GAP)
        matrix.translation.x = right
        _show_at(preview, matrix)
    ghost.show(tuple(_shown.ghosts.values()), _shown.scene_uid)


def _on_ended(entry) -> None:
    if _shown is None or _shown.job_id != entry.job_id:
        return
    if entry.state == "CANCELLED" and _shown.variants:
        bpy.context.window_manager.maquette.has_preview = True
    else:
        forget()


@persistent
def _on_load_pre(*_: object) -> None:
    forget()


@persistent
def _on_load_post(*_: object) -> None:
    """A file may have been saved while there was a preview."""
    bpy.context.window_manager.maquette.has_preview = False


class MAQUETTE_OT_preview_keep(bpy.types.Operator):
    """Make a mesh of the preview that the cancelled run has left"""

    bl_idname = "maquette.preview_keep"
    bl_label = "Keep Preview"
    bl_options = {"INTERNAL", "UNDO"}

    @classmethod
    def poll(cls, context):
        if not context.window_manager.maquette.has_preview:
            cls.poll_message_set("There is no preview")
            return False
        if context.mode != "OBJECT":
            cls.poll_message_set("Leave to Object Mode first")
            return False
        return True

    def execute(self, context):
        if _shown is None:
            context.window_manager.maquette.has_preview = False
            return {"CANCELLED"}
        kept = [_add(context, *variant) for variant in _shown.variants.values()]
        mesh_build.select_only(context, kept)
        forget()
        return {"FINISHED"}


def _add(context, preview: PreviewMesh, matrix: Matrix) -> bpy.types.Object:
    result = GenerationResult(
        name=preview.name, mesh=preview.mesh, record=preview.record, stage_seconds={}
    )
    added = mesh_build.add_object(context, result, location=matrix.translation)
    added.matrix_world = matrix
    added[MARK] = preview.record.settings["preview"]
    return added


class MAQUETTE_OT_preview_discard(bpy.types.Operator):
    """Remove the preview that the cancelled run has left"""

    bl_idname = "maquette.preview_discard"
    bl_label = "Discard Preview"
    # No UNDO: the preview was never in the scene.
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not context.window_manager.maquette.has_preview:
            cls.poll_message_set("There is no preview")
            return False
        return True

    def execute(self, context):
        context.window_manager.maquette.has_preview = False
        forget()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_preview_keep, MAQUETTE_OT_preview_discard)

_LISTENERS = (
    (events.wants_preview, is_wanted),
    (events.previewed, _on_previewed),
    (events.landed, _on_landed),
    (events.ended, _on_ended),
    (bpy.app.handlers.load_pre, _on_load_pre),
    (bpy.app.handlers.load_post, _on_load_post),
)


def register() -> None:
    """Listen to jobs and to file loading."""
    for callbacks, callback in _LISTENERS:
        callbacks.append(callback)


def unregister() -> None:
    """Stop listening and draw nothing any more."""
    for callbacks, callback in _LISTENERS:
        callbacks.remove(callback)
    forget()
