# SPDX-License-Identifier: GPL-3.0-or-later
"""The most memory that a prompt's way to a textured mesh takes, in a process of its own."""

from __future__ import annotations

from functools import cache
from typing import Any

from ...core.prior import int8
from .. import official_pack
from ..children import ask
from ..options import Options
from ..rows import Row

_STEPS = 2
"""Each step takes the same memory."""

_OFFICIAL_GOAL, _STARTER_GOAL = 2.0, 0.7
_FILES = {True: "", False: ", files in fp32"}
_NOTE = "largest resident size, weights included, without Blender's own"


def rows(options: Options) -> list[Row]:
    """Measure both packs, the official one with both kinds of its files and in int8 too."""
    steps = 0 if options.is_full else _STEPS
    found = [_official_row(half, "auto", steps) for half in _FILES]
    if int8.is_installed():
        found += [_official_row(half, "int8", steps) for half in _FILES]
    else:
        why = "OpenVINO is not installed"
        found += [_row(_name(half, "int8"), None, _OFFICIAL_GOAL, why) for half in _FILES]
    return [*found, _row("starter pack", ask("starter"), _STARTER_GOAL, _NOTE)]


def _official_row(half: bool, precision: str, steps: int) -> Row:
    name, missing = _name(half, precision), official_pack.why_missing(half=half)
    if missing:
        return _row(name, None, _OFFICIAL_GOAL, missing)
    found = official(steps, half=half, precision=precision)
    return _row(name, found, _OFFICIAL_GOAL, f"{found['precision']}; {_NOTE}")


@cache
def official(num_steps: int, *, half: bool = True, precision: str = "auto") -> dict[str, Any]:
    """Run the official size; 0 steps means those of the default preset."""
    return ask("official", official_pack.folder(half=half), num_steps, precision)


def _name(half: bool, precision: str) -> str:
    return "official size" + _FILES[half] + (", int8" if precision == "int8" else "")


def _row(name: str, found: dict[str, Any] | None, goal: float, note: str) -> Row:
    return Row(
        metric=f"peak memory, {name}",
        value=None if found is None else found["peak_bytes"] / 2**30,
        unit="GiB",
        goal=goal,
        at_most=True,
        note=note,
        details=found or {},
    )
