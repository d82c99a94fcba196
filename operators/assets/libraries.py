# SPDX-License-Identifier: GPL-3.0-or-later
"""The asset libraries that the user has configured, and their folders."""

from __future__ import annotations

from pathlib import Path

import bpy

THIS_FILE = "THIS_FILE"


def configured(context) -> list[bpy.types.UserAssetLibrary]:
    """Return the configured libraries that are folders; Blender 5.2 has others on line."""
    return [
        library
        for library in context.preferences.filepaths.asset_libraries
        if library.path and not getattr(library, "use_remote_url", False)
    ]


def root_of(context, library: str) -> Path | None:
    """Return the folder of a library; None for this file as long as it is in no folder."""
    folders = {each.name: Path(bpy.path.abspath(each.path)) for each in configured(context)}
    if library != THIS_FILE:
        return folders[library]
    if not bpy.data.filepath:
        return None
    here = Path(bpy.data.filepath).parent
    # Blender looks for catalogs in the library that the file is part of, if it is.
    return next((each for each in folders.values() if here.is_relative_to(each)), here)


def free_file(folder: Path, stem: str) -> Path:
    """Return a name that no file has yet: nothing is ever replaced."""
    file, number = folder / f"{stem}.blend", 2
    while file.exists():
        file, number = folder / f"{stem} {number}.blend", number + 1
    return file


def refresh(context) -> None:
    """Let open Asset Browsers read their libraries again."""
    for window in context.window_manager.windows:
        for area in window.screen.areas:
            if area.type == "FILE_BROWSER" and area.ui_type == "ASSETS":
                with context.temp_override(window=window, area=area):
                    if bpy.ops.asset.library_refresh.poll():
                        bpy.ops.asset.library_refresh()
