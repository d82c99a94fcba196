# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual texture: xatlas cuts and packs the islands, every texel is asked for in fp32."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from ...core.decoder.stf import SignedDistanceField
from ...core.mesh import TextureData
from ...core.png import encode_png
from ...core.texture.color import to_bytes
from ...core.texture.raster import rasterize
from .stock import stock_color


def texture_of(
    field: SignedDistanceField,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    size: int,
) -> TextureData:
    """Return a base color image on islands of xatlas with its default settings.

    Texels are found by our rasterizer, without the borders it adds; free ones take the color of
    the nearest painted one, found by an exact distance transform.
    """
    import xatlas
    from scipy.ndimage import distance_transform_edt

    mapping, indices, uvs = xatlas.parametrize(vertices, faces)
    corner_uvs = uvs[indices].astype(np.float32)
    # Texels of an island are those whose centers it covers: no border edges are given.
    borders = np.empty(0, dtype=np.int64)
    texels = rasterize(vertices[mapping], indices.astype(np.int32), corner_uvs, borders, size)
    colors = stock_color(field)(torch.from_numpy(texels.positions)).numpy()
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    pixels.reshape(-1, 4)[texels.index, :3] = to_bytes(colors)
    is_free = np.ones(size * size, dtype=bool)
    is_free[texels.index] = False
    _, nearest = distance_transform_edt(is_free.reshape(size, size), return_indices=True)
    pixels = pixels[nearest[0], nearest[1]]
    return TextureData(pixels=pixels, corner_uvs=corner_uvs, num_islands=0, png=encode_png(pixels))
