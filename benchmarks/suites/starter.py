# SPDX-License-Identifier: GPL-3.0-or-later
"""The starter pack, warm: from a prompt to an object in Blender's scene, in seconds of wall."""

from __future__ import annotations

import importlib.util
import statistics
from typing import Any

from ..children import ask
from ..options import Options
from ..rows import Row

_MOST_FOREIGN_LOAD = 0.10
"""Above it wall seconds say more about the other programs."""

_WAYS = {"preset Normal, 1024² texture": ("texture", 2.0), "vertex colors": ("colors", 0.8)}
"""What is handed to `children.scene`, and the goal in seconds."""


def rows(options: Options) -> list[Row]:
    """Measure with and without a texture."""
    if importlib.util.find_spec("bpy") is None:
        why = "Blender as a module (bpy) is not installed"
        return [
            Row(metric=_metric(way), unit="s", goal=goal, at_most=True, note=why)
            for way, (_, goal) in _WAYS.items()
        ]
    return [
        warm_row(way, ask("scene", 2 if options.is_quick else 5, asked), goal)
        for way, (asked, goal) in _WAYS.items()
    ]


def warm_row(way: str, found: dict[str, Any], goal: float) -> Row:
    """Return the median of the warm runs, gated only on a machine that had little else to do."""
    warm = found["warm"]
    load = statistics.median(run["foreign_load"] for run in warm)
    is_alone = load < _MOST_FOREIGN_LOAD
    cpu = statistics.median(run["cpu_seconds"] for run in warm)
    triangles = statistics.median(run["triangles"] for run in warm)
    note = (
        f"wall, median of {len(warm)}; {cpu:.2f} CPU-s; {triangles:.0f} triangles;"
        f" first run {found['first']['wall_seconds']:.1f} s"
    )
    return Row(
        metric=_metric(way),
        value=statistics.median(run["wall_seconds"] for run in warm),
        unit="s",
        goal=goal,
        at_most=True,
        is_gated=is_alone,
        foreign_load=load,
        note=note if is_alone else f"{note}; the machine was shared, so not gated",
        details=found,
    )


def _metric(way: str) -> str:
    return f"starter pack, prompt to object, {way}"
