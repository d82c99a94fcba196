# SPDX-License-Identifier: GPL-3.0-or-later
"""A reference image on its way to CLIP: background, crop, range and limits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.core.conditioning import clip_image
from maquette.core.conditioning.clip_image import MEAN, SPREAD, preprocess
from maquette.core.config import ReferenceImage
from maquette.core.errors import ImageInputError
from torch import Tensor

pytestmark = pytest.mark.needs_torch


def image(pixels: np.ndarray) -> ReferenceImage:
    return ReferenceImage(pixels=pixels, source="picture.png")


def filled(height: int, width: int, rgba: tuple[int, int, int, int]) -> np.ndarray:
    return np.full((height, width, 4), rgba, dtype=np.uint8)


def levels(pixels: Tensor) -> Tensor:
    """Return preprocessed pixels as levels 0 to 255, [3, S, S]."""
    mean, spread = (torch.tensor(each)[:, None, None] for each in (MEAN, SPREAD))
    return (pixels * spread + mean) * 255


@pytest.mark.parametrize(
    ("rgba", "expected"),
    [
        ((200, 100, 0, 255), (200, 100, 0)),
        ((200, 100, 0, 0), (255, 255, 255)),
        # 0.2 of the colour over 0.8 of white.
        ((200, 100, 0, 51), (244, 224, 204)),
    ],
)
def test_transparent_pixels_show_white(
    rgba: tuple[int, int, int, int], expected: tuple[int, int, int]
) -> None:
    result = levels(preprocess(image(filled(300, 224, rgba))))

    torch.testing.assert_close(
        result, torch.tensor(expected).float()[:, None, None].expand(3, 224, 224), atol=1e-3, rtol=0
    )


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 5000), (5000, 1), (3, 700), (224, 224), (223, 225), (1000, 30)]
)
def test_any_size_becomes_a_square(size: tuple[int, int]) -> None:
    result = preprocess(image(filled(*size, (10, 20, 30, 255))))

    assert result.shape == (3, 224, 224)
    torch.testing.assert_close(
        levels(result)[:, 0, 0], torch.tensor([10.0, 20.0, 30.0]), atol=1e-3, rtol=0
    )


def test_the_middle_is_kept_and_the_orientation() -> None:
    pixels = filled(224, 672, (0, 0, 0, 255))
    pixels[:, 224:448, 0] = 255
    pixels[:112, :, 1] = 255
    pixels[:, 224:336, 2] = 255

    result = levels(preprocess(image(pixels)))

    assert (result[0] > 254).all()
    assert (result[1, :112] > 254).all()
    assert (result[1, 112:] < 1).all()
    assert (result[2, :, :112] > 254).all()
    assert (result[2, :, 112:] < 1).all()


def test_another_size_of_the_tower_is_honoured() -> None:
    assert preprocess(image(filled(40, 60, (1, 2, 3, 255))), size=28).shape == (3, 28, 28)


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(ImageInputError, match=r"picture\.png: it has no pixels \(0 x 4\)"):
        preprocess(image(filled(4, 0, (0, 0, 0, 0))))


def test_a_huge_image_is_refused_before_it_is_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_image, "MAX_PIXELS", 100)

    with pytest.raises(ImageInputError, match="it has 20 x 6 pixels: scale it to 10 x 10 at most"):
        preprocess(image(filled(6, 20, (0, 0, 0, 255))))


def test_the_pixels_of_the_request_are_not_changed() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 4), dtype=np.uint8)
    before = pixels.copy()

    preprocess(image(pixels))

    assert np.array_equal(pixels, before)
