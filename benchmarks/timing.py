# SPDX-License-Identifier: GPL-3.0-or-later
"""Time callables in turn, so that a drifting machine slows all of them.

Wall time doubles as soon as another program wants the same core; the processor seconds of all
threads hardly change. Both are taken, and the share of the machine that others had.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

_STAT = Path("/proc/stat")
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Timing:
    """Medians over the counted runs."""

    wall_seconds: float
    cpu_seconds: float
    """Of all threads of this process."""
    runs: int
    foreign_load: float = 0.0
    """Share of all cores' time that other programs took meanwhile, 0 to 1."""

    def scaled(self, factor: float) -> Timing:
        """Return the timing of so many times the work."""
        return Timing(
            self.wall_seconds * factor, self.cpu_seconds * factor, self.runs, self.foreign_load
        )

    def plus(self, other: Timing) -> Timing:
        """Return the timing of this and then that."""
        return Timing(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            min(self.runs, other.runs),
            max(self.foreign_load, other.foreign_load),
        )


class Load:
    """Measures a block of code; see `Timing` for what it leaves behind."""

    wall_seconds = cpu_seconds = foreign_load = 0.0

    def __enter__(self) -> Load:
        self._busy, self._own = _busy_seconds(), _own_seconds(with_children=True)
        self._cpu, self._wall = _own_seconds(), time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.wall_seconds = time.perf_counter() - self._wall
        self.cpu_seconds = _own_seconds() - self._cpu
        own = _own_seconds(with_children=True) - self._own
        foreign = _busy_seconds() - self._busy - own
        available = self.wall_seconds * (os.cpu_count() or 1)
        self.foreign_load = min(1.0, max(0.0, foreign / available)) if available else 0.0


def in_turn(
    calls: Mapping[str, Callable[[], object]], *, runs: int = 3, warm_up: bool = True
) -> dict[str, Timing]:
    """Run each call once uncounted, then all of them in turn, A B C A B C ...

    Args:
        calls: what to time, by name.
        runs: counted runs of each.
        warm_up: False where a run is so long that the first one tells as much.

    Returns:
        Medians, by name.
    """
    if warm_up:
        for call in calls.values():
            call()
    samples: dict[str, list[Load]] = {name: [] for name in calls}
    for _ in range(runs):
        for name, call in calls.items():
            with Load() as load:
                call()
            samples[name].append(load)
    return {name: _median(taken) for name, taken in samples.items()}


def repeated(call: Callable[[], object], *, runs: int = 3, warm_up: bool = True) -> Timing:
    """Return the medians of one call."""
    return in_turn({"": call}, runs=runs, warm_up=warm_up)[""]


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


def load(name: str) -> dict[str, object]:
    """Return the results that `save` wrote last; empty if there are none."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    found: dict[str, object] = json.loads(path.read_text()) if path.is_file() else {}
    return found


def save(name: str, results: Mapping[str, object]) -> Path:
    """Write results with the machine's description beside the earlier ones."""
    path = Path(__file__).parent / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(dict(results) | {"machine": machine()}, indent=1) + "\n")
    return path


def _commit() -> str:
    """Return the commit, marked where the sources are not as committed."""
    if shutil.which("git") is None:
        return _commit_by_hand()  # As beside the real Blender, in a root of its own.
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    root = Path(__file__).parents[1]
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=root)
    return found.stdout.strip()


def _commit_by_hand() -> str:
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


def _busy_seconds() -> float:
    """Return the seconds that all cores together have worked since the machine started."""
    try:
        first = _STAT.read_text().partition("\n")[0]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, interrupts, soft, stolen = map(int, first.split()[1:9])
    return (user + nice + system + interrupts + soft + stolen) / _TICKS


def _own_seconds(*, with_children: bool = False) -> float:
    usage = [resource.getrusage(resource.RUSAGE_SELF)]
    if with_children:
        usage.append(resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in usage)


def _median(samples: list[Load]) -> Timing:
    return Timing(
        statistics.median(sample.wall_seconds for sample in samples),
        statistics.median(sample.cpu_seconds for sample in samples),
        len(samples),
        statistics.median(sample.foreign_load for sample in samples),
    )
