# SPDX-License-Identifier: GPL-3.0-or-later
"""Where drawing the window takes long, it is drawn seldom."""

from __future__ import annotations

import time

import bpy
import pytest
from maquette.operators import jobs
from maquette.operators.jobs import pace


@pytest.fixture(autouse=True)
def fresh_pace():
    pace.reset()
    yield
    pace.reset()


def status():
    return bpy.context.window_manager.maquette


def take(seconds: float) -> None:
    """Draw for so long, as Blender does after a tick."""
    pace.measure()
    time.sleep(seconds)
    bpy.app.timers.unregister(pace._drawn)
    pace._drawn()


def test_quick_drawing_lets_every_tick_be_shown():
    take(0.001)

    time.sleep(jobs.pump.INTERVAL)
    assert pace.is_due()


def test_slow_drawing_is_followed_by_a_rest_that_ends():
    take(0.05)

    assert not pace.is_due()
    time.sleep(0.05 * pace.REST / 2)
    assert not pace.is_due()
    time.sleep(0.05 * pace.REST)
    assert pace.is_due()


def test_the_rest_is_never_longer_than_anybody_waits():
    take(0.3)

    assert pace._next - time.monotonic() <= pace.MAX_PAUSE


def test_nothing_is_written_while_drawing_rests(make_gate, make_result, window_mode):
    gate = make_gate(make_result())
    bpy.context.scene.maquette.prompt = "a chair"
    bpy.ops.maquette.generate()
    assert gate.reached.wait(10.0)
    window_mode.tick()
    assert status().fraction > 0.0
    status().fraction = 0.125
    take(1.0)

    window_mode.tick()
    assert status().fraction == 0.125

    pace.reset()
    window_mode.tick()
    assert status().fraction == 0.5
    gate.open.set()


def test_the_end_of_a_job_is_shown_at_once(make_gate, make_result, window_mode):
    gate = make_gate(make_result())
    bpy.context.scene.maquette.prompt = "a chair"
    bpy.ops.maquette.generate()
    gate.open.set()
    window_mode.wait_for_workers()
    take(1.0)

    window_mode.until_idle()

    assert not status().is_running
    assert status().jobs[-1].state == "DONE"
