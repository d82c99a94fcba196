# SPDX-License-Identifier: GPL-3.0-or-later
"""Several Blenders at work, each in a process that may crash or hang without harm."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .settings import BuildSettings

_TASKS_PER_PROCESS = 100
"""Then Blender starts anew, since what importers leave behind adds up."""
_LOOK_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Task:
    """One asset to be read, and where its sample goes."""

    key: str
    file: str
    path: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a task."""

    task: Task
    reason: str = ""
    """Why the asset cannot be used; empty if it can."""
    notes: tuple[str, ...] = ()
    error: str = ""
    """Why nothing can be written here; empty if it can."""


@dataclass
class _Hand:
    """One process, started when it is first needed and again whenever it has ended."""

    settings: BuildSettings
    limit_seconds: float
    process: subprocess.Popen[str] | None = None
    num_tasks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)
    is_stopped: bool = False

    def run(self, task: Task) -> Outcome:
        """Have one asset read; blocks."""
        process = self._ready()
        if process is None:
            return Outcome(task, error="stopped")
        is_late = threading.Event()

        def give_up() -> None:
            is_late.set()
            process.kill()

        alarm = threading.Timer(self.limit_seconds, give_up)
        alarm.daemon = True
        alarm.start()
        answer = _ask(process, task)
        alarm.cancel()
        self.num_tasks += 1
        if answer is not None:
            return Outcome(
                task,
                reason=str(answer.get("reason", "")),
                notes=tuple(str(note) for note in answer.get("notes", ())),
                error=str(answer.get("error", "")),
            )
        code = _dispose(process)
        self.process = None
        if self.is_stopped:
            return Outcome(task, error="stopped")
        if is_late.is_set():
            return Outcome(task, reason=f"it took longer than {self.limit_seconds:g} s")
        return Outcome(task, reason=f"Blender crashed while reading it (exit code {code})")

    def _ready(self) -> subprocess.Popen[str] | None:
        with self.lock:
            if self.num_tasks >= _TASKS_PER_PROCESS and self.process is not None:
                _end(self.process)
                self.process = None
            if self.process is None and not self.is_stopped:
                self.process, self.num_tasks = _start(self.settings), 0
            return None if self.is_stopped else self.process

    def stop(self) -> None:
        """End the process at once; safe from another thread."""
        with self.lock:
            self.is_stopped = True
            if self.process is not None:
                self.process.kill()

    def leave(self) -> None:
        """Give back what the process held, when `run` has returned."""
        if self.process is not None:
            _dispose(self.process)
            self.process = None


def run_tasks(
    tasks: Sequence[Task],
    settings: BuildSettings,
    *,
    jobs: int,
    limit_seconds: float,
    cancel: threading.Event,
) -> Iterator[Outcome]:
    """Yield what became of each task, as they end; stops early when `cancel` is set.

    Args:
        tasks: in the order in which they are begun.
        settings: for all of them.
        jobs: processes at a time.
        limit_seconds: for one asset.
        cancel: looked at several times a second; the tasks at work are then given up.
    """
    hands = [_Hand(settings, limit_seconds) for _ in range(max(1, min(jobs, len(tasks))))]
    free, queue = list(hands), list(reversed(tasks))
    with ThreadPoolExecutor(len(hands)) as threads:
        running: dict[Future[Outcome], _Hand] = {}
        try:
            while (queue or running) and not cancel.is_set():
                while free and queue:
                    hand = free.pop()
                    running[threads.submit(hand.run, queue.pop())] = hand
                done, _ = wait(running, timeout=_LOOK_SECONDS, return_when=FIRST_COMPLETED)
                for future in done:
                    free.append(running.pop(future))
                    yield future.result()
        finally:
            for hand in hands:
                hand.stop()
            threads.shutdown()
            for hand in hands:
                hand.leave()


def _start(settings: BuildSettings) -> subprocess.Popen[str]:
    package = __package__ or "maquette.datasets"
    words = [sys.executable, "-m", f"{package}.worker", json.dumps(settings.to_json())]
    # Apart from our own group of processes: Ctrl-C is for us, and we end the workers.
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
        start_new_session=True,
    )


def _ask(process: subprocess.Popen[str], task: Task) -> dict[str, Any] | None:
    """Return the answer to one task; None if the process has ended."""
    assert process.stdin is not None and process.stdout is not None
    words = {
        "key": task.key,
        "file": task.file,
        "path": str(task.path),
        "target": str(task.target),
    }
    try:
        process.stdin.write(json.dumps(words) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        answer: dict[str, Any] | None = json.loads(line) if line else None
    except (OSError, ValueError):
        return None
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    """Let a process that has nothing to do end by itself."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
    _dispose(process)


def _dispose(process: subprocess.Popen[str]) -> int:
    """Wait for a process that is ending, close its pipes and return its exit code."""
    code = process.wait()
    for stream in (process.stdin, process.stdout):
        # What was left to be written to a process that is gone is of no use.
        with suppress(OSError):
            if stream is not None:
                stream.close()
    return code
