# SPDX-License-Identifier: GPL-3.0-or-later
"""How much to measure; hashable, so that measurements shared by suites are made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .shapes import NAMES

Suite = Literal["eval", "sampler", "field", "iso", "decode", "texture", "e2e", "memory", "starter"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run was asked for."""

    runs: int = 3
    is_quick: bool = False
    """Fewer layers, samples and runs: for a look, not for the record."""
    is_full: bool = False
    """Also run what is otherwise put together from measured parts; takes hours."""

    shapes: tuple[str, ...] = NAMES
    """Fitted fields of the geometry suites."""
    uses_kept: bool = False
    """Take what an evaluation costs from the kept run, where that suite is not asked for."""

    @property
    def counted_runs(self) -> int:
        """Counted runs of what takes seconds."""
        return 1 if self.is_quick else self.runs
