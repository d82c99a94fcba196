# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets; saved with the scene."""

from __future__ import annotations

import random

import bpy
from bpy.props import (
    BoolProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from .. import weights_fetch
from ..core import config
from . import (
    events,
    hindrance,
    image_pixels,
    image_preview,
    mesh_settings,
    pack_choice,
    pack_states,
    place_settings,
    presets,
    sampling_settings,
)

# Found here too, beside what makes a request of the settings.
from .recall import find_image as find_image
from .recall import show_record as show_record

DEFAULTS = config.GenerationRequest(prompt="any")
"""Every default comes from here, so that the sidebar and the command line agree."""

MAX_DRAWN_SEED = 1_000_000


def _on_change(_settings, context):
    events.call(events.settings_changed, context)


def _on_choice(settings, context):
    pack_states.on_choice(settings, context)
    _on_change(settings, context)


def _on_pack(settings, context):
    _on_choice(settings, context)
    # Packs see pictures in ways of their own.
    image_preview.on_choice(settings, context)


class MaquetteSettings(
    sampling_settings.SamplingSettings,
    mesh_settings.MeshSettings,
    place_settings.PlaceSettings,
    bpy.types.PropertyGroup,
):
    """One request as the user edits it"""

    source: EnumProperty(
        name="Source",
        description="What the mesh is made from",
        items=(
            ("TEXT", "Text", "A few words that describe one object"),
            ("IMAGE", "Image", "A picture of one object"),
        ),
        update=_on_choice,
    )
    prompt: StringProperty(
        name="Prompt",
        description="What to make, in a few words: one object, its colors and its parts",
        maxlen=config.MAX_PROMPT_CHARACTERS,
        # So that text typed but not confirmed is there when Generate is pressed.
        options={"TEXTEDIT_UPDATE"},
    )
    image: PointerProperty(
        name="Image",
        description="A picture of one object, best on a plain or transparent background",
        type=bpy.types.Image,
        poll=lambda _settings, image: image.source in {"FILE", "GENERATED"},
        update=image_preview.on_choice,
    )
    pack: EnumProperty(
        name="Model",
        description="The model pack that makes the mesh",
        items=pack_choice.items,
        get=pack_choice.read,
        set=pack_choice.write,
        update=_on_pack,
    )
    pack_name: StringProperty(
        name="Model Name",
        description="The pack's folder",
        default=pack_choice.DEFAULT,
        options={"HIDDEN"},
    )
    preset: EnumProperty(
        name="Quality",
        description="Sets sampling, resolution, texture size, triangles and normal map",
        # The order of presets.NAMES. Measured with the starter pack on a CPU, four prompts each.
        items=(
            (
                "DRAFT",
                "Draft",
                "To try words and seeds: a quarter of Normal's faces; the starter model needs"
                " two fifths of the time",
            ),
            (
                "FAST",
                "Fast",
                "As Normal with half the work of finding the shape, which then differs a little",
            ),
            ("NORMAL", "Normal", "For most results"),
            (
                "FINE",
                "Fine",
                "Twice as many faces as Normal and four times the texture; the starter model"
                " needs three to four times as long",
            ),
            ("CUSTOM", "Custom", "Your own values under Advanced"),
        ),
        get=presets.read,
        set=presets.write,
    )
    resolution: IntProperty(
        name="Resolution",
        description="Grid samples per axis; time and memory grow with the cube of it",
        default=DEFAULTS.resolution,
        min=config.MIN_RESOLUTION,
        soft_max=256,
        max=config.MAX_RESOLUTION,
        update=_on_change,
    )
    texture_size: IntProperty(
        name="Texture",
        description="Width of the base color image; 0 makes a color attribute only",
        default=DEFAULTS.texture_size,
        min=0,
        max=config.MAX_TEXTURE_SIZE,
        subtype="PIXEL",
        update=_on_change,
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
    seed: IntProperty(
        name="Seed",
        description="The same prompt and seed give the same mesh; another seed gives another one",
        default=DEFAULTS.seed,
        min=0,
        max=config.MAX_SEED,
    )
    random_seed: BoolProperty(
        name="New Each Time",
        description="Draw another seed whenever Generate is pressed",
    )
    count: IntProperty(
        name="Variants",
        description="How many meshes to make, each with its own seed",
        default=DEFAULTS.count,
        min=1,
        soft_max=9,
        max=config.MAX_COUNT,
        update=_on_change,
    )
    device: EnumProperty(
        name="Device",
        description="Where the model runs",
        items=(
            ("PREFERENCES", "From Preferences", "As set in the preferences"),
            ("AUTO", "Automatic", "The fastest device of this computer"),
            ("CPU", "CPU", "The processor: slow, but it always works"),
            ("CUDA", "NVIDIA or AMD GPU", "A graphics card by way of CUDA or ROCm"),
            ("MPS", "Apple GPU", "The graphics processor of a Mac"),
        ),
        update=_on_change,
    )
    hindrance: StringProperty(
        name="Hindrance",
        description="Why nothing can be generated right now; empty when it can",
        get=hindrance.read,
    )


# Functions, not methods: the bpy module of Blender 4.2 never frees a PropertyGroup, whose methods
# would keep bpy itself alive until it crashes at exit.


def request_of(
    settings: MaquetteSettings, preferences=None, *, prompt: str = ""
) -> config.GenerationRequest:
    """Return the frozen request.

    Args:
        settings: what the sidebar shows.
        preferences: of the extension; None takes its defaults.
        prompt: what to make instead of what the settings say.

    Raises:
        InvalidRequestError: a value cannot be used, such as a prompt without words or a picture
            that shows nothing.
    """
    image = settings.image if settings.source == "IMAGE" and not prompt else None
    machine = machine_of(settings, preferences)
    if settings.fast_sampling:
        machine["precision"] = fast_precision(machine["precision"], settings.pack)
    return config.GenerationRequest(
        prompt=prompt or (settings.prompt if settings.source == "TEXT" else ""),
        image=image_pixels.prepared(image, settings.pack).image if image else None,
        pack=settings.pack,
        sampler=sampling_settings.sampler_of(settings),
        seed=settings.seed,
        count=settings.count,
        resolution=settings.resolution,
        texture_size=settings.texture_size,
        target_size=settings.target_size,
        surface=mesh_settings.surface_of(settings),
        **machine,
    )


def machine_of(settings: MaquetteSettings, preferences=None) -> dict[str, str | int]:
    """Return the part of a request that is about this computer, whatever is made."""
    device = settings.device if settings.device != "PREFERENCES" else None
    return {
        "reserved_cores": getattr(preferences, "reserved_cores", 1),  # The window keeps one.
        "device": (device or getattr(preferences, "device", DEFAULTS.device)).lower(),
        "precision": getattr(preferences, "precision", DEFAULTS.precision).lower(),
    }


def fast_precision(chosen: str, pack: str) -> str:
    """Return the precision of fast sampling: 8-bit numbers for large packs, if nobody chose."""
    if chosen != "auto" or weights_fetch.PACKS[pack].is_native:
        return chosen
    return "prefer_int8"


def draw_seed(settings: MaquetteSettings) -> None:
    """Set another seed, short enough to be read out."""
    settings.seed = random.SystemRandom().randrange(MAX_DRAWN_SEED)


CLASSES = (MaquetteSettings,)
