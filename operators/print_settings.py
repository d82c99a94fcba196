# SPDX-License-Identifier: GPL-3.0-or-later
"""What the print check is asked for, saved with the scene, and what it shows."""

from __future__ import annotations

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    FloatProperty,
    FloatVectorProperty,
    IntProperty,
    StringProperty,
)

from . import events


def _on_change(_settings, context):
    events.call(events.print_settings_changed, context)


class MaquettePrintSettings(bpy.types.PropertyGroup):
    """The printer, and how large the object is to be"""

    min_wall: FloatProperty(
        name="Thinnest Wall (mm)",
        description="What your printer can make: about three times the width of its nozzle",
        default=1.2,
        min=0.01,
        soft_max=5.0,
        max=100.0,
        step=10,
        update=_on_change,
    )
    use_size: BoolProperty(
        name="Set Size",
        description="Check it at another size than it has, which Repair then gives to it",
        update=_on_change,
    )
    size: FloatProperty(
        name="Longest Side (mm)",
        description="As printed",
        default=100.0,
        min=0.1,
        soft_max=500.0,
        max=100_000.0,
        step=100,
        precision=1,
        update=_on_change,
    )
    use_bed: BoolProperty(
        name="Check Against Printer",
        description="Tell when the object is larger than what the printer can make",
        default=True,
        update=_on_change,
    )
    bed: FloatVectorProperty(
        name="Printer (mm)",
        description="Width, depth and height that the printer can make",
        default=(220.0, 220.0, 250.0),
        min=1.0,
        max=100_000.0,
        precision=0,
        size=3,
        update=_on_change,
    )


class MaquettePrintLine(bpy.types.PropertyGroup):
    """One thing that the print check found"""

    text: StringProperty(name="Text")
    icon: StringProperty(name="Icon")
    advice: StringProperty(name="Advice")


class MaquettePrintState(bpy.types.PropertyGroup):
    """What the last print check found; panels only read it"""

    is_running: BoolProperty(name="Running")
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    object_uid: IntProperty(name="Object", description="Its session_uid; 0 before any check")
    verdict: StringProperty(name="Verdict")
    size: StringProperty(name="Size")
    walls: StringProperty(name="Walls")
    lines: CollectionProperty(type=MaquettePrintLine)
    is_printable: BoolProperty(name="Printable")
    can_repair: BoolProperty(name="Repairable")
    has_thin: BoolProperty(name="Thin Walls")
    has_floating: BoolProperty(name="Floating Parts")
    has_holes: BoolProperty(name="Holes")
    is_stale: BoolProperty(
        name="Out of Date", description="The object or the settings have changed since"
    )
    error: StringProperty(name="Error")


# Functions, not methods: the bpy module of Blender 4.2 never frees a PropertyGroup, whose methods
# would keep bpy itself alive until it crashes at exit.


def size_of(settings: MaquettePrintSettings) -> float | None:
    """Return the longest side in millimetres, or None to leave it."""
    return settings.size if settings.use_size else None


def bed_of(settings: MaquettePrintSettings) -> tuple[float, float, float] | None:
    """Return what the printer can make, or None where nobody asks."""
    return tuple(settings.bed) if settings.use_bed else None


CLASSES = (MaquettePrintSettings, MaquettePrintLine, MaquettePrintState)


def register() -> None:
    """Add the pointers."""
    bpy.types.Scene.maquette_print = bpy.props.PointerProperty(type=MaquettePrintSettings)
    bpy.types.WindowManager.maquette_print = bpy.props.PointerProperty(type=MaquettePrintState)


def unregister() -> None:
    """Take them away."""
    del bpy.types.WindowManager.maquette_print
    del bpy.types.Scene.maquette_print
