# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs that install packages: Blender's own Python, and a pip that it can run."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from .errors import EngineToolError

RAW_PROGRESS = (24, 1)
"""The first pip that tells bytes in a form made for programs."""


@dataclass(frozen=True, slots=True)
class Pip:
    """How to run pip, and what it can do."""

    command: tuple[str, ...]
    version: tuple[int, int]

    @property
    def progress(self) -> str:
        """The value of `--progress-bar`."""
        return "raw" if self.version >= RAW_PROGRESS else "off"


def blender_python() -> Path:
    """Return the program of the Python that runs this code; Blender itself is not one.

    Raises:
        EngineToolError: there is none.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = Path(sys.prefix)
    places = [
        Path(sys.executable or ""),
        folder / "bin" / f"python{version}",
        folder / "bin" / "python3",
        folder / "bin" / "python.exe",
        folder / "python.exe",
    ]
    for place in places:
        if place.name.lower().startswith("python") and os.access(place, os.X_OK):
            return place
    raise EngineToolError(f"the program of Blender's Python {version}", "install Blender again")


def find_pip(python: Path, wheels: Path | None = None) -> Pip:
    """Return a pip that is installed, or one that can be run from its wheel without installing.

    Args:
        python: what `blender_python` returned.
        wheels: a folder that may hold a wheel of pip.

    Raises:
        EngineToolError: there is no pip at all.
    """
    # Isolated: variables and packages of the user's own Python must not get in between.
    start = (str(python), "-I")
    if importlib.util.find_spec("pip") is not None:
        return Pip((*start, "-m", "pip"), _version(importlib.metadata.version("pip")))
    for folder in _wheel_folders(wheels):
        for wheel in sorted(folder.glob("pip-*.whl"), reverse=True):
            return Pip((*start, str(wheel / "pip")), _version(wheel.name.split("-")[1]))
    raise EngineToolError("pip for Blender's Python", "put its wheel into a folder of wheels")


def _wheel_folders(wheels: Path | None) -> list[Path]:
    folders = [] if wheels is None else [wheels]
    if (bundled := importlib.util.find_spec("ensurepip")) and bundled.origin:
        folders.append(Path(bundled.origin).parent / "_bundled")
    if place := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        folders.append(Path(place))
    return folders


def _version(text: str) -> tuple[int, int]:
    major, minor = [*text.split("."), "0"][:2]
    return (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else (0, 0)
