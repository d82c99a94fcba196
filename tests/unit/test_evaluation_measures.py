# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals, overlaps and decibels against numbers computed by hand or printed elsewhere."""

from __future__ import annotations

import math

import pytest
import torch
from maquette.evaluation.ground_truth import cell_centres
from maquette.evaluation.measures import (
    Histogram,
    Share,
    chamfer_distance,
    histogram,
    mean_pairwise_chamfer,
    mean_square,
    num_rivals,
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


def test_overlap_of_a_box_and_itself_moved_is_known_from_its_sides() -> None:
    x, y, z = cell_centres(16).unbind(1)
    box = (x.abs() < 0.5) & (y.abs() < 0.5) & (z.abs() < 0.5)
    moved = ((x - 0.25).abs() < 0.5) & (y.abs() < 0.5) & (z.abs() < 0.5)

    # A quarter of its side of 1 further on: 3/4 are shared, 5/4 joined.
    assert overlap(box, moved) == pytest.approx(0.75 / 1.25)


def test_chamfer_of_clouds_that_were_moved_is_the_way_they_went() -> None:
    first = torch.tensor([[0.0, 0.0, 0.0], [10.0, 0.0, 0.0]])

    assert chamfer_distance(first, first) == 0.0
    assert chamfer_distance(first, first + torch.tensor([0.0, 3.0, 4.0])) == pytest.approx(5.0)


def test_chamfer_is_the_mean_of_both_directions() -> None:
    one, two = torch.zeros(1, 3), torch.tensor([[1.0, 0.0, 0.0], [0.0, 3.0, 0.0]])

    # The one point is 1 from the nearest of the two; they are 1 and 3 from it.
    assert chamfer_distance(one, two) == pytest.approx(0.5 * (1.0 + 2.0))
    assert chamfer_distance(two, one) == chamfer_distance(one, two)


def test_pairwise_chamfer_counts_every_pair_once() -> None:
    clouds = [torch.full((4, 3), place) for place in (0.0, 1.0, 3.0)]

    root = math.sqrt(3.0)
    assert mean_pairwise_chamfer(clouds) == pytest.approx((1 + 3 + 2) * root / 3)
    assert mean_pairwise_chamfer(clouds[:1]) is None


@pytest.mark.parametrize(("own", "rivals"), [(0, 0), (1, 1), (2, 3), (3, 3)])
def test_rivals_are_captions_that_fit_as_well_or_better(own: int, rivals: int) -> None:
    # One picture against four captions; the last two fit equally.
    scores = torch.tensor([0.9, 0.5, 0.1, 0.1])

    assert num_rivals(scores, own) == rivals


def test_r_precision_of_a_toy_table() -> None:
    table = torch.tensor([[0.9, 0.1, 0.2], [0.8, 0.7, 0.1], [0.3, 0.2, 0.6]])

    hits = [num_rivals(row, own) == 0 for own, row in enumerate(table)]

    assert share_right(hits) == Share(2, 3)


def test_a_scorer_without_an_opinion_is_never_right() -> None:
    assert num_rivals(torch.zeros(5), 2) == 4


def test_histogram_counts_as_by_hand() -> None:
    values = [0.0, 0.1, 0.25, 0.5, 0.99, 1.0]

    assert histogram(values, 0.0, 1.0, 4) == Histogram(0.0, 1.0, (2, 1, 1, 2))


def test_histogram_keeps_what_lies_beyond_its_ends() -> None:
    found = histogram([-3.0, 2.0, math.inf], 0.0, 1.0, 2)

    assert found.counts == (1, 2)
    assert found.edges == (0.0, 0.5, 1.0)
