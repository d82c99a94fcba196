# SPDX-License-Identifier: GPL-3.0-or-later
"""The one module that prints: what goes to which stream, and the progress bar."""

from __future__ import annotations

import errno
import io
import json
import os
import sys

import pytest
from maquette.cli.errors import OutputError, UsageError
from maquette.cli.output import Console, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    @property
    def screen(self) -> str:
        """What a terminal shows of the last line."""
        line = ""
        for piece in self.getvalue().split("\r"):
            line = piece + line[len(piece) :]
        return line.rstrip()


@pytest.fixture(autouse=True)
def width(monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("maquette.cli.output.REDRAW_SECONDS", 0.0)


def test_the_bar_shows_how_far_it_is():
    terminal = Terminal()
    progress = Progress(terminal)

    progress.show("Sampling", 0.5)
    assert terminal.screen == "[############------------]  50 % Sampling"

    progress.show("Meshing", 1.0)
    assert terminal.screen == "[########################] 100 % Meshing"


def test_the_bar_never_wraps():
    terminal = Terminal()

    Progress(terminal).show("a stage with a name that is far too long for this terminal", 0.0)

    assert len(terminal.screen) == 59


def test_clearing_leaves_an_empty_line():
    terminal = Terminal()
    progress = Progress(terminal)

    progress.show("Sampling", 0.5)
    progress.clear()

    assert terminal.screen == ""


@pytest.mark.parametrize(("fraction", "percent"), [(-1.0, 0), (2.0, 100), (0.004, 0)])
def test_a_fraction_out_of_range_is_shown_within_it(fraction, percent):
    terminal = Terminal()

    Progress(terminal).show("Sampling", fraction)

    assert f"{percent} %" in terminal.screen


def test_fast_reports_are_not_all_drawn(monkeypatch):
    monkeypatch.setattr("maquette.cli.output.REDRAW_SECONDS", 1e9)
    terminal = Terminal()
    progress = Progress(terminal)

    for step in range(100):
        progress.show("Sampling", step / 100)

    assert terminal.getvalue().count("\r") == 1


def test_a_file_gets_one_line_for_each_stage():
    file = io.StringIO()
    progress = Progress(file)

    for fraction in (0.0, 0.1, 0.2):
        progress.show("Sampling", fraction)
    progress.show("Meshing", 0.7)

    assert file.getvalue() == "  0 % Sampling\n 70 % Meshing\n"


def test_people_read_text_and_programs_read_json(capsys):
    Console().answer({"a": 1}, "one")
    assert capsys.readouterr() == ("one\n", "")

    Console(json_mode=True).answer({"a": 1}, "one")
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"a": 1}, "")


def test_in_json_mode_nothing_else_goes_to_standard_output(capsys):
    console = Console(json_mode=True)

    console.say("a line")
    console.note("now")
    console.warn("careful")
    console.progress("Sampling", 0.5)
    console.answer_json({})

    out, err = capsys.readouterr()
    assert out == "{}\n"
    assert err == "now\nwarning: careful\n 50 % Sampling\n"


def test_quiet_keeps_warnings_and_errors(capsys):
    console = Console(quiet=True)

    console.say("a line")
    console.note("now")
    console.progress("Sampling", 0.5)
    console.warn("careful")
    code = console.report(UsageError("wrong"))

    assert capsys.readouterr() == ("", "warning: careful\nmaquette: wrong\n")
    assert code == 2


def test_a_failure_is_one_object_with_what_was_done_before(capsys):
    code = Console(json_mode=True).report(OutputError("x.glb", "full"), results=[1])

    assert code == 5
    assert json.loads(capsys.readouterr().out) == {
        "error": {"kind": "OutputError", "message": "cannot write x.glb: full"},
        "results": [1],
    }


class FullDisk(io.StringIO):
    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_standard_output_is_an_error_of_ours(monkeypatch):
    monkeypatch.setattr(sys, "stdout", FullDisk())

    with pytest.raises(OutputError, match="standard output: no space left on device"):
        Console().say("a line")


def test_an_error_about_a_full_standard_output_is_still_said(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", FullDisk())

    code = Console(json_mode=True).report(OutputError("standard output", "full"))

    assert code == 5
    assert capsys.readouterr().err == "maquette: cannot write standard output: full\n"
