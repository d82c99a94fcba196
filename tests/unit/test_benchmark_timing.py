# SPDX-License-Identifier: GPL-3.0-or-later
"""How the benchmarks take time: in turn, in processor seconds, with the load of others."""

from __future__ import annotations

import time

import pytest
from maquette.benchmarks import timing
from maquette.benchmarks.timing import Load, Timing, in_turn


def test_calls_take_turns_after_one_run_each_that_does_not_count() -> None:
    order: list[str] = []

    found = in_turn({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, runs=3)

    assert order == ["a", "b"] * 4
    assert {name: each.runs for name, each in found.items()} == {"a": 3, "b": 3}


def test_without_warming_up_every_run_counts() -> None:
    order: list[str] = []

    in_turn({"a": lambda: order.append("a")}, runs=2, warm_up=False)

    assert order == ["a", "a"]


def test_waiting_costs_wall_seconds_and_computing_processor_seconds() -> None:
    def compute() -> None:
        started = time.process_time()
        while time.process_time() - started < 0.05:
            pass

    found = in_turn({"wait": lambda: time.sleep(0.05), "compute": compute}, runs=3, warm_up=False)

    assert found["wait"].wall_seconds >= 0.05
    assert found["wait"].cpu_seconds < 0.03
    assert found["compute"].cpu_seconds >= 0.05


@pytest.mark.parametrize(
    ("busy", "own", "load"), [(7.0, 3.0, 0.4), (3.0, 3.0, 0.0), (0.0, 3.0, 0.0)]
)
def test_foreign_load_is_what_the_machine_worked_beside_this_process(
    busy: float, own: float, load: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten seconds on one core, of which the machine worked `busy` and this process `own`."""
    monkeypatch.setattr(timing.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(timing.time, "perf_counter", iter([0.0, 10.0]).__next__)
    monkeypatch.setattr(timing, "_busy_seconds", iter([100.0, 100.0 + busy]).__next__)
    spent = iter([5.0, 5.0, 5.0 + own, 5.0 + own])
    monkeypatch.setattr(timing, "_own_seconds", lambda **_: next(spent))

    with Load() as found:
        pass

    assert found.foreign_load == pytest.approx(load)
    assert found.cpu_seconds == pytest.approx(own)


def test_timings_add_up_and_scale() -> None:
    total = Timing(1.0, 2.0, 3, 0.1).scaled(10).plus(Timing(5.0, 6.0, 2, 0.3))

    assert total == Timing(15.0, 26.0, 2, 0.3)
