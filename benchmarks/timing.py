# SPDX-License-Identifier: GPL-3.0-or-later
"""Time two callables in turn, so that a drifting machine slows both."""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
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
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        "commit": _commit(),
    }


def _commit() -> str:
    """Return the checkout's commit; by hand, since git is not where the real Blender runs."""
    folder = Path(__file__).parents[1] / ".git"
    head = (folder / "HEAD").read_text().strip() if folder.is_dir() else ""
    if not head.startswith("ref: "):
        return head[:7]
    name = head.removeprefix("ref: ")
    if (folder / name).is_file():
        return (folder / name).read_text()[:7]
    packed = folder / "packed-refs"
    lines = packed.read_text().splitlines() if packed.is_file() else []
    return next((line[:7] for line in lines if line.endswith(f" {name}")), "")


def load(name: str) -> dict[str, object]:
    """Return the results that `save` wrote last; empty if there are none."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    found: dict[str, object] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def save(name: str, results: dict[str, object]) -> Path:
    """Write results with the machine's description beside the earlier ones."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(results | {"machine": machine()}, indent=1) + "\n")
    return path


def _measure(call: Callable[[], object]) -> tuple[float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - cpu


def _median(samples: list[tuple[float, float]]) -> Timing:
    walls, cpus = zip(*samples, strict=True)
    return Timing(statistics.median(walls), statistics.median(cpus), len(samples))
