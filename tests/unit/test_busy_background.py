# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects before floors, gradients and textures; the truth is known because it was drawn here."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.busy_background import MAX_SHARE, MIN_SHARE, find_subject, follow_edges
from maquette.core.config import ReferenceImage
from maquette.core.reference import MARGIN, WORK_SIDE, prepare
from maquette.core.subject import find_background

RED, TEAL = (200, 40, 30), (20, 150, 150)


def grid(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Return y downwards and x to the right, -1 to 1 over the shorter side."""
    rows, columns = np.mgrid[:height, :width].astype(np.float64) + 0.5
    side = min(height, width)
    return (2.0 * rows - height) / side, (2.0 * columns - width) / side


def disc(height: int, width: int, radius: float = 0.5) -> np.ndarray:
    y, x = grid(height, width)
    return x**2 + y**2 < radius**2


def chair(height: int, width: int) -> np.ndarray:
    y, x = grid(height, width)
    back = (abs(x) < 0.4) & (y > -0.7) & (y < 0.1)
    seat = (abs(x) < 0.5) & (y >= 0.1) & (y < 0.25)
    legs = (abs(abs(x) - 0.42) < 0.06) & (y >= 0.25) & (y < 0.75)
    return back | seat | legs


def checker_floor(height: int, width: int) -> np.ndarray:
    """Return a floor of two colors in perspective, up to a horizon under a sky."""
    y, x = grid(height, width)
    depth = 1.0 / np.maximum(y + 0.5, 0.05)
    is_odd = (np.floor(3.0 * x * depth) + np.floor(3.0 * depth)) % 2 > 0
    floor = np.where(is_odd[:, :, None], (150, 150, 110), (105, 120, 140))
    return np.where((y > -0.45)[:, :, None], floor, (205, 208, 214)).astype(np.float64)


def sweep_with_shadow(height: int, width: int) -> np.ndarray:
    """Return a gray gradient with a soft shadow where an object stands."""
    y, x = grid(height, width)
    light = 0.62 + 0.22 * y + 0.08 * x
    shadow = 1.0 - 0.35 * np.exp(-(((x - 0.15) / 0.5) ** 2) - ((y - 0.6) / 0.15) ** 2)
    return 255.0 * (light * shadow)[:, :, None] * np.array([1.0, 0.99, 0.96])


def coarse_noise(height: int, width: int) -> np.ndarray:
    """Return a mixture of two browns in patches of a few pixels."""
    cell = max(1, min(height, width) // 40)
    rng = np.random.default_rng(5)
    share = rng.random((-(-height // cell), -(-width // cell)))
    share = share.repeat(cell, 0).repeat(cell, 1)[:height, :width, None]
    return share * np.array([150.0, 130.0, 110.0]) + (1.0 - share) * np.array([95.0, 90.0, 85.0])


BACKGROUNDS = {"floor": checker_floor, "sweep": sweep_with_shadow, "noise": coarse_noise}
OUTLINES = {"disc": disc, "chair": chair}


def before(background: np.ndarray, mask: np.ndarray, color=RED) -> np.ndarray:
    """Return a picture of a shaded object before a background, with a little noise."""
    y, _ = grid(*mask.shape)
    shaded = np.array(color) * (1.0 - 0.25 * y)[:, :, None]
    noise = np.random.default_rng(3).normal(0.0, 2.0, background.shape)
    rgb = np.where(mask[:, :, None], shaded, background) + noise
    return np.clip(np.rint(rgb), 0, 255).astype(np.uint8)


def overlap(found: np.ndarray | None, truth: np.ndarray) -> float:
    """Return intersection over union, 0 for nothing found."""
    return 0.0 if found is None else float((found & truth).sum() / (found | truth).sum())


def picture(rgb: np.ndarray, alpha: int | np.ndarray = 255) -> ReferenceImage:
    layer = np.broadcast_to(np.uint8(alpha), rgb.shape[:2])
    return ReferenceImage(pixels=np.dstack([rgb, layer]), source="test.png")


# What is found


@pytest.mark.parametrize("outline", OUTLINES)
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_an_object_before_a_background_of_many_colors(background, outline):
    truth = OUTLINES[outline](160, 160)
    rgb = before(BACKGROUNDS[background](160, 160), truth)

    assert find_background(rgb) is None  # Else this would try nothing.
    assert overlap(find_subject(rgb), truth) > 0.9


def test_thin_legs_stay_on_the_chair():
    truth = chair(200, 200)
    y, _ = grid(200, 200)
    is_leg = truth & (y > 0.3)

    found = find_subject(before(checker_floor(200, 200), truth))

    assert found is not None and found[is_leg].mean() > 0.85


@pytest.mark.parametrize("shape", [(64, 64), (300, 120), (110, 320)])
def test_pictures_of_other_sizes(shape):
    truth = disc(*shape, 0.6)
    rgb = before(coarse_noise(*shape), truth, TEAL)

    assert overlap(find_subject(rgb), truth) > 0.85


def test_the_same_picture_gives_the_same_cut():
    rgb = before(coarse_noise(128, 128), chair(128, 128))
    given = rgb.copy()

    first, second = find_subject(rgb), find_subject(rgb)

    assert first is not None and second is not None
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(rgb, given)


def test_an_outline_that_is_off_moves_to_the_edge():
    truth = disc(160, 160)
    rgb = before(checker_floor(160, 160), truth)
    rough = np.roll(disc(160, 160, 0.47), (2, -2), axis=(0, 1))

    assert overlap(rough, truth) < 0.9 < 0.97 < overlap(follow_edges(rgb, rough, 5), truth)


# What is given up


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_background_without_an_object(background):
    nothing = np.zeros((128, 128), dtype=bool)

    assert find_subject(before(BACKGROUNDS[background](128, 128), nothing)) is None


def test_a_picture_of_nothing_but_noise():
    rgb = np.random.default_rng(2).integers(0, 256, (128, 128, 3), dtype=np.uint8)

    assert find_subject(rgb) is None


@pytest.mark.parametrize("radius", [0.1, 1.3])
def test_what_is_too_small_or_too_large_to_be_sure_of(radius):
    truth = disc(128, 128, radius)
    assert not MIN_SHARE < truth.mean() < MAX_SHARE

    assert find_subject(before(checker_floor(128, 128), truth)) is None


def test_a_strip_too_narrow_to_have_a_middle():
    assert find_subject(before(checker_floor(500, 20), disc(500, 20, 0.8))) is None


# What becomes of it


@pytest.mark.parametrize("shape", [(150, 200), (1400, 2048)])
def test_the_cut_is_put_in_the_middle_and_nothing_is_said(shape):
    truth = chair(*shape)

    prepared = prepare(picture(before(checker_floor(*shape), truth)))

    assert prepared.faults == ()
    is_seen = prepared.image.pixels[:, :, 3] > 127
    side = len(is_seen)
    rows, columns = np.flatnonzero(is_seen.any(1)), np.flatnonzero(is_seen.any(0))
    assert (rows[-1] - rows[0] + 1) / side == pytest.approx(1.0 - 2.0 * MARGIN, abs=0.03)
    assert (columns[-1] - columns[0] + 1) / (rows[-1] - rows[0] + 1) == pytest.approx(
        1.0 / 1.45, abs=0.05
    )
    colors = prepared.image.pixels[is_seen][:, :3].astype(int)
    assert (colors[:, 0] > colors[:, 2] + 60).mean() > 0.95  # Red, not of the floor.
    if max(shape) > WORK_SIDE:
        assert side > 0.8 * WORK_SIDE


def test_one_color_is_cut_out_as_ever(monkeypatch):
    truth = chair(200, 200)
    rgb = before(np.full((200, 200, 3), 240.0), truth)
    monkeypatch.setattr("maquette.core.busy_background.find_subject", pytest.fail)

    prepared = prepare(picture(rgb))

    background = find_background(rgb)
    assert background is not None and overlap(~background, truth) > 0.99
    assert (prepared.image.pixels[:, :, 3] > 0).sum() == (~background).sum()


def test_transparency_is_believed_before_any_color():
    alpha = np.where(disc(128, 128, 0.8), 255, 0)
    rgb = before(checker_floor(128, 128), disc(128, 128, 0.4))

    prepared = prepare(picture(rgb, alpha))

    assert prepared.faults == ()
    assert (prepared.image.pixels[:, :, 3] > 0).sum() == (alpha > 0).sum()
