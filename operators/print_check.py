# SPDX-License-Identifier: GPL-3.0-or-later
"""Print Check: the active mesh is read on the main thread and looked at on another one.

What was found stays until another check; when the object changes it is shown as out of date.
"""

from __future__ import annotations

from dataclasses import dataclass

import bpy
import numpy as np

from ..core.errors import CancelledError
from ..core.print_report import PrintReport, Triangles
from . import mesh_arrays, messages, print_words, tasks
from .print_settings import MaquettePrintState, bed_of, size_of

MEASURED_LIMITS = 4.0
"""Walls are measured up to so many times the thinnest one allowed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is checked, and how it was at that time."""

    uid: int
    """The object's session_uid."""
    fingerprint: str
    settings: dict[str, object]
    """Those of `core.print_check.check_printability`."""
    mesh: mesh_arrays.SceneMesh
    is_own_mesh: bool
    """Whether Edit Mode shows the same polygons; modifiers may make others."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What the last check found."""

    asked: Asked
    report: PrintReport


_task: tasks.Task | None = None
_checked: Checked | None = None


def state(context) -> MaquettePrintState:
    """Return the one state of this Blender."""
    return context.window_manager.maquette_print


def last() -> Checked | None:
    """Return what the last check found."""
    return _checked


def forget(context) -> None:
    """Forget what was found and stop what runs: another file has been opened."""
    global _task, _checked
    if _task is not None:
        _task.cancel.set()
    _task = _checked = None
    shown = state(context)
    for name in shown.bl_rna.properties.keys():
        if name not in ("rna_type", "name"):
            shown.property_unset(name)


def settings_of(scene: bpy.types.Scene) -> dict[str, object]:
    """Return what is asked for."""
    settings = scene.maquette_print
    return {
        "millimetres_per_unit": mesh_arrays.millimetres_per_unit(scene),
        "min_wall_mm": settings.min_wall,
        "size_mm": size_of(settings),
        "bed_mm": bed_of(settings),
    }


class MAQUETTE_OT_print_check(bpy.types.Operator):
    """Find out whether the active mesh can be printed: closed, thick enough and in one piece"""

    bl_idname = "maquette.print_check"
    bl_label = "Check for Printing"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context):
        active = context.view_layer.objects.active
        if active is None or active.type != "MESH":
            cls.poll_message_set("Select a mesh object")
            return False
        if state(context).is_running:
            cls.poll_message_set("The check is running")
            return False
        return True

    def execute(self, context):
        begin(context, context.view_layer.objects.active)
        shown = state(context)
        if shown.error:  # Only without a window, where it has already ended.
            self.report({"ERROR"}, shown.error)
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_print_check_cancel(bpy.types.Operator):
    """Stop the print check"""

    bl_idname = "maquette.print_check_cancel"
    bl_label = "Cancel Print Check"
    bl_options = {"INTERNAL"}

    def execute(self, _context):
        if _task is not None:
            _task.cancel.set()
        return {"FINISHED"}


def begin(context, subject: bpy.types.Object) -> None:
    """Start to check an object; a check under way is given up."""
    global _task
    if _task is not None:
        _task.cancel.set()
    asked = _ask(context, subject)
    shown = state(context)
    shown.is_running, shown.stage, shown.fraction, shown.error = True, "Edges", 0.0, ""
    task = tasks.Task(
        run=lambda task: _run(task, asked),
        on_tick=_show,
        on_end=lambda report, error: _end(task, asked, report, error),
    )
    _task = task
    tasks.start(task)


def _ask(context, subject: bpy.types.Object) -> Asked:
    if subject.mode == "EDIT":
        subject.update_from_editmode()
    depsgraph = context.evaluated_depsgraph_get()
    own, seen = subject.data, mesh_arrays.as_seen(subject, depsgraph).data
    return Asked(
        uid=subject.session_uid,
        fingerprint=mesh_arrays.fingerprint(subject, depsgraph),
        settings=settings_of(context.scene),
        mesh=mesh_arrays.read(subject, depsgraph),
        is_own_mesh=(len(own.vertices), len(own.polygons))
        == (len(seen.vertices), len(seen.polygons)),
    )


def _run(task: tasks.Task, asked: Asked) -> PrintReport:
    from ..core.print_check import check_printability

    def check() -> None:
        if task.cancel.is_set():
            raise CancelledError

    def on_progress(stage: str, fraction: float) -> None:
        task.progress = (stage, fraction)

    mesh = Triangles(asked.mesh.vertices, asked.mesh.faces)
    return check_printability(mesh, **asked.settings, check=check, on_progress=on_progress)


def _show(task: tasks.Task) -> None:
    if task is _task and task.progress is not None:
        shown = state(bpy.context)
        shown.stage, shown.fraction = task.progress


def _end(task: tasks.Task, asked: Asked, report: object, error: Exception | None) -> None:
    global _task, _checked
    if task is not _task:
        return  # Another one has begun meanwhile.
    _task = None
    shown = state(bpy.context)
    shown.is_running, shown.stage, shown.fraction = False, "", 0.0
    if isinstance(error, CancelledError):
        return
    if error is not None:
        shown.error = messages.for_user(error)
        if messages.is_bug(error):
            tasks.logger.error("the print check failed unexpectedly", exc_info=error)
        return
    _checked = Checked(asked, report)
    _show_report(shown, asked, report)
    compare(bpy.context)  # The object may have changed meanwhile.


def _show_report(shown: MaquettePrintState, asked: Asked, report: PrintReport) -> None:
    min_wall = asked.settings["min_wall_mm"]
    shown.object_uid = asked.uid
    shown.verdict = print_words.of_verdict(report)
    shown.size = print_words.of_size(report)
    shown.walls = print_words.of_walls(report, min_wall, MEASURED_LIMITS)
    shown.is_printable = report.is_printable
    shown.can_repair = any(each.kind in print_words.REPAIRED for each in report.problems)
    shown.has_thin = bool(len(report.thin_faces)) and asked.is_own_mesh
    shown.has_floating = bool(report.floating_faces) and asked.is_own_mesh
    shown.has_holes = not report.is_closed and asked.is_own_mesh
    shown.lines.clear()
    for line in print_words.of_report(report, min_wall):
        added = shown.lines.add()
        added.text, added.icon, added.advice = line.text, line.icon, line.advice


def compare(context, depsgraph: bpy.types.Depsgraph | None = None) -> None:
    """Show whether what was found still holds."""
    if _checked is None:
        return
    shown = state(context)
    subject = mesh_arrays.find_object(_checked.asked.uid)
    if subject is None or subject.mode == "SCULPT":
        shown.is_stale = True
    elif settings_of(context.scene) != _checked.asked.settings:
        shown.is_stale = True
    elif subject.mode != "EDIT":  # Changes there are seen when it is left.
        depsgraph = depsgraph or context.evaluated_depsgraph_get()
        now = mesh_arrays.fingerprint(subject, depsgraph)
        shown.is_stale = now != _checked.asked.fingerprint


def polygons_of(checked: Checked, faces: np.ndarray) -> np.ndarray:
    """Return the polygons that triangles are parts of."""
    return np.unique(checked.asked.mesh.polygons[faces])


CLASSES = (MAQUETTE_OT_print_check, MAQUETTE_OT_print_check_cancel)
