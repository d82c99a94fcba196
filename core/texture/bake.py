# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint a texture by asking the field for the colour of every texel."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..errors import NonFiniteError
from ..interrupt import Check, ignore
from ..mesh import TextureData
from ..png import encode_png
from .color import to_bytes
from .growth import IslandGrowth
from .raster import rasterize
from .unwrap import Unwrapping

FieldColor = Callable[[Tensor], Tensor]
"""Points [P, 3] in [-1, 1]^3 to sRGB-encoded colours [P, 3] in [0, 1]."""

Projection = Callable[[Tensor], Tensor]
"""Points [P, 3] near a surface to points on it, [P, 3]; those too far off stay where they are."""

_BLOCK = 8
"""Texels per side of the blocks in which the space far from islands is filled."""


def ignore_fraction(fraction: float) -> None:
    """Do nothing: the default `on_progress`."""


def bake_texture(
    color: FieldColor,
    field_vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    unwrapping: Unwrapping,
    size: int,
    *,
    device: torch.device,
    project: Projection | None = None,
    chunk_size: int | None = None,
    check: Check = ignore,
    on_progress: Callable[[float], None] = ignore_fraction,
) -> TextureData:
    """Return a base colour image whose texels are the field's colours on the surface.

    Args:
        color: the field's colour.
        field_vertices: positions in the field's box, not in metres, [V, 3].
        faces: vertex indices, [F, 3].
        unwrapping: where the faces lie on the image.
        size: texels per side.
        device: where the field takes its points.
        project: moves points of the mesh onto the surface of the field, where they differ.
        chunk_size: points per query of the field.
        check: called before each query; may raise to stop.
        on_progress: called with the fraction done.
    Raises:
        NonFiniteError: the field returned NaN or infinity.
    """
    check()
    texels = rasterize(field_vertices, faces, unwrapping.corner_uvs, unwrapping.border, size, check)
    if chunk_size is None:
        chunk_size = 16384 if device.type == "cpu" else 262144
    colors = np.empty((len(texels.index), 3), dtype=np.uint8)
    for start in range(0, len(colors), chunk_size):
        check()
        part = slice(start, start + chunk_size)
        # A border texel may lie a little outside the box, where the field was never trained.
        points = torch.from_numpy(texels.positions[part].clip(-1.0, 1.0)).to(device)
        with torch.no_grad():
            if project is not None:
                points = project(points).clamp(-1.0, 1.0)
            values = color(points).float().cpu().numpy()
        if not np.isfinite(values).all():
            raise NonFiniteError("the colour of the surface")
        colors[part] = to_bytes(values)
        on_progress(min(1.0, (start + chunk_size) / len(colors)))
    pixels = _paint(texels.index, colors, size, unwrapping.padding, check)
    return TextureData(
        pixels=pixels,
        corner_uvs=unwrapping.corner_uvs,
        num_islands=unwrapping.num_islands,
        png=encode_png(pixels, check),
    )


def _paint(
    index: NDArray[np.int64],
    colors: NDArray[np.uint8],
    size: int,
    padding: int,
    check: Check,
) -> NDArray[np.uint8]:
    """Return an opaque image, islands surrounded by their own border colours, [S, S, 4].

    The padding repeats the nearest texels, and what is farther away takes the mean colour of
    the nearest block of them, so that no mip level mixes in anything foreign.
    """
    rings = list(_spread(index, colors, size, max(2 * padding, _BLOCK), check))
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    pixels[..., :3] = _far_colors(*(rings or [(index, colors)])[-1], size, check)
    flat = pixels.reshape(-1, 4)
    for ring, ring_colors in ((index, colors), *rings):
        check()
        flat[ring, :3] = ring_colors
    return pixels


def _spread(
    index: NDArray[np.int64],
    colors: NDArray[np.uint8],
    size: int,
    max_rings: int,
    check: Check,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8]]]:
    """Yield rings of texels and the colours copied to them, until nothing is free."""
    growth = IslandGrowth(index, size)
    for _ in range(max_rings):
        check()
        ring, source = growth.next_ring()
        if not len(ring):
            return
        colors = colors[source]
        yield ring, colors


def _far_colors(
    index: NDArray[np.int64], colors: NDArray[np.uint8], size: int, check: Check
) -> NDArray[np.uint8]:
    """Fill an image with the mean colours of the blocks nearest by, [S, S, 3]."""
    blocks = -(-size // _BLOCK)
    block = index // size // _BLOCK * blocks + index % size // _BLOCK
    counts = np.bincount(block, minlength=blocks * blocks)
    filled = np.flatnonzero(counts)
    sums = np.stack([np.bincount(block, channel, blocks * blocks) for channel in colors.T], axis=1)
    means = np.rint(sums[filled] / counts[filled, None]).astype(np.uint8)
    image = np.empty((blocks * blocks, 3), dtype=np.uint8)
    image[filled] = means
    for ring, ring_means in _spread(filled, means, blocks, blocks, check):
        image[ring] = ring_means
    image = image.reshape(blocks, blocks, 3)
    return image.repeat(_BLOCK, axis=0).repeat(_BLOCK, axis=1)[:size, :size]
