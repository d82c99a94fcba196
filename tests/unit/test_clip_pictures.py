# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures as the small CLIP sees them in training."""

from __future__ import annotations

import pytest
import torch
from maquette.training.clip_pictures import backgrounds, floors, on_white, prepared, vary

pytestmark = pytest.mark.needs_torch


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def disc(color: tuple[float, float, float], count: int = 1) -> torch.Tensor:
    """Return a disc in the middle half of a transparent picture."""
    place = torch.linspace(-1, 1, 64)
    alpha = (place[:, None] ** 2 + place**2 < 0.25).float()
    rgb = torch.tensor(color)[:, None, None].expand(3, 64, 64)
    return torch.cat([rgb, alpha[None]])[None].expand(count, -1, -1, -1)


def test_on_white_is_a_mean_weighted_by_alpha() -> None:
    half = torch.tensor([0.2, 0.4, 0.6, 0.5]).view(1, 4, 1, 1)

    assert on_white(half).flatten().tolist() == pytest.approx([0.6, 0.7, 0.8])


def test_prepared_pictures_have_the_object_where_the_reference_puts_it() -> None:
    pictures = torch.zeros(2, 4, 64, 64)
    pictures[0, 3, 4:14, 20:52] = 1  # 32 wide, off the middle, black

    shown = prepared(pictures)

    dark = (shown[0] < 0.5).all(0)
    columns, rows = dark.any(0).nonzero()[:, 0], dark.any(1).nonzero()[:, 0]
    assert abs(len(columns) - 0.8 * 64) <= 2 and abs(len(rows) - 0.8 * 20) <= 2
    assert abs(float(columns.float().mean()) - 31.5) <= 1
    assert abs(float(rows.float().mean()) - 31.5) <= 1
    assert torch.equal(shown[1], torch.ones(3, 64, 64))


@pytest.mark.parametrize("seed", range(5))
def test_pictures_are_in_range_and_repeat(seed: int) -> None:
    pictures = torch.rand(6, 4, 64, 64, generator=draw(seed))

    varied = vary(pictures, draw(seed))

    assert varied.shape == (6, 3, 64, 64)
    assert 0 <= float(varied.min()) and float(varied.max()) <= 1
    assert torch.equal(varied, vary(pictures, draw(seed)))
    assert not torch.equal(varied, vary(pictures, draw(seed + 100)))


def test_colors_keep_their_names() -> None:
    varied = vary(disc((0.8, 0.1, 0.1), 100), draw(3))

    # Wherever the disc is, and whatever is behind it, some of it is seen.
    redness = (varied[:, 0] - varied[:, 1:].amax(1)).flatten(1)
    assert float(redness.amax(1).min()) > 0.3


def test_what_alpha_hides_leaves_no_fringe() -> None:
    picture = disc((0.8, 0.1, 0.1)).clone()
    picture[:, 1].masked_fill_(picture[:, 3] == 0, 1.0)  # Green all around, but not to be seen.

    shown = prepared(picture)

    assert float((shown[:, 1] - shown[:, 2]).abs().max()) < 0.02


def test_transparent_pictures_show_nothing_but_a_background() -> None:
    empty = torch.zeros(400, 4, 64, 64)

    varied = vary(empty, draw(4))

    is_white = (varied.mean((1, 2, 3)) > 0.95).float().mean()
    assert 0.35 < float(is_white) < 0.6


def test_some_backgrounds_are_white_some_plain_and_some_busy() -> None:
    drawn = backgrounds(600, 32, draw(5))

    spread = drawn.flatten(2).std(2).mean(1)
    is_white = (drawn == 1).all(3).all(2).all(1)
    is_plain = (spread < 1e-6) & ~is_white

    assert 0.37 < float(is_white.float().mean()) < 0.53
    assert 0.22 < float(is_plain.float().mean()) < 0.38
    assert float((spread > 0.02).float().mean()) > 0.15


def test_floors_reach_a_horizon_and_are_darker_under_what_stands_on_them() -> None:
    alpha = disc((0.5, 0.5, 0.5), 400)[:, 3:]

    shown = floors(alpha, draw(5))

    assert shown.shape == (400, 3, 64, 64)
    assert 0 <= float(shown.min()) and float(shown.max()) <= 1
    # Skies change from row to row only; floors are patterned, but for the flattest.
    rows = shown.mean(1).std(2)
    has_sky = rows[:, 0] < 1e-4
    assert 0.4 < float(has_sky.float().mean()) < 0.8
    assert float((rows[:, -12:].amax(1) > 1e-3).float().mean()) > 0.95
    foot, corner = shown[:, :, 47:52, 28:36], shown[:, :, 58:63, 1:9]
    assert float(foot.mean()) < float(corner.mean()) - 0.03


def test_a_tower_sees_floors_now_and_then() -> None:
    clear = torch.zeros(600, 4, 64, 64)

    varied = vary(clear, draw(6))

    patterned = (varied[:, :, -8:] - varied[:, :, -8:].mean((2, 3), keepdim=True)).abs().amax(1)
    assert 0.25 < float((patterned.mean((1, 2)) > 0.05).float().mean()) < 0.6
