# SPDX-License-Identifier: GPL-3.0-or-later
"""What the interface shows of runs, on the window manager: outside undo, and one per Blender.

Panels only read it. `operators/jobs` writes it on the main thread; `estimate` and `seconds_left`
come from `operators/estimates.py`.
"""

from __future__ import annotations

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    StringProperty,
)

UNKNOWN_TIME = -1.0

STATES = (
    ("WAITING", "Waiting", "Starts when the jobs before it have ended", "SORTTIME", 0),
    ("RUNNING", "Running", "Being made", "PLAY", 1),
    ("DONE", "Done", "Its results are in the scene", "CHECKMARK", 2),
    ("FAILED", "Failed", "Ended early; it can be tried again", "ERROR", 3),
    ("CANCELLED", "Cancelled", "Stopped on request; it can be tried again", "CANCEL", 4),
)
ENDED = frozenset({"DONE", "FAILED", "CANCELLED"})


class MaquetteJob(bpy.types.PropertyGroup):
    """One line of the list of jobs"""

    job_id: IntProperty(name="Job")
    label: StringProperty(name="Label", description="What the job makes")
    state: EnumProperty(name="State", items=STATES)
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    error: StringProperty(name="Error")
    report: StringProperty(name="Report", description="Everything about the failure, to be copied")
    prompt: StringProperty(name="Prompt")
    seed: IntProperty(name="Seed", description="Of the first variant")
    count: IntProperty(name="Variants", default=1)
    result_names: StringProperty(
        name="Results", description="Names of the objects that it made, one on each line"
    )


class MaquetteStatus(bpy.types.PropertyGroup):
    """How the current run is doing, and the list of jobs; panels only read it"""

    is_running: BoolProperty(name="Running")
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    seconds_left: FloatProperty(
        name="Seconds Left", description="Negative while nobody knows", default=UNKNOWN_TIME
    )
    error: StringProperty(name="Error")
    report: StringProperty(name="Report", description="Everything about the failure, to be copied")
    warning: StringProperty(name="Warning")
    estimate: StringProperty(name="Estimate", description="Time and memory that a run would take")
    has_preview: BoolProperty(
        name="Preview Left", description="A cancelled run has left a preview to keep or discard"
    )
    jobs: CollectionProperty(type=MaquetteJob)
    active_job: IntProperty(name="Active Job")


# Functions, not methods: the bpy module of Blender 4.2 never frees a PropertyGroup, whose methods
# would keep bpy itself alive until it crashes at exit.


def current() -> MaquetteStatus:
    """Return the one status of this Blender."""
    return bpy.context.window_manager.maquette


def entry_of(status: MaquetteStatus, job_id: int) -> MaquetteJob | None:
    """Return a job's line. Do not keep it: it moves when lines are added or removed."""
    return next((entry for entry in status.jobs if entry.job_id == job_id), None)


def show_start(status: MaquetteStatus) -> None:
    """Show that work begins after a rest; messages of what was before it go."""
    show_nothing(status)
    status.is_running, status.stage = True, iface_("Starting")


def show_progress(status: MaquetteStatus, stage: str, fraction: float) -> None:
    """Show how far the run is; `fraction` lies in [0, 1]."""
    status.stage, status.fraction = stage, fraction


def show_idle(status: MaquetteStatus) -> None:
    """Show that nothing runs; messages stay until the next start."""
    status.is_running, status.stage, status.fraction = False, "", 0.0
    status.seconds_left = UNKNOWN_TIME


def show_nothing(status: MaquetteStatus) -> None:
    """Show that nothing runs and nothing has."""
    show_idle(status)
    status.error = status.report = status.warning = ""


CLASSES = (MaquetteJob, MaquetteStatus)
