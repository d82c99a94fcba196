# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast a transfer is, and how long it will take."""

from __future__ import annotations

from collections import deque

WINDOW_SECONDS = 5.0
"""Long enough to be steady, short enough to notice when the line gets slow."""
MIN_SECONDS = 1.0


class TransferRate:
    """The mean speed of the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, seconds: float, done: int) -> None:
        """Note that `done` bytes were there at a time of any clock that only goes forward."""
        self._samples.append((seconds, done))
        while seconds - self._samples[0][0] > WINDOW_SECONDS and len(self._samples) > 2:
            self._samples.popleft()

    @property
    def bytes_per_second(self) -> float | None:
        """The speed, None while too little is known."""
        if not self._samples:
            return None
        (start, before), (end, now) = self._samples[0], self._samples[-1]
        return (now - before) / (end - start) if end - start >= MIN_SECONDS else None

    def seconds_left(self, total: int) -> float | None:
        """Return how long the rest takes at this speed, None while nobody can tell."""
        rate = self.bytes_per_second
        return (total - self._samples[-1][1]) / rate if rate else None
