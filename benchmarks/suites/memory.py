# SPDX-License-Identifier: GPL-3.0-or-later
"""The most memory that a prompt's way to a textured mesh takes, in a process of its own."""

from __future__ import annotations

from functools import cache
from typing import Any

from .. import official_pack
from ..children import ask
from ..options import Options
from ..rows import Row

_STEPS = 2
"""Each step takes the same memory."""

_GOALS = {"official size": 2.0, "starter pack": 0.7}
_NOTE = "largest resident size, weights included, without Blender's own"


def rows(options: Options) -> list[Row]:
    """Measure both packs."""
    missing = official_pack.why_missing()
    table = [
        _row("official size", None, missing)
        if missing
        else _row("official size", official(0 if options.is_full else _STEPS), _NOTE),
        _row("starter pack", ask("starter"), _NOTE),
    ]
    return table


@cache
def official(num_steps: int) -> dict[str, Any]:
    """Run the official size; 0 steps means those of the default preset."""
    return ask("official", official_pack.folder(), num_steps)


def _row(name: str, found: dict[str, Any] | None, note: str) -> Row:
    return Row(
        metric=f"peak memory, {name}",
        value=None if found is None else found["peak_bytes"] / 2**30,
        unit="GiB",
        goal=_GOALS[name],
        at_most=True,
        note=note,
        details=found or {},
    )
