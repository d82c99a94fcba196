# SPDX-License-Identifier: GPL-3.0-or-later
"""The countdown of a run, on runs whose end is known; and where the bar stands meanwhile."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from maquette.core import pipeline
from maquette.core.config import GenerationRequest, SurfaceConfig
from maquette.core.estimates import BAR, TimeLeft, memory_bytes, position
from maquette.core.experience import Plan
from maquette.tests.unit.tiny_native_pack import write_tiny_pack

ONCE = {"start": 2.0, "load": 1.0, "condition": 0.1}
VARIANT = {
    "sample": 8.0,
    "field": 0.1,
    "surface": 2.0,
    "colours": 0.4,
    "unwrap": 1.0,
    "texture": 4.0,
    "thumbnail": 0.2,
}
TICK = 0.1


def plan_of(count: int = 1, once: dict[str, float] = ONCE) -> Plan:
    return Plan(once=once, variant=VARIANT, count=count)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def reports(plan: Plan, slowness: dict[str, float] | float = 1.0) -> Iterator[tuple[float, float]]:
    """Yield (second, fraction) of every progress report of a run, and its end at last."""

    def take(stage: str, seconds: float) -> float:
        return seconds * (slowness if isinstance(slowness, float) else slowness.get(stage, 1.0))

    now = sum(take(stage, seconds) for stage, seconds in plan.once.items())
    yield now, 0.0
    for index in range(plan.count):
        start = 0.0
        for end, stages in BAR:
            seconds = sum(take(stage, plan.variant.get(stage, 0.0)) for stage in stages)
            parts = 1 if stages in (("colours",), ("unwrap",)) else 20
            for part in range(1, parts + 1):
                place = start + (end - start) * part / parts
                yield now + seconds * part / parts, (index + place) / plan.count
            start, now = end, now + seconds


def countdown(
    plan: Plan | None, run: list[tuple[float, float]], count: int = 1
) -> list[tuple[float, float | None]]:
    """Return the seconds truly left and those told, at every tick of the timer."""
    clock = Clock()
    left = TimeLeft(plan, count, clock)
    end, told, waiting = run[-1][0], [], list(run)
    while clock.now < end:
        while waiting and waiting[0][0] <= clock.now:
            left.progress(waiting.pop(0)[1])
        told.append((end - clock.now, left.seconds()))
        clock.now += TICK
    return told


@pytest.mark.parametrize("count", [1, 4])
def test_a_run_that_keeps_to_its_plan_is_counted_down_exactly(count: int) -> None:
    plan = plan_of(count)

    for true, told in countdown(plan, list(reports(plan)), count):
        assert told == pytest.approx(true, rel=0.02, abs=0.5)


@pytest.mark.parametrize("slowness", [0.5, 2.0])
def test_a_run_at_another_pace_is_found_out_early(slowness: float) -> None:
    plan = plan_of(2, once={"condition": 0.1})

    told = countdown(plan, list(reports(plan, slowness)), 2)

    whole = told[0][0]
    for true, seconds in told:
        assert seconds is not None
        if true < 0.5 * whole:
            assert seconds == pytest.approx(true, rel=0.35, abs=1.0)
        if true < 0.1 * whole:
            assert seconds == pytest.approx(true, abs=2.0)


@pytest.mark.parametrize("seed", range(4))
def test_the_countdown_is_smooth_and_hardly_ever_rises(seed: int) -> None:
    """Every stage takes 30 % more or less than planned."""
    draw = random.Random(seed)
    plan = plan_of(2)
    slowness = {stage: draw.uniform(0.7, 1.3) for stage in [*ONCE, *VARIANT]}

    told = [seconds for _, seconds in countdown(plan, list(reports(plan, slowness)), 2)]

    rises = [after - before for before, after in pairwise(told)]
    assert max(rises) < 0.25
    assert sum(rise for rise in rises if rise > 0) < 0.1 * plan.seconds
    assert min(rises) > -1.0
    assert min(told) >= 0.0


def test_a_stage_that_hangs_stops_the_countdown_before_zero() -> None:
    clock = Clock()
    left = TimeLeft(plan_of(), 1, clock)
    told = []
    for _ in range(1000):
        told.append(left.seconds())
        clock.now += TICK

    # The libraries never get ready: the time for the rest is still to come.
    assert told[-1] == pytest.approx(sum(VARIANT.values()), rel=0.1)


def test_getting_ready_slowly_does_not_count_as_a_slow_machine() -> None:
    plan = plan_of()
    slowness = {"start": 10.0, "load": 10.0}

    told = countdown(plan, list(reports(plan, slowness)))

    sampling = [pair for pair in told if pair[0] < sum(VARIANT.values()) - 1]
    for true, seconds in sampling:
        assert seconds == pytest.approx(true, rel=0.1, abs=0.3)


def test_without_a_plan_nothing_is_told_before_the_first_variant_is_done() -> None:
    run = list(reports(plan_of(4)))
    told = countdown(None, run, 4)

    variant = sum(VARIANT.values())
    for true, seconds in told:
        if true > 3 * variant + 0.2:
            assert seconds is None
        elif true < 3 * variant - 8:
            assert seconds == pytest.approx(true, abs=0.6 * variant)


def test_without_a_plan_a_single_variant_is_never_guessed_at() -> None:
    told = countdown(None, list(reports(plan_of())))

    assert {seconds for _, seconds in told} == {None}


def test_the_position_in_a_plan_moves_with_the_bar() -> None:
    plan = plan_of(2)
    fractions = [fraction for _, fraction in reports(plan) if fraction > 0]
    places = [position(plan, fraction) for fraction in fractions]

    done = [place[0] for place in places]
    assert done == sorted(done)
    assert all(limit >= over for over, limit in places)
    assert done[-1] == pytest.approx(plan.seconds)
    assert position(plan, 0.175) == pytest.approx((3.1 + 4.0, 3.1 + 8.0))
    assert position(plan, 0.5) == pytest.approx((3.1 + 15.7, 3.1 + 15.7 + 8.0))


def test_the_pipeline_moves_the_bar_as_the_countdown_expects(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path)
    places: dict[str, list[float]] = {}
    request = GenerationRequest(
        prompt="a chair",
        resolution=40,
        texture_size=64,
        device="cpu",
        surface=SurfaceConfig(num_lods=1),  # Without any, painting goes on to the end of the bar.
    )

    list(
        pipeline.generate(
            request,
            tmp_path,
            on_progress=lambda stage, fraction: places.setdefault(stage, []).append(fraction),
            cancel=threading.Event(),
        )
    )
    pipeline.release()

    ends = {stage: end for end, stages in BAR for stage in stages}
    assert places["Sampling"][-1] == pytest.approx(ends["sample"])
    assert places["Finding the surface"][-1] == pytest.approx(ends["surface"])
    assert places["Unwrapping"] == pytest.approx([ends["colours"]])
    assert places["Painting the texture"][0] > ends["unwrap"]
    assert places["Painting the texture"][-1] == pytest.approx(ends["texture"])


@pytest.mark.parametrize(
    ("resolution", "texture_size", "measured_mib"),
    [
        (32, 0, 371),
        (64, 4096, 908),
        (128, 0, 451),
        (128, 1024, 443),
        (128, 2048, 618),
        (256, 0, 541),
        (256, 1024, 558),
        (384, 0, 995),
        (384, 2048, 966),
    ],
)
def test_memory_is_near_what_was_measured(
    resolution: int, texture_size: int, measured_mib: int
) -> None:
    """Peaks of the starter pack's process, less what it held before torch was imported."""
    request = GenerationRequest(prompt="a chair", resolution=resolution, texture_size=texture_size)

    estimated = memory_bytes(request, 20_659_426) / 2**20

    assert measured_mib / 1.25 <= estimated <= measured_mib * 1.25


def test_a_run_takes_about_the_memory_estimated(tmp_path: Path) -> None:
    """In a process of its own, on this machine, within a factor of two in either direction."""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells the peak of a process since it was started")
    write_tiny_pack(tmp_path)
    code = (
        "import pathlib, re, sys, threading, numpy\n"
        "def peak():\n"
        "    status = pathlib.Path('/proc/self/status').read_text()\n"
        "    return int(re.search(r'VmHWM:\\s+(\\d+) kB', status)[1])\n"
        "before = peak()\n"
        "from maquette.core import pipeline\n"
        "from maquette.core.config import GenerationRequest\n"
        "request = GenerationRequest(prompt='a chair', resolution=64, texture_size=1024,"
        " device='cpu')\n"
        "list(pipeline.generate(request, pathlib.Path(sys.argv[1]),"
        " on_progress=lambda *_: None, cancel=threading.Event()))\n"
        "print(peak() - before)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    taken = int(run.stdout) * 1024
    request = GenerationRequest(prompt="a chair", resolution=64, texture_size=1024)

    assert taken / 2 <= memory_bytes(request, 0) <= 2 * taken
