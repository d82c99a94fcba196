# SPDX-License-Identifier: GPL-3.0-or-later
"""What the user sets about the mesh itself: its triangles, shading, maps and further meshes."""

from __future__ import annotations

from dataclasses import asdict, fields

from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty

from ..core import config
from . import events, presets

DEFAULTS = config.SurfaceConfig()
DEFAULT_PRESET = presets.PRESETS["NORMAL"]
DEFAULT_SPECK_SHARE = 0.02
_FIRST_CUSTOM = 10_000


def _on_change(_settings, context):
    events.call(events.settings_changed, context)


class MeshSettings:
    """The part of the settings that a `SurfaceConfig` is made of"""

    triangle_budget: EnumProperty(
        name="Triangles",
        description="How many triangles the mesh has at most",
        items=(
            ("DRAFT", "5,000", "As Draft: for things in the background and for many copies"),
            ("NORMAL", "20,000", "As Normal: for most things in games and scenes"),
            ("FINE", "100,000", "As Fine: for close views and for sculpting on"),
            ("KEEP", "Keep Detail", "Every triangle that the surface was found with"),
            ("CUSTOM", "Custom", "Your own number"),
        ),
        default=DEFAULT_PRESET.triangle_budget,
        update=_on_change,
    )
    triangles: IntProperty(
        name="Number",
        description="How many triangles the mesh has at most",
        default=_FIRST_CUSTOM,
        min=config.MIN_TRIANGLES,
        soft_min=500,
        soft_max=200_000,
        max=config.MAX_TRIANGLES,
        update=_on_change,
    )
    symmetry: EnumProperty(
        name="Symmetry",
        description="Make both sides of the mesh the same",
        items=(
            ("NONE", "None", "Leave the mesh as it came out"),
            ("X", "Left and Right", "Mirror the side that has more surface"),
        ),
        default=DEFAULTS.symmetry.upper(),
        update=_on_change,
    )
    shading: EnumProperty(
        name="Shading",
        description="How the faces are shaded",
        items=(
            ("FLAT", "Flat", "Show every face"),
            ("SMOOTH", "Smooth", "Round all edges"),
            ("AUTO", "Auto", "Round all edges but sharp ones"),
        ),
        default=DEFAULTS.shading.upper(),
    )
    normal_map: BoolProperty(
        name="Normal Map",
        description="Keep the detail that fewer triangles cannot show in a texture of directions",
        default=DEFAULT_PRESET.normal_map,
        update=_on_change,
    )
    occlusion_map: BoolProperty(
        name="Occlusion Map",
        description="Make a texture of how open each place is to the light around it",
        default=DEFAULTS.occlusion_map,
        update=_on_change,
    )
    num_lods: IntProperty(
        name="LODs",
        description="Further meshes for a distance, each with half the triangles of the one before",
        default=DEFAULTS.num_lods,
        min=0,
        max=config.MAX_LODS,
        update=_on_change,
    )
    collision: EnumProperty(
        name="Collision",
        description="A simple mesh around the result, for the physics of games",
        items=(
            ("NONE", "None", "No collision mesh"),
            ("BOX", "Box", "The box around the mesh"),
            ("CONVEX", "Convex", "The convex hull of the mesh"),
        ),
        default=DEFAULTS.collision.upper(),
        update=_on_change,
    )
    use_speck_share: BoolProperty(
        name="Set Specks",
        description="Choose which loose parts are removed instead of what suits the model",
    )
    speck_share: FloatProperty(
        name="Remove Specks",
        description="Loose parts smaller than this share of the largest part are removed",
        default=DEFAULT_SPECK_SHARE,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )


def surface_of(settings) -> config.SurfaceConfig:
    """Return what the settings ask of the surface."""
    budget = settings.triangle_budget
    return config.SurfaceConfig(
        triangles=settings.triangles if budget == presets.CUSTOM else presets.BUDGETS[budget],
        symmetry=settings.symmetry.lower(),
        shading=settings.shading.lower(),
        normal_map=settings.normal_map,
        occlusion_map=settings.occlusion_map,
        speck_share=settings.speck_share if settings.use_speck_share else None,
        num_lods=settings.num_lods,
        collision=settings.collision.lower(),
    )


def settings_of(surface: config.SurfaceConfig) -> dict[str, str | int | float]:
    """Return the settings as a `GenerationRecord` has them; what the pack decides is missing."""
    return {key: value for key, value in asdict(surface).items() if value is not None}


def surface_from(values: dict) -> config.SurfaceConfig:
    """Return what the settings of a stored record ask of the surface.

    Raises:
        TypeError, InvalidRequestError: a value cannot be used.
    """
    names = [field.name for field in fields(config.SurfaceConfig)]
    return config.SurfaceConfig(**{name: values[name] for name in names if name in values})


def shown_as(values: dict) -> dict[str, object]:
    """Return the settings of a stored record as ours, by name; None where it says nothing.

    Records of before there was a choice kept every triangle, smooth and without further maps.
    """
    if "resolution" in values:
        values = settings_of(DEFAULTS) | values
    found = {key: values.get(key) for key in ("normal_map", "occlusion_map", "num_lods")}
    for key in ("symmetry", "shading", "collision"):
        value = values.get(key)
        found[key] = value.upper() if isinstance(value, str) else None
    triangles = values.get("triangles")
    if isinstance(triangles, int) and not isinstance(triangles, bool):
        known = {number: name for name, number in presets.BUDGETS.items()}
        found["triangle_budget"] = known.get(triangles, presets.CUSTOM)
        found["triangles"] = triangles
    if values:
        found["use_speck_share"] = "speck_share" in values
        found["speck_share"] = values.get("speck_share")
    return found
