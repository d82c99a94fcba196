# SPDX-License-Identifier: GPL-3.0-or-later
"""Grow islands of texels outward, one ring at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class IslandGrowth:
    """Finds the free texels around those already taken.

    Args:
        index: texels taken, as row * size + column, each once, [N].
        size: texels per side.
    """

    def __init__(self, index: NDArray[np.int64], size: int) -> None:
        self._size = size
        width = size + 2
        taken = np.zeros(size * size, dtype=bool)
        taken[index] = True
        # A frame of taken texels around the square saves every test for its border.
        framed = np.ones((width, width), dtype=bool)
        framed[1:-1, 1:-1] = taken.reshape(size, size)
        inner = framed[1:-1, 1:-1].copy()
        for up in (slice(0, -2), slice(1, -1), slice(2, None)):
            for right in (slice(0, -2), slice(1, -1), slice(2, None)):
                inner &= framed[up, right]
        border = np.flatnonzero(taken & ~inner.reshape(-1))
        numbers = np.empty(size * size, dtype=np.int32)
        numbers[index] = np.arange(len(index), dtype=np.int32)
        self._width = width
        self._taken = framed.reshape(-1)
        self._frontier = (border // size + 1) * width + border % size + 1
        self._numbers = numbers[border].astype(np.int64)
        self._claims = np.empty(width * width, dtype=np.int32)
        # Nearest neighbours last, because the last claim on a texel wins.
        self._steps = np.array(
            [-width - 1, -width + 1, width - 1, width + 1, -width, width, -1, 1], dtype=np.int64
        )

    def next_ring(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Take the free texels that touch the last ring, corners included.

        Returns:
            Their index, [M], and the place of a texel that each touches, [M], in the ring
            before, or in the texels handed in for the first ring. Empty when nothing is free.
        """
        candidates = (self._frontier + self._steps[:, None]).reshape(-1)
        free = np.flatnonzero(~self._taken[candidates])
        candidates = candidates[free]
        claim = np.arange(len(candidates), dtype=np.int32)
        self._claims[candidates] = claim
        won = self._claims[candidates] == claim
        ring = candidates[won]
        sources = self._numbers[free[won] % max(len(self._frontier), 1)]
        self._taken[ring] = True
        self._frontier = ring
        self._numbers = np.arange(len(ring))
        row, column = np.divmod(ring, self._width)
        return (row - 1) * self._size + column - 1, sources
