# SPDX-License-Identifier: GPL-3.0-or-later
"""The preview picture of an asset as an image of this file, without linking the asset."""

from __future__ import annotations

import os
from contextlib import contextmanager

import bpy
import bpy.utils.previews
import numpy as np

from ..core.errors import ImageInputError
from . import image_words

_FOLDERS = {"Object": "objects", "Collection": "collections"}
"""Where an asset's path says what it is, and where such things are in this file."""


def load(asset_path: str) -> bpy.types.Image:
    """Return a new image, packed so that the .blend file carries it.

    Args:
        asset_path: as `AssetRepresentation.full_path` says it: library, kind and name; only kind
            and name for an asset of this file.

    Raises:
        ImageInputError: the asset has no preview.
    """
    library, kind, name = _split(asset_path)
    with _preview(asset_path, library, kind, name) as preview:
        width, height = preview.image_size if preview is not None else (0, 0)
        if width * height == 0:
            raise ImageInputError(name, image_words.NO_PICTURE)
        pixels = np.empty(width * height * 4, dtype=np.float32)
        preview.image_pixels_float.foreach_get(pixels)
    image = bpy.data.images.new(name, width, height, alpha=True)
    image.pixels.foreach_set(pixels)
    image.pack()
    return image


def _split(asset_path: str) -> tuple[str, str, str]:
    for kind in _FOLDERS:
        # A name may hold slashes, which a kind cannot.
        library, found, name = asset_path.replace("\\", "/").partition(f"/{kind}/")
        if found:
            return library, kind, name
        if asset_path.startswith(f"{kind}/"):
            return "", kind, asset_path.removeprefix(f"{kind}/")
    raise ImageInputError(os.path.basename(asset_path), image_words.NO_PICTURE)


@contextmanager
def _preview(asset_path: str, library: str, kind: str, name: str):
    if not library:
        item = getattr(bpy.data, _FOLDERS[kind]).get(name)
        yield item.preview if item is not None else None
        return
    previews = bpy.utils.previews.new()
    try:
        yield previews.load("asset", asset_path, "BLEND")
    finally:
        bpy.utils.previews.remove(previews)
