# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals, overlaps and decibels against numbers computed by hand or printed elsewhere."""

from __future__ import annotations

import math

import pytest
import torch
from maquette.evaluation.ground_truth import cell_centres
from maquette.evaluation.measures import (
    Share,
    mean_square,
    overlap,
    psnr_db,
    share_right,
    wilson_interval,
)

pytestmark = pytest.mark.needs_torch


@pytest.mark.parametrize(
    ("num_right", "num", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_equals_the_published_table(
    num_right: int, num: int, low: float, high: float
) -> None:
    assert wilson_interval(num_right, num) == pytest.approx((low, high), abs=5e-5)


def test_wilson_interval_stays_within_zero_and_one() -> None:
    assert wilson_interval(0, 3)[0] == 0.0
    assert wilson_interval(3, 3)[1] == 1.0


def test_share_counts_right_answers() -> None:
    share = share_right([True, False, True, True])

    assert share == Share(3, 4)
    assert share.fraction == 0.75


def test_share_of_nothing_has_no_fraction() -> None:
    share = share_right([])

    assert share.fraction is None
    assert share.interval is None
    assert str(share) == "none asked"


def test_overlap_of_two_boxes_is_shared_over_joined_volume() -> None:
    x, y, _ = cell_centres(8).unbind(1)
    left, front = x < 0, y < 0  # each half of the cube, sharing a quarter

    assert overlap(left, front) == pytest.approx(0.25 / 0.75)
    assert overlap(left, left) == 1.0
    assert overlap(left, ~left) == 0.0


def test_overlap_of_nothing_with_nothing_is_zero() -> None:
    nothing = torch.zeros(8, dtype=torch.bool)

    assert overlap(nothing, nothing) == 0.0


def test_cell_centres_are_the_middles_of_equal_cells() -> None:
    centres = cell_centres(4)

    assert centres.shape == (64, 3)
    assert centres[0].tolist() == [-0.75, -0.75, -0.75]
    assert centres[-1].tolist() == [0.75, 0.75, 0.75]
    assert centres[1].tolist() == [-0.75, -0.75, -0.25]


@pytest.mark.parametrize(("offset", "decibels"), [(0.1, 20.0), (0.01, 40.0), (1.0, 0.0)])
def test_psnr_of_a_constant_error_has_a_closed_form(offset: float, decibels: float) -> None:
    colors = torch.rand(50, 3, dtype=torch.float64)

    assert psnr_db(mean_square(colors, colors + offset)) == pytest.approx(decibels)


def test_psnr_without_error_is_infinite() -> None:
    assert psnr_db(0.0) == math.inf
