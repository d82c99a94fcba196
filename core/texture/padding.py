# SPDX-License-Identifier: GPL-3.0-or-later
"""Fill the space between islands, so that no mip level mixes in anything foreign.

The texels around an island repeat its nearest ones; what is farther away takes the mean of the
nearest block of those. Where each texel takes its value from is found once for all images.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from .growth import IslandGrowth

_BLOCK = 8
"""Texels per side of the blocks in which the space far from islands is filled."""


class Padding:
    """Where the texels between islands take their values from.

    Args:
        index: texels with a value, as row * size + column, each once, [N].
        size: texels per side.
        padding: texels between islands.
        check: called between rings of texels; may raise to stop.
    """

    def __init__(
        self, index: NDArray[np.int64], size: int, padding: int, check: Check = ignore
    ) -> None:
        self._size = size
        numbers = np.arange(len(index), dtype=np.int32)
        rings, sources = [index], [numbers]
        growth = IslandGrowth(index, size)
        for _ in range(max(2 * padding, _BLOCK)):
            check()
            ring, place = growth.next_ring()
            if not len(ring):
                break
            numbers = numbers[place]
            rings.append(ring)
            sources.append(numbers)
        self._near, self._source = np.concatenate(rings), np.concatenate(sources)
        self._last = (rings[-1], sources[-1])
        self._check = check

    def paint(
        self, values: NDArray[np.uint8], far: tuple[int, ...] | None = None
    ) -> NDArray[np.uint8]:
        """Return an image, [S, S, C].

        Args:
            values: of the texels, [N, C].
            far: of what no island is near to; by default the mean of what is nearest.
        """
        self._check()
        channels = values.shape[1]
        if far is not None:
            pixels = np.empty((self._size, self._size, channels), dtype=np.uint8)
            pixels[:] = far
        else:
            pixels = self._far_means(values)
        # Four bytes at a time: a third of the time of three.
        wide = np.zeros((len(values), 4), dtype=np.uint8)
        wide[:, :channels] = values
        image = np.empty((self._size, self._size, 4), dtype=np.uint8)
        image[..., :channels] = pixels
        image.view(np.uint32).reshape(-1)[self._near] = wide.view(np.uint32)[self._source, 0]
        return np.ascontiguousarray(image[..., :channels])

    def _far_means(self, values: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Fill an image with the means of the blocks nearest by, [S, S, C]."""
        index, source = self._last
        size, channels = self._size, values.shape[1]
        side = -(-size // _BLOCK)
        block = index // size // _BLOCK * side + index % size // _BLOCK
        counts = np.bincount(block, minlength=side * side)
        filled = np.flatnonzero(counts)
        sums = [np.bincount(block, channel, side * side) for channel in values[source].T]
        means = np.rint(np.stack(sums, axis=1)[filled] / counts[filled, None]).astype(np.uint8)
        image = np.empty((side * side, channels), dtype=np.uint8)
        image[filled] = means
        growth = IslandGrowth(filled, side)
        while True:
            self._check()
            ring, place = growth.next_ring()
            if not len(ring):
                break
            means = means[place]
            image[ring] = means
        blocks = image.reshape(side, side, channels)
        return blocks.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:size, :size]
