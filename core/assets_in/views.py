# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of a surface: base colours under OpenAI's `basic` light, coverage and depth."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..asset import Cameras, Surface, Views
from ..interrupt import Check, ignore
from ..pixels import encode_srgb
from .raster import Hits, visible

SIZE = 256
"""Pixels per side that the published encoder reads."""
_SAMPLES = 2
"""Per pixel and axis: the published views are rendered at 512 pixels and shrunk."""
LIGHT = np.array([0.09387503, -0.63953443, -0.7630093], dtype=np.float32)
AMBIENT, DIFFUSE = 0.3, 0.7
"""The published light: a base colour is shown at 0.3 + 0.7 |n . LIGHT| of it."""


def render_views(
    surface: Surface, cameras: Cameras, *, size: int = SIZE, check: Check = ignore
) -> Views:
    """Look at a surface with cameras around it.

    The light is the published one: 0.3 + 0.7 |n . l| of the base colour, n the shaded normal, in
    linear light. A pixel has a depth only where the surface covers it wholly.

    Args:
        surface: in [-1, 1]^3.
        cameras: outside of it.
        size: pixels per side.
        check: called between pieces; may raise to stop.

    Raises:
        ValueError: a camera stands inside the surface's bounds.
    """
    rgba = np.empty((len(cameras.origins), size, size, 4), dtype=np.uint8)
    depth = np.empty(rgba.shape[:3], dtype=np.float32)
    corners = surface.corners
    for index in range(len(cameras.origins)):
        check()
        hits = visible(corners, cameras, index, _SAMPLES * size, check)
        rgba[index], depth[index] = _shrink(hits, _lit(surface, hits), size)
    return Views(rgba, depth, cameras)


def _lit(surface: Surface, hits: Hits) -> NDArray[np.float32]:
    """Return sRGB of what is hit, [P, 3]."""
    normals = hits.places.at(surface.corner_normals)
    length = np.maximum(np.linalg.norm(normals, axis=1), 1e-12)
    brightness = AMBIENT + DIFFUSE * np.abs(normals @ LIGHT) / length
    lit = surface.colors(hits.places) * brightness[:, None].astype(np.float32)
    return encode_srgb(np.clip(lit, 0.0, 1.0))


def _shrink(
    hits: Hits, colors: NDArray[np.float32], size: int
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the means over each pixel's samples, [size, size, 4] and [size, size].

    Colours are averaged as encoded, as a picture that is made smaller.
    """
    sums = np.zeros((size * _SAMPLES) ** 2 * 5, dtype=np.float32).reshape(-1, 5)
    sums[hits.pixels] = np.concatenate(
        [colors, np.ones((len(colors), 1), np.float32), hits.depth[:, None]], axis=1
    )
    means = sums.reshape(size, _SAMPLES, size, _SAMPLES, 5).mean(axis=(1, 3))
    coverage = means[..., 3:4]
    straight = np.concatenate([means[..., :3] / np.maximum(coverage, 1e-6), coverage], axis=-1)
    depth = np.where(means[..., 3] == 1.0, means[..., 4], np.float32(np.inf))
    return np.rint(straight * 255.0).astype(np.uint8), depth.astype(np.float32)
