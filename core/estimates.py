# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run will take, before it starts and while it runs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from .config import GenerationRequest
from .experience import Plan

BAR = (
    (0.70, ("sample", "encode")),
    (0.82, ("field", "surface")),
    (0.85, ("colours",)),
    (0.88, ("unwrap",)),
    (0.985, ("texture",)),
    (1.00, ("levels", "collision", "thumbnail")),
)
"""Where the bar of one variant stands when stages are over; see `pipeline` and `meshing`."""

_TRUST = 0.1
"""Share of a plan that must be over before this run's own pace counts as much as the plan."""

_CALM = 0.05
"""A new opinion is phased in over this share of the plan, in seconds between the limits."""
_CALM_LIMITS = (0.3, 3.0)


_LIBRARIES = 400 * 2**20
"""Bytes of torch for a CPU, and of what the networks compute with in passing."""
_NODE = 12
"""Bytes for each node of the grid while the surface is found."""
_TEXEL = 40
"""Bytes for each texel while the texture is painted."""


def memory_bytes(request: GenerationRequest, weights_bytes: int) -> int:
    """Return what a run takes at its peak, beside what the program holds anyway.

    Measured with the starter pack on Linux, where it was never off by more than a quarter. The
    surface and the texture come one after the other, so the larger of the two counts.

    Args:
        request: what is asked.
        weights_bytes: of the networks in memory.
    """
    surface = _NODE * request.resolution**3
    texture = _TEXEL * request.texture_size**2
    return _LIBRARIES + weights_bytes + max(surface, texture)


class TimeLeft:
    """Seconds until a run ends, from where its bar stands and how quickly it got there.

    It counts down with the clock; what the bar says instead is phased in, so that the number
    neither jumps nor flickers. Without a plan it says nothing before the first variant is done.

    Args:
        plan: of the request; None where nothing comparable has run.
        count: variants of the request.
        clock: in seconds.
    """

    def __init__(
        self, plan: Plan | None, count: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._count = count
        self._clock = clock
        self._pace = _Pace(plan, clock()) if plan else None
        self._sampling_since: float | None = None
        self._finished = 0.0
        self._shown: float | None = None
        self._told = clock()

    def progress(self, fraction: float) -> None:
        """Take in where the bar of the whole run stands, in [0, 1]."""
        if fraction <= 0:
            return  # It gets ready, in as many steps as it likes.
        now = self._clock()
        if self._sampling_since is None:
            self._sampling_since = now
        self._finished = fraction * self._count
        if self._pace is not None:
            self._pace.observe(fraction, now)

    def seconds(self) -> float | None:
        """Return the seconds left, never below 0, or None while nobody can tell."""
        now = self._clock()
        opinion = self._pace.left(now) if self._pace else self._by_variants(now)
        since, self._told = now - self._told, now
        if opinion is None or self._shown is None:
            self._shown = opinion
        else:
            counted = max(0.0, self._shown - since)
            self._shown = counted + (opinion - counted) * -math.expm1(-since / self._calm)
        return self._shown

    @property
    def _calm(self) -> float:
        low, high = _CALM_LIMITS
        return min(max(_CALM * self._pace.total, low), high) if self._pace else high

    def _by_variants(self, now: float) -> float | None:
        if self._finished < 1 or self._sampling_since is None:
            return None
        return (now - self._sampling_since) * (self._count / self._finished - 1)


class _Pace:
    """How a run keeps to its plan."""

    def __init__(self, plan: Plan, now: float) -> None:
        self.total = plan.seconds
        self._plan = plan
        self._first: tuple[float, float] | None = None
        """When the bar first moved, and how much of the plan was over by then."""
        self._moved = now
        self._done = 0.0
        self._limit = sum(plan.once.values())
        self._factor = 1.0
        """Seconds of this run for one of the plan."""

    def observe(self, fraction: float, now: float) -> None:
        """Take in where the bar stands now."""
        self._moved = now
        self._done, self._limit = position(self._plan, fraction)
        if self._first is None:
            self._first = (now, self._done)
        since, before = self._first
        trust = _TRUST * self.total
        self._factor = (now - since + trust) / (self._done - before + trust)

    def left(self, now: float) -> float:
        """Return the seconds left; they stand still where a stage takes longer than planned."""
        done = min(self._done + (now - self._moved) / self._factor, self._limit)
        return (self.total - done) * self._factor


def position(plan: Plan, fraction: float) -> tuple[float, float]:
    """Return how much of a plan is over, and how much will be when the next stage begins.

    Args:
        plan: of the request.
        fraction: where the bar of the whole run stands, in (0, 1].
    """
    index = min(int(fraction * plan.count + 1e-9), plan.count - 1)
    before = sum(plan.once.values()) + index * sum(plan.variant.values())
    place, start, over = fraction * plan.count - index, 0.0, 0.0
    for end, stages in BAR:
        seconds = sum(plan.variant.get(stage, 0.0) for stage in stages)
        if place < end - 1e-9:
            share = max(0.0, place - start) / (end - start)
            return before + over + share * seconds, before + over + seconds
        start, over = end, over + seconds
    return before + over, before + over
