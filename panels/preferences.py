# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of this machine, under Edit, Preferences, Add-ons."""

from __future__ import annotations

import functools

import bpy
from bpy.app.translations import pgettext_iface as iface_
from bpy.app.translations import pgettext_n as n_
from bpy.props import BoolProperty, EnumProperty, IntProperty, StringProperty

from . import preferences_engine, preferences_packs, preferences_test
from .shortcuts import draw_shortcuts
from .wrapping import draw_text

DEVICES = (
    ("AUTO", n_("Automatic"), n_("The fastest device of this computer"), 0),
    ("CPU", n_("CPU"), n_("The processor: slow, but it always works"), 1),
)
FIRST_GPU = 16
"""Numbers of devices are stored, so each device keeps its own whatever else is found."""


def _device_items(self, _context):
    return _items_of(self.devices_found)


@functools.cache
def _items_of(found: str) -> tuple:
    """Kept for good, since Blender does not hold on to the strings of an enum."""
    items = list(DEVICES)
    for line in found.splitlines():
        name, _, words = line.partition("\t")
        kind, _, index = name.partition(":")
        if kind == "mps":
            items.append(("MPS", words, words, 2))
        elif kind == "cuda":
            items.append((name.upper(), words, words, FIRST_GPU + int(index or 0)))
    return tuple(items)


def _look_again(_self, _context):
    bpy.ops.maquette.refresh()


class MaquettePreferences(bpy.types.AddonPreferences):
    """What holds for every file on this machine"""

    # The extension's real name depends on the repository it was installed from.
    bl_idname = __package__.rpartition(".")[0]

    packs_folder: StringProperty(
        name="Packs Folder",
        description="Where model packs are kept; empty for the usual folder of this computer",
        subtype="DIR_PATH",
        update=_look_again,
    )
    engine_folder: StringProperty(
        name="Engine Folder",
        description="Where the engine is installed; empty for a folder that goes with Maquette",
        subtype="DIR_PATH",
        update=_look_again,
    )
    wheels_folder: StringProperty(
        name="Folder of Wheels",
        description="Install the engine from the packages in this folder, without any connection;"
        " empty for the internet",
        subtype="DIR_PATH",
    )
    device: EnumProperty(
        name="Device",
        description="Where the models run, unless a scene says otherwise",
        items=_device_items,
    )
    devices_found: StringProperty(name="Devices", options={"HIDDEN"})
    precision: EnumProperty(
        name="Precision",
        description="Half precision takes half the memory, and is faster on most GPUs;"
        " fast sampling takes 8 bits where this is Automatic",
        items=(
            ("AUTO", "Automatic", "Half precision where the hardware is fast at it"),
            ("FP32", "Full (32 Bits)", "The most exact, and the safest"),
            ("BF16", "Half (BFloat16)", "For GPUs since 2020, and some processors"),
            ("FP16", "Half (Float16)", "For older GPUs; can fail with numbers out of range"),
            (
                "PREFER_INT8",
                "8-Bit Integers",
                "For Shap-E on processors with VNNI, with OpenVINO in the engine; elsewhere as"
                " Automatic, and a message says what was missing",
            ),
        ),
    )
    reserved_cores: IntProperty(
        name="Cores for Blender",
        description="Processor cores that a run leaves free, so that the window stays quick",
        default=1,
        min=0,
        max=64,
    )
    idle_minutes: IntProperty(
        name="Unload After",
        description="Minutes without a run after which the model leaves memory; 0 for never",
        default=10,
        min=0,
        max=24 * 60,
    )
    show_preview: BoolProperty(
        name="Growing Preview",
        description="Show a coarse shape in the viewport while a mesh is being made",
        default=True,
    )
    default_location: EnumProperty(
        name="Place Results At",
        description="Where results stand in scenes in which nothing else was chosen",
        items=(
            ("CURSOR", "3D Cursor", "At the 3D cursor, or to its right where something stands"),
            ("ORIGIN", "World Origin", "In the middle of the scene"),
            ("PLACEHOLDER", "Active Object", "In the bounds of the active object, on its base"),
        ),
        update=_look_again,
    )

    def draw(self, context):
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.label(
            text="In the 3D viewport, press N and choose the Maquette tab", icon="MESH_DATA"
        )
        preferences_engine.draw_connection(layout, context)
        for name, title, draw in SECTIONS:
            header, body = layout.panel(f"maquette_{name}", default_closed=name in CLOSED)
            header.label(text=title)
            if body is not None:
                draw(self, body, context)


def _draw_running(preferences, layout, context):
    row = layout.row(align=True)
    row.prop(preferences, "device")
    row.operator("maquette.detect_devices", text="", icon="FILE_REFRESH")
    shown = context.window_manager.maquette_diagnostics
    if shown.is_detecting:
        layout.label(text="Loading PyTorch", icon="TIME")
    layout.prop(preferences, "precision")
    engine = context.window_manager.maquette_engine
    if preferences.precision == "PREFER_INT8" and engine.lacks_int8:
        words = iface_("OpenVINO is not there: choose 8-Bit Integers in Set Up Engine")
        draw_text(layout, context, words, icon="INFO")
    layout.prop(preferences, "reserved_cores")
    row = layout.row(align=True)
    row.prop(preferences, "idle_minutes", text="Unload After (Minutes)")
    row.operator("maquette.release_memory", text="Release Now")


def _draw_results(preferences, layout, _context):
    layout.prop(preferences, "default_location")
    layout.prop(preferences, "show_preview")


def _draw_shortcuts(_preferences, layout, context):
    draw_shortcuts(layout, context)


SECTIONS = (
    ("engine", n_("Engine"), preferences_engine.draw),
    ("packs", n_("Model Packs"), preferences_packs.draw),
    ("running", n_("Computing"), _draw_running),
    ("results", n_("Results"), _draw_results),
    ("shortcuts", n_("Shortcuts"), _draw_shortcuts),
    ("test", n_("Diagnostics"), preferences_test.draw),
)
CLOSED = {"shortcuts", "test"}

CLASSES = (MaquettePreferences,)
