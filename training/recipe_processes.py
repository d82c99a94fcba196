# SPDX-License-Identifier: GPL-3.0-or-later
"""Stages as processes: started side by side, waited for, and stopped together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO

from .values import ConfigError

LOCK_NAME = ".all.lock"
_POLL_SECONDS = 0.1
_GRACE_SECONDS = 20.0
"""That a process has to end when it is told to."""


class StageFailedError(ConfigError):
    """A stage's process ended otherwise than well; one sentence that names it and its log."""


@dataclass(frozen=True, slots=True)
class Launch:
    """A stage that is to be started."""

    stage: str
    command: Sequence[str]
    log: Path
    """What it says is added here."""


class _Started:
    """A stage's process, of a session of its own, so that all that it starts ends with it."""

    def __init__(self, launch: Launch, lock: int) -> None:
        self.launch = launch
        self._log: IO[bytes] = launch.log.open("ab")
        self._offset = self._log.tell()
        self._process = subprocess.Popen(
            launch.command,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            # The run stays locked while anything works in it, even if this process is killed.
            pass_fds=(lock,) if sys.platform != "win32" else (),
        )
        self._began = time.monotonic()
        self.seconds = 0.0

    def is_over(self) -> bool:
        """Whether the process has ended.

        Raises:
            StageFailedError: it has failed.
        """
        code = self._process.poll()
        if code is None:
            return False
        self.seconds = time.monotonic() - self._began
        if code:
            stage, log = self.launch.stage, self.launch.log
            raise StageFailedError(f"{stage} failed ({self._reason(code)}): see {log}")
        return True

    def stop(self) -> None:
        """End the process and all that it started, at once or a little later."""
        if self._process.poll() is None:
            self._tell(signal.SIGTERM)
            try:
                self._process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()

    def _tell(self, number: signal.Signals) -> None:
        if sys.platform == "win32":
            self._process.terminate()
        else:
            os.killpg(self._process.pid, number)

    def _reason(self, code: int) -> str:
        """Return the stage's own last sentence, or how it ended."""
        with self.launch.log.open("rb") as file:
            file.seek(self._offset)
            lines = file.read().decode(errors="replace").splitlines()
        start = f"{self.launch.stage}: "
        said = [line.removeprefix(start) for line in lines if line.startswith(start)]
        if said:
            return said[-1]
        return f"killed by signal {-code}" if code < 0 else f"exit status {code}"


class Workers:
    """Stages that run side by side; those that still run when the block ends are stopped."""

    def __init__(self, lock: int) -> None:
        """Have none yet; `lock` is that of `hold`."""
        self._lock = lock
        self._running: list[_Started] = []

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for each in self._running:
            each.stop()

    def start(self, launch: Launch) -> None:
        """Start a stage."""
        self._running.append(_Started(launch, self._lock))

    def wait(self) -> dict[str, float]:
        """Wait until a stage has ended, and return the seconds that each such took.

        Raises:
            StageFailedError: one failed.
        """
        while not (ended := [each for each in self._running if each.is_over()]):
            time.sleep(_POLL_SECONDS)
        for each in ended:
            each.stop()
            self._running.remove(each)
        return {each.launch.stage: each.seconds for each in ended}


@contextmanager
def hold(folder: Path) -> Iterator[int]:
    """Keep a run's folder for one start of `all`, and what it starts, at a time.

    Raises:
        ConfigError: another one works there.
    """
    with (folder / LOCK_NAME).open("ab") as file:
        if not _lock(file.fileno()):
            raise ConfigError(f"{folder} is being worked on by another process: wait or stop it")
        yield file.fileno()


if sys.platform == "win32":

    def _lock(descriptor: int) -> bool:
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            # Some network shares cannot lock at all.
            return True
        return True


@contextmanager
def interruptible() -> Iterator[None]:
    """Take being told to end for the interrupt key, so that what was started ends as well."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
