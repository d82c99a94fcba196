# SPDX-License-Identifier: GPL-3.0-or-later
"""Images of materials as numpy."""

from __future__ import annotations

import bpy
import numpy as np

from ...core.pixels import from_floats

MAX_SIDE = 2048
"""Pixels; larger images are shrunk, since an encoded view has 256."""
_MAX_FLOATS = 4096 * 4096
"""Pixels that are read as they are, in 256 MiB; Blender shrinks larger images first."""
_LINEAR = ("Linear", "Non-Color", "Raw")
"""How the names of spaces begin whose values are used as they are."""


def read_texture(image: bpy.types.Image) -> np.ndarray | None:
    """Return an image as sRGB, first row at the bottom, uint8 [H, W, 4]; None if it has no pixels.

    Changes nothing; a very large image is shrunk as a copy.
    """
    width, height = image.size
    if image.source not in {"FILE", "GENERATED"} or width * height == 0:
        return None
    if width * height <= _MAX_FLOATS:
        return _pixels(image)
    factor = -(-max(width, height) // MAX_SIDE)
    smaller = image.copy()
    try:
        smaller.scale(max(1, width // factor), max(1, height // factor))
        return _pixels(smaller)
    finally:
        bpy.data.images.remove(smaller)


def _pixels(image: bpy.types.Image) -> np.ndarray | None:
    values = np.empty(len(image.pixels), dtype=np.float32)
    if not len(values):
        return None
    image.pixels.foreach_get(values)
    width, height = image.size
    values = values.reshape(height, width, -1)
    # Where a texture is see-through, its colours still are the base colours.
    return from_floats(
        values[:, :, : 3 if values.shape[2] >= 3 else 1],
        is_linear=image.is_float or image.colorspace_settings.name.startswith(_LINEAR),
        is_premultiplied=False,
        max_side=MAX_SIDE,
    )
