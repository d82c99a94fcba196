# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Maquette keeps small files of its own: they survive upgrades, and go with the extension."""

from __future__ import annotations

from pathlib import Path

import bpy

EXTENSION = __package__.rpartition(".")[0]


def folder() -> Path:
    """Return the folder, which is made if need be.

    Raises:
        OSError: it cannot be made.
    """
    try:
        return Path(bpy.utils.extension_path_user(EXTENSION, create=True))
    except ValueError:
        # Not installed as an extension, as in our own tests.
        return Path(bpy.utils.user_resource("CONFIG", path="maquette", create=True))
