# SPDX-License-Identifier: GPL-3.0-or-later
"""Base colours as small trees: flat colours, pictures and attributes, multiplied or mixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..asset import Paint, Places, Surface

Colors = NDArray[np.float32]
"""Linear, [P, 3]."""

Blend = Literal["MIX", "MULTIPLY", "ADD", "SUBTRACT", "SCREEN", "DARKEN", "LIGHTEN"]
"""Blender's names for how two colours are combined."""

Outside = Literal["REPEAT", "EXTEND", "CLIP", "MIRROR"]
"""Blender's names for what a picture shows beyond its edges."""

_bytes = np.arange(256) / 255.0
LINEAR = np.where(_bytes <= 0.04045, _bytes / 12.92, ((_bytes + 0.055) / 1.055) ** 2.4).astype(
    np.float32
)
"""Linear light of each byte of sRGB, IEC 61966-2-1, [256]."""


@dataclass(frozen=True, slots=True)
class Flat:
    """One colour everywhere."""

    color: tuple[float, float, float]
    """Linear."""

    def colors(self, surface: Surface, places: Places) -> NDArray[np.float32]:
        """Return it for every place, [P, 3]."""
        return np.tile(np.array(self.color, dtype=np.float32), (len(places.faces), 1))


@dataclass(frozen=True, slots=True)
class Attribute:
    """The surface's own colours; white where it has none of that name."""

    name: str

    def colors(self, surface: Surface, places: Places) -> NDArray[np.float32]:
        """Return the colours between the corners, [P, 3]."""
        if self.name not in surface.corner_colors:
            return np.ones((len(places.faces), 3), dtype=np.float32)
        return places.at(surface.corner_colors[self.name])


@dataclass(frozen=True, slots=True)
class Picture:
    """An image, read between its pixels in linear light."""

    pixels: NDArray[np.uint8]
    """sRGB, first row at the bottom (v = 0), [H, W, 3 or 4]."""
    layer: str
    """Of UVs; the surface's first one if it has none of that name."""
    outside: Outside = "REPEAT"
    is_smooth: bool = True
    """Whether pixels blend into one another."""

    def colors(self, surface: Surface, places: Places) -> NDArray[np.float32]:
        """Return the picture's colours at the places' UVs, [P, 3]."""
        layers = surface.corner_uvs
        name = self.layer if self.layer in layers else next(iter(layers), "")
        if name not in layers:
            return np.ones((len(places.faces), 3), dtype=np.float32)
        return self._look_up(places.at(layers[name]))

    def _look_up(self, uvs: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width = self.pixels.shape[:2]
        places = uvs.astype(np.float64) * (width, height)
        if not self.is_smooth:
            return self._texels(np.floor(places).astype(np.int64))
        low = np.floor(places - 0.5).astype(np.int64)
        share = (places - 0.5 - low).astype(np.float32)
        total = np.zeros((len(uvs), 3), dtype=np.float32)
        for right in (0, 1):
            for up in (0, 1):
                weight = np.where(right, share[:, 0], 1 - share[:, 0])
                weight = weight * np.where(up, share[:, 1], 1 - share[:, 1])
                total += self._texels(low + np.array([right, up])) * weight[:, None]
        return total

    def _texels(self, index: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return linear colours of (column, row), which may lie beyond the edges, [P, 3]."""
        size = np.array(self.pixels.shape[1::-1])
        inside = wrap(index, size, self.outside)
        colors = LINEAR[self.pixels[inside[:, 1], inside[:, 0], :3]]
        if self.outside == "CLIP":
            colors[(inside != index).any(axis=1)] = 0
        return np.asarray(colors, dtype=np.float32)


def wrap(index: NDArray[np.int64], size: NDArray[np.int64], outside: Outside) -> NDArray[np.int64]:
    """Return which pixel stands in for one beyond the edges, [P, 2]."""
    if outside == "REPEAT":
        return np.mod(index, size)
    if outside == "MIRROR":
        folded = np.mod(index, 2 * size)
        return np.minimum(folded, 2 * size - 1 - folded)
    return np.clip(index, 0, size - 1)


_BLENDED: dict[Blend, Callable[[Colors, Colors], Colors]] = {
    "MIX": lambda first, second: second,
    "MULTIPLY": lambda first, second: first * second,
    "ADD": lambda first, second: first + second,
    "SUBTRACT": lambda first, second: first - second,
    "SCREEN": lambda first, second: first + second - first * second,
    "DARKEN": np.minimum,
    "LIGHTEN": np.maximum,
}


@dataclass(frozen=True, slots=True)
class Mix:
    """Two paints combined as Blender's Mix Color node does."""

    first: Paint
    second: Paint
    factor: float
    """How much the second one counts, in [0, 1]."""
    blend: Blend = "MIX"

    def colors(self, surface: Surface, places: Places) -> NDArray[np.float32]:
        """Return the combined colours, [P, 3]."""
        first, second = self.first.colors(surface, places), self.second.colors(surface, places)
        blended = _BLENDED[self.blend](first, second)
        return np.asarray(first + self.factor * (blended - first), dtype=np.float32)
