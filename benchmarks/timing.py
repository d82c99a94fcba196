# SPDX-License-Identifier: GPL-3.0-or-later
"""Time two callables in turn, so that a drifting machine slows both."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over the counted runs."""

    wall_seconds: float
    cpu_seconds: float
    runs: int


def interleaved(
    ours: Callable[[], object], baseline: Callable[[], object], *, runs: int = 3
) -> tuple[Timing, Timing]:
    """Run both once uncounted, then A B A B ..., and return the medians of each."""
    ours()
    baseline()
    samples: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for _ in range(runs):
        for call, into in zip((ours, baseline), samples, strict=True):
            into.append(_measure(call))
    return _median(samples[0]), _median(samples[1])


def repeated(call: Callable[[], object], *, runs: int = 3) -> Timing:
    """Run once uncounted, then return the medians of further runs."""
    call()
    return _median([_measure(call) for _ in range(runs)])


def peak_memory_bytes() -> int:
    """Return the largest resident size of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def machine() -> dict[str, str | int]:
    """Describe where figures were taken."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "commit": commit.stdout.strip(),
    }


def save(name: str, results: dict[str, object]) -> Path:
    """Write results with the machine's description beside the earlier ones."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine()} | results, indent=1) + "\n")
    return path


def _measure(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _median(samples: list[tuple[float, float]]) -> Timing:
    walls, cpus = zip(*samples, strict=True)
    return Timing(statistics.median(walls), statistics.median(cpus), len(samples))
