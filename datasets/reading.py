# SPDX-License-Identifier: GPL-3.0-or-later
"""Asset files through Blender's own importers. Every file starts from an empty scene.

Only for a process of its own: whatever was open is gone, and a broken file may end Blender.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from .sources import MAX_CAPTION

_CAPTION_KEYS = ("caption", "prompt", "description")
"""Custom properties that are taken for captions; exporters of other programs write them, too."""
_RECORD_KEY = "maquette"
"""Where our own results keep their prompt."""


class AssetError(Exception):
    """An asset cannot be used; the message says why, to go on after its name."""


def open_asset(path: Path) -> None:
    """Open or import a file into an empty scene; its scripts do not run.

    Raises:
        AssetError: Blender refuses the file.
    """
    import bpy

    bpy.ops.wm.read_homefile(use_factory_startup=True, use_empty=True)
    try:
        if path.suffix.lower() == ".blend":
            bpy.ops.wm.open_mainfile(filepath=str(path), load_ui=False, use_scripts=False)
        else:
            _importer(path.suffix.lower())(filepath=str(path))
    except Exception as error:  # Importers are Python and fail with anything.
        # A report of the data set tells nothing about the machine.
        reason = _reason(error).replace(str(path), path.name)
        raise AssetError(f"Blender cannot read it ({reason})") from error


def _importer(suffix: str) -> Any:
    import bpy

    return {
        ".glb": bpy.ops.import_scene.gltf,
        ".gltf": bpy.ops.import_scene.gltf,
        ".obj": bpy.ops.wm.obj_import,
        ".fbx": bpy.ops.import_scene.fbx,
        ".ply": bpy.ops.wm.ply_import,
        ".stl": bpy.ops.wm.stl_import,
    }[suffix]


def _reason(error: Exception) -> str:
    """Return the last line of what an operator reports; the rest is a traceback."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # A report is followed by where it was raised.
    lines = [line for line in lines if not line.startswith(("Location:", "File ", "Traceback"))]
    text = lines[-1] if lines else type(error).__name__
    return re.sub(r"^(Error: )?(\w+(Error|Exception): )?", "", text).rstrip(".")[:400]


def captions_inside() -> list[str]:
    """Return what the open file says that its objects are: descriptions and known properties."""
    import bpy

    owners: list[Any] = [bpy.context.scene, *bpy.data.collections, *bpy.context.scene.objects]
    found = dict.fromkeys(text for owner in owners for text in _captions_of(owner))
    return [text for text in found if 0 < len(text) <= MAX_CAPTION]


def _captions_of(owner: Any) -> list[str]:
    texts = [owner.get(key) for key in _CAPTION_KEYS]
    if owner.asset_data is not None:
        texts.append(owner.asset_data.description)
    try:
        texts.append(json.loads(owner.get(_RECORD_KEY, "{}")).get("prompt"))
    except (ValueError, TypeError, AttributeError):
        pass  # Somebody else's property of that name.
    return [text.strip() for text in texts if isinstance(text, str)]
