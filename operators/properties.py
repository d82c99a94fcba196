# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets (saved with the scene) and what a run shows (never meant to be saved)."""

from __future__ import annotations

import bpy
from bpy.props import BoolProperty, FloatProperty, IntProperty, StringProperty

from ..core import config

DEFAULTS = config.GenerationRequest(prompt="any")
"""Every default comes from here, so that the sidebar and the command line agree."""


class MaquetteSettings(bpy.types.PropertyGroup):
    """One request as the user edits it"""

    prompt: StringProperty(
        name="Prompt",
        description="What to make, in a few words: one object, its colors and its parts",
        maxlen=config.MAX_PROMPT_CHARACTERS,
    )
    seed: IntProperty(
        name="Seed",
        description="The same prompt and seed give the same mesh; another seed gives another one",
        default=DEFAULTS.seed,
        min=0,
        max=config.MAX_SEED,
    )
    resolution: IntProperty(
        name="Resolution",
        description="Grid samples per axis; time and memory grow with the cube of it",
        default=DEFAULTS.resolution,
        min=config.MIN_RESOLUTION,
        soft_max=256,
        max=config.MAX_RESOLUTION,
    )
    texture_size: IntProperty(
        name="Texture Size",
        description="Width of the base color image; 0 makes a color attribute only",
        default=DEFAULTS.texture_size,
        min=0,
        max=config.MAX_TEXTURE_SIZE,
        subtype="PIXEL",
    )
    target_size: FloatProperty(
        name="Size",
        description="Largest dimension of the mesh",
        default=DEFAULTS.target_size,
        min=config.MIN_TARGET_SIZE,
        soft_max=10.0,
        max=config.MAX_TARGET_SIZE,
        subtype="DISTANCE",
        unit="LENGTH",
    )


class MaquetteStatus(bpy.types.PropertyGroup):
    """How the current run is doing; panels only read it"""

    is_running: BoolProperty(name="Running")
    stage: StringProperty(name="Stage")
    fraction: FloatProperty(name="Progress", min=0.0, max=1.0, subtype="FACTOR")
    error: StringProperty(name="Error")
    warning: StringProperty(name="Warning")


# Functions, not methods: the bpy module of Blender 4.2 never frees a PropertyGroup, whose methods
# would keep bpy itself alive until it crashes at exit.


def request_of(settings: MaquetteSettings) -> config.GenerationRequest:
    """Return the frozen request, which leaves the sampler to the pack.

    Raises:
        InvalidRequestError: a value cannot be used, such as a texture size of 3.
    """
    return config.GenerationRequest(
        prompt=settings.prompt,
        seed=settings.seed,
        resolution=settings.resolution,
        texture_size=settings.texture_size,
        target_size=settings.target_size,
        reserved_cores=1,  # The window keeps one.
    )


def show_start(status: MaquetteStatus) -> None:
    """Show a run that has just been started."""
    status.is_running, status.stage, status.fraction = True, "Starting", 0.0
    status.error = status.warning = ""


def show_progress(status: MaquetteStatus, stage: str, fraction: float) -> None:
    """Show how far the run is; `fraction` lies in [0, 1]."""
    status.stage, status.fraction = stage, fraction


def show_end(status: MaquetteStatus, error: str = "") -> None:
    """Show that nothing runs, and why the last run failed if it did."""
    status.is_running, status.stage, status.fraction = False, "", 0.0
    status.error = error


CLASSES = (MaquetteSettings, MaquetteStatus)
