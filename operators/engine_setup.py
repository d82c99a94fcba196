# SPDX-License-Identifier: GPL-3.0-or-later
"""Set Up Engine: says what it will run, runs it on a thread, and can be undone."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, EnumProperty, StringProperty

from ..engine import installer, loading
from ..engine.errors import EngineCancelledError, EngineError
from ..engine.folder import EngineFolder
from ..engine.plan import SetupPlan, offers_int8, suggest_variant, torch_build, variants_here
from . import engine, engine_plan, machine, messages, packs, tasks
from .report import without_home

DIALOG_WIDTH = 620
MAX_LOG_LINES = 400

VARIANTS = (
    ("CPU", "CPU", "Works on every computer"),
    ("CUDA", "NVIDIA GPU (CUDA)", "Needs a GeForce GTX 16 or newer and a recent driver"),
    ("ROCM", "AMD GPU (ROCm)", "Needs Linux and a GPU that ROCm supports"),
    ("MPS", "Apple GPU (Metal)", "Needs a Mac with an Apple processor"),
)

_task: tasks.Task | None = None


def _offline_reason(context) -> str:
    """Return why nothing may be downloaded, or an empty string."""
    if bpy.app.online_access or _wheels(context) is not None:
        return ""
    return iface_(
        "Online access is off: allow it in Preferences, System, Network, or choose a folder of"
        " wheels in Maquette's preferences"
    )


def _wheels(context) -> Path | None:
    chosen = getattr(packs.preferences(context), "wheels_folder", "")
    return Path(bpy.path.abspath(chosen)) if chosen else None


def _on_variant(self, _context) -> None:
    self.index = _index_of(self.variant)


def _index_of(variant: str) -> str:
    try:
        return torch_build(variant.lower()).index
    except EngineError:
        return ""


class MAQUETTE_OT_engine_setup(bpy.types.Operator):
    """Install what runs the models into a folder of Maquette's own; shows first what it will do"""

    bl_idname = "maquette.engine_setup"
    bl_label = "Set Up Engine"
    bl_options = {"INTERNAL"}

    variant: EnumProperty(
        name="Compute On",
        description="Which build of PyTorch to install",
        items=VARIANTS,
        update=_on_variant,
        options={"SKIP_SAVE"},
    )
    index: StringProperty(
        name="PyTorch From",
        description="Package index that is searched for PyTorch beside pip's own; may be empty",
        options={"SKIP_SAVE"},
    )
    with_int8: BoolProperty(
        name="8-Bit Integers",
        description="Add OpenVINO (Apache-2.0), which computes Shap-E in 8 bits for fast sampling;"
        " it needs a processor with VNNI and takes three times its download on disk",
        options={"SKIP_SAVE"},
    )

    @classmethod
    def poll(cls, context):
        if engine.state(context).is_running:
            cls.poll_message_set("The engine is being set up")
            return False
        if reason := _offline_reason(context):
            cls.poll_message_set(reason)
            return False
        return True

    def invoke(self, context, _event):
        if not variants_here():
            self.report({"ERROR"}, rpt_("There is no PyTorch for this computer"))
            return {"CANCELLED"}
        engine_plan.cached.cache_clear()
        self.variant = suggest_variant().upper()
        self.index = _index_of(self.variant)
        self.with_int8 = engine.has_int8(context)
        label = iface_("Install") if _wheels(context) else iface_("Download and Install")
        return context.window_manager.invoke_props_dialog(
            self, width=DIALOG_WIDTH, title=iface_("Set Up Engine"), confirm_text=label
        )

    def check(self, _context):
        return True

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        column = layout.column(align=True)
        column.label(text="Maquette has Blender's own Python run pip once, as written below")
        column.label(text="Everything goes into one folder, which Remove Engine deletes again")
        layout.prop(self, "variant")
        if _wheels(context) is None:
            layout.prop(self, "index")
        if offers_int8():
            layout.prop(self, "with_int8")
        try:
            engine_plan.draw(layout, self._plan(context))
        except EngineError as error:
            row = layout.row()
            row.alert = True
            row.label(text=messages.for_user(error), icon="ERROR", translate=False)

    def execute(self, context):
        place = engine.folder(context)
        if loading.is_loaded(place):
            self.report({"ERROR"}, rpt_("PyTorch is in use: restart Blender, then set it up again"))
            return {"CANCELLED"}
        engine_plan.cached.cache_clear()
        try:
            _start(context, self._plan(context))
        except EngineError as error:
            self.report({"ERROR"}, messages.for_user(error))
            return {"CANCELLED"}
        if error := engine.state(context).error:
            # Only without a window, where it has already ended.
            self.report({"ERROR"}, error)
            return {"CANCELLED"}
        return {"FINISHED"}

    def _plan(self, context) -> SetupPlan:
        is_chosen = self.properties.is_property_set
        variant = self.variant.lower() if is_chosen("variant") else suggest_variant()
        index = self.index.strip() if is_chosen("index") else None
        return engine_plan.cached(
            engine.folder(context), variant, index, _wheels(context), self.with_int8
        )


