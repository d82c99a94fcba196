# SPDX-License-Identifier: GPL-3.0-or-later
"""Floating-point pixels of every kind against values that are known."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.pixels import from_floats, shrink


def plain(*color: float, size: tuple[int, int] = (4, 6)) -> np.ndarray:
    return np.full((*size, len(color)), color, dtype=np.float32)


def convert(values: np.ndarray, **options: object) -> np.ndarray:
    settings = {"is_linear": False, "is_premultiplied": False, "max_side": 1000} | options
    return from_floats(values, **settings)


def test_srgb_values_stay_what_they_are():
    rng = np.random.default_rng(0)
    expected = rng.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    expected[:, :, 3] = 255

    np.testing.assert_array_equal(convert(expected.astype(np.float32) / 255.0), expected)


def test_straight_alpha_stays_straight():
    converted = convert(plain(200 / 255, 100 / 255, 50 / 255, 0.5))

    assert (converted == (200, 100, 50, 128)).all()


@pytest.mark.parametrize(
    ("linear", "srgb"), [(0.0, 0), (0.0021, 7), (0.2140, 127), (0.5, 188), (1.0, 255)]
)
def test_linear_light_is_encoded(linear, srgb):
    assert (convert(plain(linear, linear, linear), is_linear=True)[:, :, :3] == srgb).all()


def test_premultiplied_alpha_is_divided_out_before_encoding():
    converted = convert(plain(0.25, 0.1070, 0.0, 0.5), is_linear=True, is_premultiplied=True)

    assert (converted == (188, 127, 0, 128)).all()


def test_gray_has_three_equal_channels_and_no_transparency():
    assert (convert(plain(0.2)) == (51, 51, 51, 255)).all()
    assert (convert(plain(0.2, 0.4)) == (51, 51, 51, 102)).all()


def test_what_is_brighter_than_white_is_white_and_no_number_is_black():
    values = plain(7.0, np.inf, np.nan, 1.0)

    assert (convert(values, is_linear=True) == (255, 255, 0, 255)).all()


def test_other_primaries_are_converted():
    swap = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]], dtype=np.float32)

    converted = convert(plain(0.5, 0.214, 0.0), is_linear=True, to_rec709=swap)

    assert (converted[:, :, :3] == (127, 188, 0)).all()


@pytest.mark.parametrize("shape", [(500, 90), (90, 500), (333, 100)])
def test_a_large_picture_is_shrunk_in_proportion(shape):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    values = np.stack([rows / shape[0], columns / shape[1], rows * 0.0], axis=2).astype(np.float32)

    converted = convert(values, max_side=100)

    height, width = converted.shape[:2]
    assert max(height, width) in (84, 100)
    assert height / width == pytest.approx(shape[0] / shape[1], rel=0.05)
    ramp = converted[:, width // 2, 0] / 255.0
    np.testing.assert_allclose(ramp, (np.arange(height) + 0.5) / height, atol=0.02)


def test_it_makes_no_difference_that_large_pictures_are_converted_in_strips(monkeypatch):
    from maquette.core import pixels

    values = np.random.default_rng(1).random((101, 40, 4), dtype=np.float32)
    at_once = convert(values, max_side=40)

    monkeypatch.setattr(pixels, "_STRIP_PIXELS", 300)

    np.testing.assert_array_equal(convert(values, max_side=40), at_once)


@pytest.mark.parametrize("is_float", [True, False])
def test_shrinking_gives_cut_out_objects_no_fringe(is_float):
    rgba = np.zeros((200, 200, 4), dtype=np.uint8)
    rgba[:, :99] = (200, 100, 50, 255)  # The edge lies inside a block.

    small = convert(rgba / np.float32(255.0), max_side=100) if is_float else shrink(rgba, 2)

    assert small.shape == (100, 100, 4)
    assert tuple(small[50, 49]) == (200, 100, 50, 128)
    assert tuple(small[50, 48]) == (200, 100, 50, 255)
    assert small[50, 50, 3] == 0


def test_the_last_block_may_be_smaller():
    pixels = np.zeros((5, 7, 4), dtype=np.uint8)
    pixels[:, :, 3] = 255
    pixels[4, 6] = 255

    small = shrink(pixels, 2)

    assert small.shape == (3, 4, 4)
    assert tuple(small[2, 3]) == (255, 255, 255, 255)
    assert small[:2, :, :3].max() == 0


def test_what_is_given_is_not_changed():
    values = np.random.default_rng(1).random((30, 40, 4), dtype=np.float32)
    before = values.copy()

    convert(values, is_linear=True)
    convert(values, max_side=10, is_premultiplied=True)

    np.testing.assert_array_equal(values, before)
