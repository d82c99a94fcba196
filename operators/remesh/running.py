# SPDX-License-Identifier: GPL-3.0-or-later
"""The one remeshing that runs: painted on a thread, put on its object by a timer.

The object is known by its `session_uid`, since undo meanwhile may replace it. Until the last
moment nothing of it is changed, and that moment is one undo step.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import bpy
from bpy.app.handlers import persistent
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, FloatProperty, PointerProperty, StringProperty

from ...core.errors import CancelledError
from ...core.mesh import GenerationRecord, GenerationResult
from ...core.painted import Remeshed, RemeshRequest
from .. import engine, mesh_build, mesh_facts, messages, notes, status, tasks
from ..jobs import host, landing, spec
from ..variants import collection, thumbnails

INTERVAL = 0.2  # Seconds between two looks whether the mesh may be put on its object.


class MaquetteRemesh(bpy.types.PropertyGroup):
    """What the remeshing is at; panels only read it"""

    is_running: BoolProperty(name="Running")
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    error: StringProperty(name="Error")


@dataclass(slots=True)
class _Run:
    """What is being done to which object."""

    object_uid: int
    record: dict
    """Of the object, with what the remeshing adds to its settings."""
    step_name: str
    """With a place for the object's name."""
    task: tasks.Task | None = None
    remeshed: Remeshed | None = None
    """From when it is finished and waits for its moment."""


_run: _Run | None = None


def state() -> MaquetteRemesh:
    """Return the one state of this Blender."""
    return bpy.context.window_manager.maquette_remesh


def start(
    context, subject: bpy.types.Object, record: dict, request: RemeshRequest, step_name: str
) -> None:
    """Do it; without a window (background mode) return when it is done.

    Args:
        context: of the operator.
        subject: the object whose mesh is replaced.
        record: its record, with the settings as they will be.
        request: what is wanted.
        step_name: of the undo step, with {name} for the object's.
    """
    global _run
    engine.activate(context)
    shown = state()
    shown.is_running, shown.stage, shown.fraction, shown.error = True, rpt_("Starting"), 0.0, ""
    _run = run = _Run(subject.session_uid, record, step_name)
    run.task = tasks.Task(
        run=lambda task: _work(task, request),
        on_tick=_show,
        on_end=lambda result, error: _end(run, result, error),
    )
    tasks.start(run.task)


def _work(task: tasks.Task, request: RemeshRequest) -> Remeshed:
    from ...core import remeshing

    def check() -> None:
        if task.cancel.is_set():
            raise CancelledError

    def report(stage: str, fraction: float) -> None:
        task.progress = (stage, fraction)

    return remeshing.remesh(request, check=check, on_progress=report)


def cancel() -> None:
    """Ask what runs to stop; the object stays as it is."""
    if _run is None:
        return
    _run.task.cancel.set()
    if _run.remeshed is not None:
        _finish()


def _show(task: tasks.Task) -> None:
    if _run is None or _run.task is not task:
        return
    shown = state()
    if task.progress is not None:
        stage, shown.fraction = task.progress
        shown.stage = _STAGES.get(stage, lambda: stage)()
    if task.cancel.is_set():
        shown.stage = rpt_("Cancelling")


_STAGES = {
    "Simplifying": lambda: rpt_("Simplifying"),
    "Unwrapping": lambda: rpt_("Unwrapping"),
    "Painting the texture": lambda: rpt_("Painting the texture"),
}


def _end(run: _Run, result: object, error: Exception | None) -> None:
    if _run is not run:
        return  # Its file is closed.
    if isinstance(error, CancelledError):
        _finish()
    elif error is not None:
        if messages.is_bug(error):
            tasks.logger.error("the remeshing failed unexpectedly", exc_info=error)
        _finish(messages.for_user(error))
    else:
        run.remeshed = result
        if not host.has_event_loop():
            _put()
        else:
            bpy.app.timers.register(_put_when_free, first_interval=0.0, persistent=True)


