# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at this machine: which devices there are, and whether a small generation works."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_rpt as rpt_
from bpy.props import BoolProperty, FloatProperty, StringProperty

from .. import weights_fetch
from ..core.errors import CancelledError
from ..engine import doctor
from ..engine.examine import list_devices
from ..engine.self_test import SelfTest, run_self_test
from . import engine, messages, packs, tasks
from .report import without_home


class MaquetteDiagnostics(bpy.types.PropertyGroup):
    """What the last self-test found; panels only read it"""

    is_running: BoolProperty(name="Running")
    is_detecting: BoolProperty(name="Looking for Devices")
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    has_passed: BoolProperty(name="Passed")
    words: StringProperty(name="Outcome in Words")
    report: StringProperty(name="Report", description="Everything that was found, to be copied")
    error: StringProperty(name="Error")


_task: tasks.Task | None = None


def state(context) -> MaquetteDiagnostics:
    """Return the one state of this Blender."""
    return context.window_manager.maquette_diagnostics


class MAQUETTE_OT_self_test(bpy.types.Operator):
    """Look at versions, devices, memory and packs, and generate something very small"""

    bl_idname = "maquette.self_test"
    bl_label = "Run Self-Test"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if state(context).is_running:
            cls.poll_message_set("The self-test is running")
            return False
        if context.window_manager.maquette.is_running:
            cls.poll_message_set("A generation is running")
            return False
        return True

    def execute(self, context):
        global _task
        shown = state(context)
        shown.is_running, shown.stage, shown.fraction = True, "Looking around", 0.0
        shown.words = shown.report = shown.error = ""
        engine.activate(context)
        chosen = packs.preferences_of(context)
        root = chosen.packs_folder or weights_fetch.user_packs_root()
        facts = _facts(context)

        def run(task: tasks.Task) -> doctor.Report:
            test = _test(task, root, chosen.device)
            return doctor.report(root, test, facts, loaded=("torch", "numpy"))

        _task = tasks.Task(run=run, on_tick=_show, on_end=_end)
        tasks.start(_task)
        return {"FINISHED"}


def _facts(context) -> tuple[tuple[str, str], ...]:
    """What only Blender knows; read on the main thread."""
    allowed = "on" if bpy.app.online_access else "off"
    return (
        ("blender", bpy.app.version_string),
        ("engine", f"{engine.state(context).words} ({engine.state(context).folder})"),
        ("online access", allowed),
    )


def _test(task: tasks.Task, root: Path, device: str) -> SelfTest:
    def report(stage: str, fraction: float) -> None:
        task.progress = (stage, fraction)

    try:
        return run_self_test(
            root, _load_pipeline, device=device, on_progress=report, cancel=task.cancel
        )
    except ImportError as error:
        return SelfTest(status="failed", message=f"the engine does not load: {error}", error=error)


def _load_pipeline():
    from ..core import pipeline

    return pipeline


def _show(task: tasks.Task) -> None:
    shown = state(bpy.context)
    shown.is_running = True
    if task.progress is not None:
        shown.stage, shown.fraction = task.progress
    if task.cancel.is_set():
        shown.stage = "Cancelling"


def _end(result: object, error: Exception | None) -> None:
    global _task
    _task = None
    shown = state(bpy.context)
    shown.is_running, shown.stage, shown.fraction = False, "", 0.0
    if isinstance(error, CancelledError):
        return
    if error is not None:
        shown.error = messages.for_user(error)
        tasks.logger.error("the self-test failed unexpectedly", exc_info=error)
        return
    test = result.self_test
    shown.has_passed = test.status == "passed"
    shown.report = without_home(result.to_text())
    shown.words = _words(test)
    _remember(bpy.context, [(each.name, each.description) for each in result.compute.devices])


def _words(test: SelfTest) -> str:
    if test.status == "passed":
        return iface_("Passed: {message}").format(message=test.message)
    if test.error is not None:
        return iface_("Failed: {message}").format(message=messages.for_user(test.error))
    return iface_("Not passed: {message}").format(message=test.message)


class MAQUETTE_OT_self_test_cancel(bpy.types.Operator):
    """Stop the self-test"""

    bl_idname = "maquette.self_test_cancel"
    bl_label = "Cancel Self-Test"
    bl_options = {"INTERNAL"}

    def execute(self, _context):
        if _task is not None:
            _task.cancel.set()
        return {"FINISHED"}


class MAQUETTE_OT_diagnostics_copy(bpy.types.Operator):
    """Copy everything that the self-test found, to paste into a report"""

    bl_idname = "maquette.diagnostics_copy"
    bl_label = "Copy Diagnostics"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if not state(context).report:
            cls.poll_message_set("Run the self-test first")
            return False
        return True

    def execute(self, context):
        context.window_manager.clipboard = state(context).report
        self.report({"INFO"}, rpt_("Diagnostics copied"))
        return {"FINISHED"}


class MAQUETTE_OT_detect_devices(bpy.types.Operator):
    """Load PyTorch and list the devices that it can use; takes a few seconds"""

    bl_idname = "maquette.detect_devices"
    bl_label = "Detect Devices"
    bl_options = {"INTERNAL"}

    @classmethod
    def poll(cls, context):
        if state(context).is_detecting:
            cls.poll_message_set("Devices are being looked for")
            return False
        if engine.state(context).is_missing:
            cls.poll_message_set("Set up the engine first")
            return False
        return True

    def execute(self, context):
        engine.activate(context)
        state(context).is_detecting = True
        tasks.start(tasks.Task(run=lambda task: list_devices(), on_end=_on_devices))
        return {"FINISHED"}


def _on_devices(result: object, error: Exception | None) -> None:
    shown = state(bpy.context)
    shown.is_detecting, shown.error = False, ""
    if error is not None:
        shown.error = messages.for_user(error)
        return
    _remember(bpy.context, result)


def _remember(context, devices: list[tuple[str, str]]) -> None:
    """Keep the list in the preferences, so that it is there before PyTorch is."""
    preferences = packs.preferences(context)
    if preferences is not None and devices:
        preferences.devices_found = "\n".join(f"{name}\t{words}" for name, words in devices)


CLASSES = (
    MaquetteDiagnostics,
    MAQUETTE_OT_self_test,
    MAQUETTE_OT_self_test_cancel,
    MAQUETTE_OT_diagnostics_copy,
    MAQUETTE_OT_detect_devices,
)
