# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from maquette.weights.rate import TransferRate


def test_a_steady_line_is_measured_exactly():
    rate = TransferRate()
    for second in range(20):
        rate.add(float(second), 1_000 * second)

    assert rate.bytes_per_second == pytest.approx(1_000.0)
    assert rate.seconds_left(29_000) == pytest.approx(10.0)


def test_the_first_second_tells_nothing():
    rate = TransferRate()
    assert rate.bytes_per_second is None
    assert rate.seconds_left(100) is None

    rate.add(0.0, 0)
    rate.add(0.9, 500)
    assert rate.bytes_per_second is None


def test_what_was_resumed_does_not_count_as_fast():
    rate = TransferRate()
    rate.add(0.0, 5_000_000)
    rate.add(2.0, 5_000_200)

    assert rate.bytes_per_second == pytest.approx(100.0)


def test_a_line_that_slows_down_is_noticed_within_the_window():
    rate = TransferRate()
    for second in range(10):
        rate.add(float(second), 1_000 * second)
    for second in range(10, 20):
        rate.add(float(second), 9_000 + 10 * (second - 9))

    assert rate.bytes_per_second == pytest.approx(10.0)


def test_a_dead_line_leaves_the_time_open():
    rate = TransferRate()
    for second in range(10):
        rate.add(float(second), 700)

    assert rate.bytes_per_second == 0.0
    assert rate.seconds_left(1_000) is None
