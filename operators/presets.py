# SPDX-License-Identifier: GPL-3.0-or-later
"""How much work goes into a mesh: four named choices, and anything else is Custom.

A preset is not stored. It is read off the values that it sets, so that it never disagrees with
them, whoever changed them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

from ..core import config

_REQUEST = config.GenerationRequest(prompt="any")
FAST = config.SamplerChanges.fast()
FAST_STEPS = config.SamplerConfig.fast().num_steps
"""Fewer of them missed the shape now and then, so fast sampling knows no other number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """What a preset sets; guidance stays with the pack, which was trained for it."""

    fast_sampling: bool
    """Before the steps, which it sets."""
    steps: int
    resolution: int
    texture_size: int
    triangle_budget: str
    """One of `BUDGETS`."""
    normal_map: bool

    @property
    def triangles(self) -> int:
        """As a `SurfaceConfig` has them."""
        return BUDGETS[self.triangle_budget]


BUDGETS = {"DRAFT": 5_000, "NORMAL": 20_000, "FINE": 100_000, "KEEP": 0}
"""Triangles of each choice; 0 keeps every one."""
PRESETS = {
    # Without the normal map, whose texels each ask the field several times.
    "DRAFT": Preset(
        fast_sampling=False,
        steps=12,
        resolution=64,
        texture_size=512,
        triangle_budget="DRAFT",
        normal_map=False,
    ),
    # The mesh of Normal, from a latent that is found with less work.
    "FAST": Preset(
        fast_sampling=True,
        steps=FAST_STEPS,
        resolution=_REQUEST.resolution,
        texture_size=_REQUEST.texture_size,
        triangle_budget="NORMAL",
        normal_map=True,
    ),
    "NORMAL": Preset(
        fast_sampling=False,
        steps=config.SamplerConfig().num_steps,
        resolution=_REQUEST.resolution,
        texture_size=_REQUEST.texture_size,
        triangle_budget="NORMAL",
        normal_map=True,
    ),
    "FINE": Preset(
        fast_sampling=False,
        steps=48,
        resolution=192,
        texture_size=2048,
        triangle_budget="FINE",
        normal_map=True,
    ),
}
CUSTOM = "CUSTOM"
NAMES = (*PRESETS, CUSTOM)
"""In the order of the property's items."""


def sampler_changes(steps: int, guidance: float | None, *, is_fast: bool) -> config.SamplerChanges:
    """Return what is asked of the pack's sampler; fast sampling has its own number of steps."""
    if is_fast:
        return replace(FAST, guidance_scale=guidance)
    return config.SamplerChanges(num_steps=steps, guidance_scale=guidance)


def read(settings) -> int:
    """Return the index of the preset that the settings amount to; getter of `preset`."""
    for name, preset in PRESETS.items():
        if all(getattr(settings, key) == value for key, value in asdict(preset).items()):
            return NAMES.index(name)
    return NAMES.index(CUSTOM)


def write(settings, index: int) -> None:
    """Set what the preset sets, which is nothing for Custom; setter of `preset`."""
    preset = PRESETS.get(NAMES[index])
    if preset is not None:
        for key, value in asdict(preset).items():
            setattr(settings, key, value)
