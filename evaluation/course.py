# SPDX-License-Identifier: GPL-3.0-or-later
"""The course of an evaluation: items one after the other, kept, counted and stopped on request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..core.errors import CancelledError
from .journal import Facts, Journal

OnProgress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole done, in [0, 1]."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Why there is no number."""

    reason: str
    is_about_pack: bool = False
    """Whether the pack cannot do it, however long one measures."""

    def __str__(self) -> str:
        what = "not possible with this pack" if self.is_about_pack else "not measured"
        return f"{what}: {self.reason}"


LEFT_OUT = Missing("left out by --only")
NO_CLIP = Missing("no CLIP model was named with --clip")


class Course:
    """Runs through the items of all sections."""

    def __init__(
        self,
        journal: Journal,
        plan: Mapping[str, float],
        on_progress: OnProgress,
        cancel: threading.Event,
    ) -> None:
        """Begin.

        Args:
            journal: keeps items.
            plan: share of the work, in any unit, by section.
            on_progress: told the stage and the fraction done, which never falls.
            cancel: tested before each item.
        """
        self._journal = journal
        self._plan = plan
        self._on_progress = on_progress
        self.cancel = cancel
        self._done = 0.0

    def check(self) -> None:
        """Raise CancelledError if the evaluation was cancelled."""
        if self.cancel.is_set():
            raise CancelledError

    def each(
        self, section: str, stage: str, count: int, make: Callable[[int], Facts]
    ) -> list[Facts]:
        """Return what became of the items 0 to `count` - 1, those kept as they were kept."""
        share = self._plan.get(section, 0.0) / max(sum(self._plan.values()), 1e-9)
        found = []
        for index in range(count):
            self.check()
            self._on_progress(stage, min(self._done + share * index / count, 1.0))
            found.append(self._journal.item(section, index, partial(make, index)))
        self._done = min(self._done + share, 1.0)
        self._on_progress(stage, self._done)
        return found
