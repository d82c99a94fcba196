# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io

import numpy as np
import pytest
from maquette.core.png import encode_png
from PIL import Image


def random_pixels(height: int, width: int) -> np.ndarray:
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    return pixels


# 1 MiB of rows is a slab: the last three have a part of one, one row each, and several.
@pytest.mark.parametrize(
    ("height", "width"), [(1, 1), (3, 2), (64, 64), (1, 5000), (700, 700), (2, 400_000)]
)
def test_another_decoder_reads_every_pixel_back(height: int, width: int) -> None:
    pixels = random_pixels(height, width)

    with Image.open(io.BytesIO(encode_png(pixels))) as image:
        image.load()
        assert (image.format, image.mode, image.size) == ("PNG", "RGB", (width, height))
        np.testing.assert_array_equal(np.asarray(image)[::-1], pixels[..., :3])


def test_grey_and_color_without_alpha_are_read_back_too() -> None:
    pixels = random_pixels(70, 30)

    with Image.open(io.BytesIO(encode_png(pixels[..., :1]))) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image)[::-1], pixels[..., 0])
    assert encode_png(pixels[..., :3]) == encode_png(pixels)


def test_a_smooth_image_becomes_small() -> None:
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    pixels = np.broadcast_to(ramp[:, None, None], (512, 512, 4))

    assert len(encode_png(pixels)) < 10_000


def test_it_stops_between_slabs() -> None:
    calls = []

    def check() -> None:
        calls.append(None)
        if len(calls) == 3:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        encode_png(random_pixels(2048, 2048), check)
    assert len(calls) == 3
