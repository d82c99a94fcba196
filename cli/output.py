# SPDX-License-Identifier: GPL-3.0-or-later
"""The only module of the command line that prints.

What was asked for goes to standard output; progress, warnings and errors go to standard error,
so that the first can be piped while the second is watched.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from typing import TextIO

from .errors import EXPECTED, ExitCode, OutputError, exit_code

BAR_CHARACTERS = 24
REDRAW_SECONDS = 0.1
"""Shortest time between two drawings of the bar; a fast sampler reports more often."""


class Console:
    """Writes for people, or for a program when `json_mode` is on.

    With `quiet`, only warnings, errors and JSON are written.
    """

    def __init__(self, *, json_mode: bool = False, quiet: bool = False) -> None:
        self.json_mode = json_mode
        self.quiet = quiet
        self._progress = Progress(sys.stderr, is_shown=not quiet)

    def say(self, text: str = "") -> None:
        """Write a line of what was asked for; nothing in JSON mode."""
        self._progress.clear()
        if not self.json_mode and not self.quiet:
            _write(sys.stdout, text + "\n")

    def answer(self, value: Mapping[str, object], text: str) -> None:
        """Write the one JSON object, or the same for people; even when quiet."""
        self._progress.clear()
        _write(sys.stdout, (json.dumps(value) if self.json_mode else text) + "\n")

    def answer_json(self, value: Mapping[str, object]) -> None:
        """Write the one JSON object; nothing for people, who have been told on the way."""
        self._progress.clear()
        if self.json_mode:
            _write(sys.stdout, json.dumps(value) + "\n")

    def note(self, text: str) -> None:
        """Write a line about what happens now, beside the results; nothing when quiet."""
        self._progress.clear()
        if not self.quiet:
            _write(sys.stderr, text + "\n")

    def warn(self, text: str) -> None:
        """Write a warning beside the results."""
        self._progress.clear()
        _write(sys.stderr, f"warning: {text}\n")

    def fail(self, kind: str, message: str, **others: object) -> None:
        """Write why the command failed, as one sentence and, in JSON mode, as the one object."""
        self._progress.clear()
        _write(sys.stderr, f"maquette: {message}\n")
        if self.json_mode:
            answer: dict[str, object] = {"error": {"kind": kind, "message": message}}
            # When standard output is what failed, the sentence has at least been said.
            with suppress(OutputError):
                _write(sys.stdout, json.dumps(answer | others) + "\n")

    def report(self, error: Exception, **others: object) -> ExitCode:
        """Write a failure and return its exit code; `others` go into the JSON object."""
        message = str(error)
        if not isinstance(error, EXPECTED):
            message = f"this is a bug, please report it with the lines above: {error!r}"
            self._progress.clear()
            _write(sys.stderr, "".join(traceback.format_exception(error)))
        self.fail(type(error).__name__, message, **others)
        return exit_code(error)

    def progress(self, stage: str, fraction: float) -> None:
        """Show how far the command is; `fraction` lies in [0, 1]."""
        self._progress.show(stage, fraction)


class Progress:
    """A bar that redraws itself on a terminal; elsewhere one line for each stage."""

    def __init__(self, stream: TextIO, *, is_shown: bool = True) -> None:
        self._stream = stream
        self._is_shown = is_shown
        self._is_terminal = stream.isatty()
        self._stage = ""
        self._drawn_at = 0.0
        self._width = 0
        """Characters of the bar that is on the screen now."""

    def show(self, stage: str, fraction: float) -> None:
        """Draw the state; `fraction` of the whole lies in [0, 1]."""
        if not self._is_shown:
            return
        is_new = stage != self._stage
        self._stage = stage
        percent = round(100 * min(max(fraction, 0.0), 1.0))
        if not self._is_terminal:
            if is_new:
                _write(self._stream, f"{percent:3d} % {stage}\n")
            return
        now = time.monotonic()
        if is_new or percent == 100 or now - self._drawn_at >= REDRAW_SECONDS:
            self._drawn_at = now
            self._draw(stage, percent)

    def clear(self) -> None:
        """Remove the bar, so that a line can be written in its place."""
        if self._width:
            _write(self._stream, "\r" + " " * self._width + "\r")
            self._width = 0

    def _draw(self, stage: str, percent: int) -> None:
        done = percent * BAR_CHARACTERS // 100
        bar = "#" * done + "-" * (BAR_CHARACTERS - done)
        # One column stays free: a full line would wrap, and \r would not return to its start.
        line = f"[{bar}] {percent:3d} % {stage}"[: shutil.get_terminal_size().columns - 1]
        padding = " " * (self._width - len(line))
        self._width = len(line)
        _write(self._stream, f"\r{line}{padding}")


def prepare_streams() -> None:
    """Let every character through: one that the terminal cannot show becomes an escape."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _write(stream: TextIO, text: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        name = "standard output" if stream is sys.stdout else "standard error"
        raise OutputError(name, (error.strerror or str(error)).lower()) from error
