# SPDX-License-Identifier: GPL-3.0-or-later
"""Run a program, hear its lines as they come, and be able to stop it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

from .errors import EngineCancelledError

POLL_SECONDS = 0.1
GRACE_SECONDS = 2.0
"""How long a program that was asked to stop may take before it is killed."""


def run(
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    on_wait: Callable[[], None] = lambda: None,
    cancel: threading.Event,
) -> int:
    """Run a program to its end and return its exit status; blocks.

    Args:
        arguments: the program and what it is given; no shell is involved.
        environment: all of its variables.
        on_line: hears each line of both its streams, on this thread, without the line's end.
        on_wait: called ten times a second while the program is silent.
        cancel: looked at ten times a second.

    Raises:
        EngineCancelledError: `cancel` was set; the program has ended.
        OSError: the program cannot be started.
    """
    process = subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=dict(environment),
        text=True,
        encoding="utf-8",
        errors="replace",
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),  # No console pops up on Windows.
        start_new_session=sys.platform != "win32",  # So that whatever it starts ends with it.
    )
    lines: SimpleQueue[str | None] = SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    try:
        while True:
            if cancel.is_set():
                raise EngineCancelledError
            try:
                line = lines.get(timeout=POLL_SECONDS)
            except Empty:
                on_wait()
                continue
            if line is None:
                return process.wait()
            on_line(line)
    finally:
        _end(process)
        reader.join(GRACE_SECONDS)


def _read(process: subprocess.Popen[str], lines: SimpleQueue[str | None]) -> None:
    assert process.stdout is not None
    with process.stdout as stream, suppress(ValueError, OSError):
        for line in stream:
            lines.put(line.rstrip())
    lines.put(None)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is not None:
        return
    _signal(process, is_final=False)
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        _signal(process, is_final=True)
        process.wait()


def _signal(process: subprocess.Popen[str], *, is_final: bool) -> None:
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL if is_final else signal.SIGTERM)
