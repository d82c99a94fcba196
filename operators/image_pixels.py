# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels of Blender's images, whatever they were made from, as reference images.

Main thread only. What is passed on is numpy: nothing keeps a pointer into Blender's data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import bpy
import numpy as np
from mathutils import Color

from .. import weights_fetch
from ..core.config import ReferenceImage
from ..core.errors import ImageInputError
from ..core.pixels import from_floats
from ..core.reference import PreparedImage, prepare
from . import image_words

MIN_SIDE = 32
"""Pixels; a smaller picture shows nothing that an image model could use."""
MAX_SIDE = 1024
"""Pixels; larger pictures are shrunk to it, and image models look at 224."""
MAX_FLOATS = 4096 * 4096
"""Pixels that are read as they are, in 256 MiB; Blender shrinks larger pictures first."""
MAX_PIXELS = 100_000_000
"""Even to be shrunk, a picture has to be decoded."""

_CANNOT_BE_READ = {
    "MOVIE": image_words.MOVIE,
    "VIEWER": image_words.RENDER,
    "TILED": image_words.TILES,
    "SEQUENCE": image_words.SEQUENCE,
}


def prepared(image: bpy.types.Image, pack: str) -> PreparedImage:
    """Return what the image model of a pack will get of an image, and why it may not work well.

    Raises:
        ImageInputError: the image has no pixels that can be read, or shows nothing.
    """
    info = weights_fetch.PACKS.get(pack)
    return prepare(read(image), sees_grounds=info is not None and info.is_native)


def read(image: bpy.types.Image) -> ReferenceImage:
    """Return the pixels of an image as sRGB with straight alpha, first row at the top.

    Raises:
        ImageInputError: the image has no pixels that can be read.
    """
    if reason := _CANNOT_BE_READ.get(image.source):
        raise ImageInputError(image.name, reason)
    width, height = image.size
    # Until the size is asked for, nothing is decoded, so that a missing file shows only here.
    if width * height == 0:
        raise ImageInputError(image.name, image_words.NO_PICTURE)
    if min(width, height) < MIN_SIDE:
        raise ImageInputError(image.name, image_words.TOO_SMALL)
    if width * height > MAX_PIXELS:
        raise ImageInputError(image.name, image_words.TOO_LARGE)
    with _readable(image) as source:
        pixels = from_floats(
            _floats(source),
            is_linear=_is_linear(image),
            is_premultiplied=image.is_float and _has_transparency(image),
            max_side=MAX_SIDE,
            to_rec709=_to_rec709() if image.is_float else None,
        )
    return ReferenceImage(pixels=pixels, source=image.name)


@contextmanager
def _readable(image: bpy.types.Image) -> Iterator[bpy.types.Image]:
    """Lend the image, or a smaller copy of it where all its pixels would take too much memory."""
    width, height = image.size
    # A copy comes from the file again, without what was painted since.
    if width * height <= MAX_FLOATS or image.is_dirty:
        yield image
        return
    factor = -(-max(width, height) // MAX_SIDE)
    smaller = image.copy()
    try:
        smaller.scale(max(1, width // factor), max(1, height // factor))
        yield smaller
    finally:
        bpy.data.images.remove(smaller)


def _floats(image: bpy.types.Image) -> np.ndarray:
    """Return the pixels as Blender holds them, first row at the top, [H, W, C]."""
    width, height = image.size
    values = np.empty(len(image.pixels), dtype=np.float32)
    if not len(values):
        raise ImageInputError(image.name, image_words.NO_PICTURE)
    image.pixels.foreach_get(values)
    values = values.reshape(height, width, -1)[::-1]
    # Channels that are packed together mean something else each: the last one is not alpha.
    return values if _has_transparency(image) else values[:, :, :3]


def _has_transparency(image: bpy.types.Image) -> bool:
    return image.alpha_mode in {"STRAIGHT", "PREMUL"}


def _is_linear(image: bpy.types.Image) -> bool:
    # Blender converts floating-point pixels when it loads them, and leaves bytes as they are.
    return image.is_float or image.colorspace_settings.name.startswith("Linear")


def _to_rec709() -> np.ndarray:
    """Return the matrix from Blender's working space, which a file may choose since 5.0."""
    columns = [Color(axis).from_scene_linear_to_rec709_linear() for axis in np.eye(3)]
    return np.array([tuple(column) for column in columns], dtype=np.float32).T
