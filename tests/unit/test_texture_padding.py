# SPDX-License-Identifier: GPL-3.0-or-later
"""The space between islands: no seam shows, from near or from far."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.texture.padding import Padding
from maquette.core.texture.raster import rasterize
from maquette.core.texture.unwrap import Unwrapping, unwrap
from maquette.tests.analytic_fields import face_areas, shape_mesh
from numpy.typing import NDArray

SIZE = 512


def bilinear(image: NDArray[np.float64], uvs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what a renderer reads from one mip level."""
    size = len(image)
    place = uvs * size - 0.5
    corner = np.floor(place).astype(np.int64)
    (right, up), total = (place - corner).T[..., None], np.zeros((len(uvs), image.shape[2]))
    for dy, vertical in ((0, 1 - up), (1, up)):
        for dx, horizontal in ((0, 1 - right), (1, right)):
            x, y = np.clip(corner + np.array([dx, dy]), 0, size - 1).T
            total += image[y, x] * vertical * horizontal
    return total


def halved(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the next mip level, by a box filter."""
    half = len(image) // 2
    smaller: NDArray[np.float64] = image.reshape(half, 2, half, 2, -1).mean(axis=(1, 3))
    return smaller


def errors_at_borders(
    unwrapping: Unwrapping, size: int, image: NDArray[np.uint8], colors: NDArray[np.float64]
) -> list[float]:
    """Return the mean error on the borders of islands at each mip level.

    An island counts as long as it is larger than a texel of the level.
    """
    border = unwrapping.border
    start = unwrapping.corner_uvs[border // 3, border % 3].astype(np.float64)
    end = unwrapping.corner_uvs[border // 3, (border + 1) % 3]
    island = unwrapping.islands[border // 3]
    a, b, c = unwrapping.corner_uvs.astype(np.float64).transpose(1, 0, 2)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    areas = np.bincount(unwrapping.islands, np.abs(ux * vy - uy * vx) / 2)
    level = image.astype(np.float64)
    found = []
    while len(level) > 4:
        counts = areas[island] > 1 / len(level) ** 2
        read = bilinear(level, (start + end) / 2)
        found.append(float(np.abs(read - colors[border])[counts].max(axis=1).mean()))
        level = halved(level)
    return found


def test_islands_of_contrasting_colors_do_not_mix_before_a_few_levels() -> None:
    vertices, faces = shape_mesh("table")
    unwrapping = unwrap(vertices, faces, SIZE)
    texels = rasterize(vertices, faces, unwrapping.corner_uvs, unwrapping.border, SIZE)
    random = np.random.default_rng(0)
    colors = random.integers(0, 256, (unwrapping.num_islands, 3)).astype(np.uint8)

    padding = Padding(texels.index, SIZE, unwrapping.padding)
    image = padding.paint(colors[unwrapping.islands[texels.face]])

    of_corners = colors[unwrapping.islands].repeat(3, axis=0).astype(np.float64)
    errors = errors_at_borders(unwrapping, SIZE, image, of_corners)
    # Of 255, with colours that differ by 85 on average; four texels of padding are one of level 2.
    assert errors[0] == 0 and errors[1] < 0.5 and errors[2] < 4


@pytest.mark.parametrize("name", ["lumpy", "ring", "two"])
def test_colors_of_a_surface_stay_close_at_every_level(name: str) -> None:
    vertices, faces = shape_mesh(name)
    unwrapping = unwrap(vertices, faces, SIZE)
    texels = rasterize(vertices, faces, unwrapping.corner_uvs, unwrapping.border, SIZE)
    shown = np.rint(255 * (texels.positions.clip(-1, 1) + 1) / 2).astype(np.uint8)

    image = Padding(texels.index, SIZE, unwrapping.padding).paint(shown)

    start = vertices[faces].reshape(-1, 3)
    middle = (start + np.roll(vertices[faces], -1, axis=1).reshape(-1, 3)) / 2
    errors = errors_at_borders(unwrapping, SIZE, image, 255 * (middle + 1) / 2)
    a, b, c = unwrapping.corner_uvs.astype(np.float64).transpose(1, 0, 2)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    texel = (face_areas(vertices, faces).sum() / np.abs(ux * vy - uy * vx).sum() * 2) ** 0.5 / SIZE
    # A texel shows 2^level of the finest along each axis at once, and two of them are blended:
    # the bound is how far the colours change over one.
    for level, error in enumerate(errors):
        assert error < 0.7 + 255 * 2**level * texel


@pytest.mark.parametrize(("size", "expected"), [(512, 4), (1024, 4), (2048, 8), (4096, 16)])
def test_padding_grows_with_the_texture(size: int, expected: int) -> None:
    assert unwrap(*shape_mesh("two"), size).padding == expected


def test_what_is_far_from_islands_is_as_told() -> None:
    index = np.array([0, 1, 64, 65])
    values = np.full((4, 3), 7, dtype=np.uint8)

    image = Padding(index, 64, 2).paint(values, (1, 2, 3))

    assert (image[:2, :2] == 7).all() and (image[9, 9] == 7).all()
    assert (image[20:, 20:] == (1, 2, 3)).all()
    assert (Padding(index, 64, 2).paint(values) == 7).all()
