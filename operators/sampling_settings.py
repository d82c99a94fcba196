# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets about the way from noise to a shape: steps, guidance, and their short cut."""

from __future__ import annotations

from dataclasses import asdict

from bpy.props import BoolProperty, FloatProperty, IntProperty

from ..core import config
from . import events, presets

DEFAULTS = config.SamplerConfig()


def _on_change(_settings, context):
    events.call(events.settings_changed, context)


def _on_fast(settings, context):
    """Show the steps of fast sampling, and those of other sampling when it ends."""
    if settings.fast_sampling:
        settings.steps = presets.FAST_STEPS
    elif settings.steps == presets.FAST_STEPS:
        settings.steps = DEFAULTS.num_steps
    _on_change(settings, context)


class SamplingSettings:
    """The part of the settings that `SamplerChanges` are made of"""

    fast_sampling: BoolProperty(
        name="Fast Sampling",
        description="Find the shape with half the work: 16 steps, the guidance asked in every"
        " second one, and 8-bit numbers where a large model runs on a processor that can. The"
        " same seed gives nearly the same shape",
        update=_on_fast,
    )
    steps: IntProperty(
        name="Steps",
        description="How often the shape is refined; time grows with it",
        default=DEFAULTS.num_steps,
        min=1,
        soft_min=4,
        soft_max=128,
        max=config.MAX_STEPS,
        update=_on_change,
    )
    use_guidance: BoolProperty(
        name="Set Guidance",
        description="Use your own guidance instead of the one that the model is made for",
        update=_on_change,
    )
    guidance: FloatProperty(
        name="Guidance",
        description="How strictly the prompt is followed; high values cost variety",
        default=DEFAULTS.guidance_scale,
        min=0.0,
        soft_min=1.0,
        soft_max=20.0,
        max=100.0,
        update=_on_change,
    )


def sampler_of(settings) -> config.SamplerChanges:
    """Return what the settings ask of the pack's sampler."""
    guidance = settings.guidance if settings.use_guidance else None
    return presets.sampler_changes(settings.steps, guidance, is_fast=settings.fast_sampling)


def is_fast(values: dict) -> bool:
    """Tell whether the settings of a stored record are those of fast sampling."""
    asked = {key: value for key, value in asdict(presets.FAST).items() if value is not None}
    return all(values.get(key) == value for key, value in asked.items())
