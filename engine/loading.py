# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the engine can be imported, and making it importable; imports nothing of it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable
from importlib.machinery import PathFinder

from .folder import EngineFolder
from .packages import NEEDED


def missing(folder: EngineFolder, modules: Iterable[str] = NEEDED) -> tuple[str, ...]:
    """Return which of these modules neither Blender's Python nor the engine's folder has.

    Looks at files only, in milliseconds.
    """
    places = [*sys.path, str(folder.packages)]
    return tuple(name for name in modules if not _is_there(name, places))


def absent_without(folder: EngineFolder, modules: Iterable[str]) -> frozenset[str]:
    """Return which of these modules Blender's Python does not have by itself."""
    places = [place for place in sys.path if place != str(folder.packages)]
    return frozenset(name for name in modules if not _is_there(name, places))


def is_loaded(folder: EngineFolder) -> bool:
    """Tell whether this process has loaded torch from the engine's folder."""
    torch = sys.modules.get("torch")
    origin = getattr(torch, "__file__", None) or ""
    return origin.startswith(str(folder.packages))


def activate(folder: EngineFolder) -> None:
    """Let the engine's packages be imported from now on; harmless when they already can.

    Appended, so that whatever Blender or another add-on brings, numpy first of all, stays what
    everybody gets. Call it before the first import of `core.pipeline`, on any thread.
    """
    # OpenMP reads it once. Threads that spin while they wait slow the window down.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    place = str(folder.packages)
    if folder.is_installed and place not in sys.path:
        sys.path.append(place)
        importlib.invalidate_caches()


def deactivate(folder: EngineFolder) -> None:
    """Take back what `activate` did to the search path; loaded modules stay loaded."""
    place = str(folder.packages)
    while place in sys.path:
        sys.path.remove(place)


def _is_there(name: str, places: list[str]) -> bool:
    if name in sys.modules:
        return sys.modules[name] is not None
    importlib.invalidate_caches()
    spec = PathFinder.find_spec(name, places)
    # A folder without code, such as an installation that was deleted by half, is none.
    return spec is not None and spec.origin is not None
