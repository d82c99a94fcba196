# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run stands: stages and fractions told, seconds counted, cancelling looked for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch import Tensor

from .errors import CancelledError
from .memory_ladder import Stage

OnProgress = Callable[[str, float], None]
"""Called with the stage in words and the fraction of the whole request done, in [0, 1]."""


class Clock:
    """Wall seconds by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str, share: float = 1.0) -> Iterator[None]:
        """Add the seconds of the block, or a share of them, to a stage."""
        started = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + share * (time.perf_counter() - started)


@dataclass(slots=True)
class Progress:
    """Where a run stands, whichever thread says so; it outlives attempts that fail."""

    count: int
    on_progress: OnProgress
    cancel: threading.Event
    latents: dict[int, Tensor] = field(default_factory=dict)
    """What was sampled and is no mesh yet, on the CPU, each [L, C]."""
    clocks: dict[int, Clock] = field(default_factory=dict)
    """Seconds spent on each variant that is not finished."""
    num_finished: int = 0
    failed: Stage = "load"
    """Where the last failure was."""
    _told: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> None:
        """Raise CancelledError if the run was cancelled."""
        if self.cancel.is_set():
            raise CancelledError

    def clock(self, index: int) -> Clock:
        """Return the clock of a variant."""
        return self.clocks.setdefault(index, Clock())

    def report(self, stage: str, index: int, done: float, *, is_of_all: bool = False) -> None:
        """Tell the stage of a variant, and how many variants are done; never less than before."""
        self.check()
        is_one = self.count == 1 or is_of_all
        label = stage if is_one else f"{stage} ({index + 1} of {self.count})"
        with self._lock:
            self._told = max(self._told, done / self.count)
            self.on_progress(label, self._told)
