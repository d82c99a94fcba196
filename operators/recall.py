# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored record back in the settings: from the history, or from a result in the scene."""

from __future__ import annotations

from pathlib import Path

import bpy

from .. import weights_fetch
from . import mesh_settings, sampling_settings


def show_record(settings, record: dict) -> None:
    """Fill in what a stored `GenerationRecord` or history entry says.

    What it lacks, or holds in a form that cannot be used, stays as it is. Where the result stands
    and the device are not the record's business.
    """
    values = record.get("settings")
    values = values if isinstance(values, dict) else {}
    picture = record.get("image_source")
    found = {key: record.get(key) for key in ("prompt", "pack", "seed")}
    found |= {key: values.get(key) for key in ("resolution", "texture_size", "target_size")}
    found |= mesh_settings.shown_as(values)
    found |= {
        "source": "IMAGE" if picture else "TEXT",
        # Before the steps, which it sets.
        "fast_sampling": sampling_settings.is_fast(values) if "num_steps" in values else None,
        "steps": values.get("num_steps"),
        "use_guidance": "guidance_scale" in values,
        "guidance": values.get("guidance_scale"),
        "count": values.get("count", 1),
        "random_seed": False,
    }
    for name, value in found.items():
        if _fits(settings.bl_rna.properties[name], value):
            setattr(settings, name, value)
    if isinstance(picture, str) and picture:
        settings.image = find_image(picture)


def _fits(target: bpy.types.Property, value: object) -> bool:
    """Tell whether a value from a file is one that a property takes as it is."""
    match target.type:
        case "ENUM":
            # Items that a function returns are not known to the property.
            if target.identifier == "pack":
                return isinstance(value, str) and value in weights_fetch.PACKS
            return isinstance(value, str) and value in target.enum_items
        case "STRING":
            return isinstance(value, str)
        case "BOOLEAN":
            return isinstance(value, bool)
        case "INT":
            is_number = isinstance(value, int) and not isinstance(value, bool)
            return is_number and target.hard_min <= value <= target.hard_max
        case _:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            return is_number and target.hard_min <= value <= target.hard_max


def find_image(source: str) -> bpy.types.Image | None:
    """Return the image of this name or file, loaded if its file is there, else None."""
    path = Path(bpy.path.abspath(source))
    for image in bpy.data.images:
        if image.name == source or (
            image.filepath and Path(bpy.path.abspath(image.filepath)) == path
        ):
            return image
    try:
        return bpy.data.images.load(str(path)) if path.is_file() else None
    except (OSError, RuntimeError):
        return None