def _start(context, plan: SetupPlan) -> None:
    global _task
    shown = engine.state(context)
    shown.is_running, shown.fraction, shown.stage = True, 0.0, "Starting"
    shown.error = shown.message = shown.log = ""
    log: list[str] = []
    online = bpy.app.online_access

    def run(task: tasks.Task) -> object:
        def report(stage: str, fraction: float) -> None:
            task.progress = (stage, fraction)

        return installer.install(
            plan, online=online, on_progress=report, cancel=task.cancel, log=log
        )

    _task = tasks.Task(run=run, on_tick=_show, on_end=partial(_end, log))
    tasks.start(_task)


def _show(task: tasks.Task) -> None:
    shown = engine.state(bpy.context)
    shown.is_running = True
    if task.progress is not None:
        shown.stage, shown.fraction = task.progress
    if task.cancel.is_set():
        shown.stage = "Cancelling"


def _end(log: list[str], _result: object, error: Exception | None) -> None:
    global _task
    _task = None
    shown = engine.state(bpy.context)
    shown.is_running, shown.stage, shown.fraction = False, "", 0.0
    shown.log = without_home("\n".join(log[-MAX_LOG_LINES:]))
    if error is None:
        shown.message = iface_("The engine is set up")
    elif isinstance(error, EngineCancelledError):
        shown.message = messages.for_user(error)
    else:
        shown.error = messages.for_user(error)
    machine.refresh(bpy.context)


class MAQUETTE_OT_engine_cancel(bpy.types.Operator):
    """Stop setting up the engine; what was downloaded is kept for the next time"""

    bl_idname = "maquette.engine_cancel"
    bl_label = "Cancel Set-Up"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not engine.state(context).is_running:
            cls.poll_message_set("Nothing is being set up")
            return False
        return True

    def execute(self, _context):
        if _task is not None:
            _task.cancel.set()
        return {"FINISHED"}


class MAQUETTE_OT_engine_remove(bpy.types.Operator):
    """Delete the engine's folder and everything that set-up ever put there"""

    bl_idname = "maquette.engine_remove"
    bl_label = "Remove Engine"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        shown = engine.state(context)
        if shown.is_running:
            cls.poll_message_set("The engine is being set up")
            return False
        if not shown.is_installed:
            cls.poll_message_set("Maquette has no engine of its own to remove")
            return False
        return True

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(
            self,
            event,
            title=iface_("Remove Engine?"),
            message=without_home(engine.state(context).folder),
            confirm_text=iface_("Remove"),
            icon="WARNING",
        )

    def execute(self, context):
        place = engine.folder(context)
        if loading.is_loaded(place):
            place.remove_later()
            self.report({"INFO"}, rpt_("PyTorch is in use: it is deleted when Blender restarts"))
            engine.refresh(context)
            return {"FINISHED"}
        remove(context, place)
        return {"FINISHED"}


def remove(context, place: EngineFolder) -> None:
    """Delete the engine on a thread."""
    loading.deactivate(place)
    shown = engine.state(context)
    shown.is_running, shown.stage, shown.error, shown.message = True, "Deleting", "", ""

    def end(_result: object, error: Exception | None) -> None:
        now = engine.state(bpy.context)
        now.is_running, now.stage = False, ""
        if error is not None:
            now.error = messages.for_user(error)
        machine.refresh(bpy.context)

    tasks.start(tasks.Task(run=lambda task: place.remove(), on_end=end))


class MAQUETTE_OT_engine_copy_log(bpy.types.Operator):
    """Copy what pip wrote to the clipboard, to read it or to paste it into a report"""

    bl_idname = "maquette.engine_copy_log"
    bl_label = "Copy Log"
    bl_options = {"INTERNAL"}

    def execute(self, context):
        text = engine.state(context).log or _stored_log(context)
        if not text:
            self.report({"ERROR"}, "There is no log: it is written when the engine is set up")
            return {"CANCELLED"}
        context.window_manager.clipboard = text
        self.report({"INFO"}, "Log copied")
        return {"FINISHED"}


def _stored_log(context) -> str:
    """Return the log of the last set-up, which outlives Blender."""
    try:
        return without_home(engine.folder(context).log.read_text(encoding="utf-8"))
    except OSError:
        return ""


CLASSES = (
    MAQUETTE_OT_engine_setup,
    MAQUETTE_OT_engine_cancel,
    MAQUETTE_OT_engine_remove,
    MAQUETTE_OT_engine_copy_log,
)
