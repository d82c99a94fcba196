# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact sheet on which variants stand."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from maquette.operators.variants.layout import grid_locations


def test_one_variant_stands_at_the_cursor():
    assert grid_locations([1.7], (3.0, -2.0, 0.5), 0.25) == [(3.0, -2.0, 0.5)]


def test_without_variants_there_is_nothing_to_place():
    assert grid_locations([], (0.0, 0.0, 0.0), 0.25) == []


@pytest.mark.parametrize(
    ("count", "columns", "rows"),
    [(2, 2, 1), (3, 2, 2), (4, 2, 2), (5, 3, 2), (6, 3, 2), (7, 3, 3), (9, 3, 3), (10, 4, 3)],
)
def test_the_sheet_is_as_square_as_it_can_be(count, columns, rows):
    locations = grid_locations([1.0] * count, (0.0, 0.0, 0.0), 0.25)

    assert len({x for x, _, _ in locations}) == columns
    assert len({y for _, y, _ in locations}) == rows


def test_numbers_run_from_left_to_right_and_from_front_to_back():
    locations = grid_locations([1.0] * 8, (5.0, 5.0, 0.0), 0.25)

    assert locations == sorted(locations, key=lambda place: (place[1], place[0]))
    # The front of an object faces -Y, and so does the front of the sheet.
    assert all(before[1] <= after[1] for before, after in pairwise(locations))


@pytest.mark.parametrize("count", [2, 4, 9, 12, 64])
def test_a_full_sheet_is_centred_on_the_cursor(count):
    full = grid_locations([0.5] * count, (1.0, -4.0, 2.0), 0.25)

    xs, ys = {x for x, _, _ in full}, {y for _, y, _ in full}
    assert (min(xs) + max(xs)) / 2 == pytest.approx(1.0)
    assert (min(ys) + max(ys)) / 2 == pytest.approx(-4.0)
    assert {z for _, _, z in full} == {2.0}


def test_the_largest_variant_decides_the_distance_so_that_none_touch():
    sizes = [0.3, 2.0, 1.1, 0.7, 1.9]

    locations = grid_locations(sizes, (0.0, 0.0, 0.0), 0.25)

    apart = [
        max(abs(a[0] - b[0]), abs(a[1] - b[1])) - (size_a + size_b) / 2
        for (a, size_a), (b, size_b) in combinations(zip(locations, sizes, strict=True), 2)
    ]
    assert min(apart) >= 0.25 * 2.0
    assert locations[1][0] - locations[0][0] == pytest.approx(2.5)