def _put_when_free() -> float | None:
    """The timer from when the mesh is finished."""
    if _run is None or _run.remeshed is None:
        return None
    if hindrance := host.landing_hindrance():
        state().stage = hindrance
        tasks.redraw()
        return INTERVAL
    try:
        with bpy.context.temp_override(window=host.window_for(bpy.context.scene.session_uid)):
            _put()
    except Exception as error:  # noqa: BLE001 - told to the user as a bug, and logged
        tasks.logger.exception("a remeshed object cannot be shown")
        _finish(messages.for_user(error))
    tasks.redraw()
    return None


def _put() -> None:
    """Give the object its new mesh, as one undo step."""
    run = _run
    subject = spec.object_of(run.object_uid)
    if subject is None or subject.type != "MESH" or not subject.is_editable:
        _finish(rpt_("The object is gone: choose another one"))
        return
    _replace(subject, run.record, run.remeshed)
    landing.push_undo(run.step_name.format(name=subject.name))
    if run.remeshed.note:
        status.current().warning = notes.in_words(run.remeshed.note)
    _finish()


def _replace(subject: bpy.types.Object, record: dict, remeshed: Remeshed) -> None:
    known = {name: record.get(name, "") for name in GenerationRecord.__dataclass_fields__}
    result = GenerationResult(
        name=subject.name,
        mesh=remeshed.mesh,
        record=GenerationRecord(**known),
        stage_seconds=dict(subject.get(f"{mesh_build.RECORD_KEY}_seconds", {})),
    )
    quads = remeshed.polygons if remeshed.polygons.shape[1] == 4 else None
    mesh = mesh_build.build_mesh(subject.name, remeshed.mesh, quads=quads)
    before, name = subject.data, subject.name
    subject.data = mesh_build.build_data(result, mesh)
    mesh_build.write_facts(subject, result)
    mesh_facts.write(subject)
    collection.delete_data(before)
    for data in (subject.data, *subject.data.materials):
        data.name = name
    thumbnails.render(subject, bpy.context.evaluated_depsgraph_get())


def _finish(error: str = "") -> None:
    global _run
    _run = None
    shown = state()
    shown.is_running, shown.stage, shown.fraction, shown.error = False, "", 0.0, error


class MAQUETTE_OT_remesh_cancel(bpy.types.Operator):
    """Stop the remeshing; the object stays as it is"""

    bl_idname = "maquette.remesh_cancel"
    bl_label = "Cancel Remeshing"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not context.window_manager.maquette_remesh.is_running:
            cls.poll_message_set("Nothing is being remeshed")
            return False
        return True

    def execute(self, _context):
        cancel()
        return {"FINISHED"}


@persistent
def _on_load_pre(*_: object) -> None:
    """The mesh must not land in another file."""
    global _run
    if _run is not None:
        _run.task.cancel.set()
        _run = None


@persistent
def _on_load_post(*_: object) -> None:
    _finish()


def with_settings(record: dict, **changes: object) -> dict:
    """Return a record with other settings; None removes one."""
    settings = record["settings"] | changes
    kept = {key: value for key, value in settings.items() if value is not None}
    return json.loads(json.dumps(record | {"settings": kept}))


CLASSES = (MaquetteRemesh, MAQUETTE_OT_remesh_cancel)


def register() -> None:
    """Add the state, and watch for file loading."""
    bpy.types.WindowManager.maquette_remesh = PointerProperty(type=MaquetteRemesh)
    bpy.app.handlers.load_pre.append(_on_load_pre)
    bpy.app.handlers.load_post.append(_on_load_post)


def unregister() -> None:
    """Stop what runs and remove the state."""
    _on_load_pre()
    if bpy.app.timers.is_registered(_put_when_free):
        bpy.app.timers.unregister(_put_when_free)
    bpy.app.handlers.load_post.remove(_on_load_post)
    bpy.app.handlers.load_pre.remove(_on_load_pre)
    del bpy.types.WindowManager.maquette_remesh
