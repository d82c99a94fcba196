# SPDX-License-Identifier: GPL-3.0-or-later
"""Where drawing the window takes long, it is drawn seldom."""

from __future__ import annotations

import threading

import bpy
import pytest
from maquette.operators import jobs
from maquette.operators.jobs import pace


class Clock:
    """A clock that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    pace.reset()
    clock = Clock()
    monkeypatch.setattr(pace, "time", clock)
    yield clock
    pace.reset()


def status():
    return bpy.context.window_manager.maquette


def take(clock: Clock, seconds: float) -> None:
    """Draw for so long, as Blender does after a tick."""
    pace.measure()
    clock.now += seconds
    bpy.app.timers.unregister(pace._drawn)
    pace._drawn()


def test_quick_drawing_lets_every_tick_be_shown(clock):
    take(clock, 0.001)

    clock.now += jobs.pump.INTERVAL
    assert pace.is_due()


def test_slow_drawing_is_followed_by_a_rest_that_ends(clock):
    take(clock, 0.05)

    clock.now += 0.05 * pace.REST * 0.9
    assert not pace.is_due()
    clock.now += 0.05 * pace.REST * 0.2
    assert pace.is_due()


def test_the_rest_is_never_longer_than_anybody_waits(clock):
    take(clock, 30.0)

    clock.now += pace.MAX_PAUSE
    assert pace.is_due()


def test_nothing_is_written_while_drawing_rests(clock, make_gate, make_result, window_mode):
    gate = make_gate(make_result())
    bpy.context.scene.maquette.prompt = "a chair"
    bpy.ops.maquette.generate()
    assert gate.reached.wait(10.0)
    window_mode.tick()
    assert status().fraction > 0.0
    status().fraction = 0.125
    take(clock, 1.0)

    threading.Event().wait(0.05)  # The worker goes on reporting.
    window_mode.tick()
    assert status().fraction == 0.125

    pace.reset()
    window_mode.tick()
    assert status().fraction == 0.5
    gate.open.set()


def test_the_end_of_a_job_is_shown_at_once(clock, make_gate, make_result, window_mode):
    gate = make_gate(make_result())
    bpy.context.scene.maquette.prompt = "a chair"
    bpy.ops.maquette.generate()
    gate.open.set()
    window_mode.wait_for_workers()
    take(clock, 1.0)

    window_mode.until_idle()

    assert not status().is_running
    assert status().jobs[-1].state == "DONE"
