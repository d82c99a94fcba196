# SPDX-License-Identifier: GPL-3.0-or-later
"""An evaluation that was stopped goes on where it was, and one of another question begins anew."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from maquette.core.errors import CancelledError
from maquette.evaluation.course import Course, Missing
from maquette.evaluation.journal import Journal

pytestmark = pytest.mark.needs_torch

SETTINGS = {"pack": "aa", "seed": 0}


def keep(path: Path | None, count: int, settings: dict[str, object] = SETTINGS) -> list[int]:
    """Ask a journal for items; return those that had to be made."""
    made = []
    journal = Journal(path, settings)
    for index in range(count):

        def make(at: int = index) -> dict[str, object]:
            made.append(at)
            return {"square": at * at}

        assert journal.item("numbers", index, make) == {"square": index * index}
    journal.close()
    return made


def test_items_are_made_once(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"

    assert keep(path, 3) == [0, 1, 2]
    assert keep(path, 5) == [3, 4]


def test_a_line_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    keep(path, 3)
    text = path.read_text()
    path.write_text(text[:-9])

    assert keep(path, 3) == [2]
    assert path.read_text() == text


def test_a_journal_of_another_question_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    keep(path, 3)

    assert keep(path, 2, {"pack": "bb", "seed": 0}) == [0, 1]
    assert path.read_text().count("\n") == 3


def test_bytes_that_are_no_text_are_no_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(b"\xff\xfe\n\x80")

    assert keep(path, 1) == [0]


def test_without_a_file_items_are_kept_as_long_as_the_journal_lives() -> None:
    assert keep(None, 2) == [0, 1]
    assert keep(None, 2) == [0, 1]


def course(cancel: threading.Event, told: list[float]) -> Course:
    plan = {"first": 3.0, "second": 1.0}
    return Course(Journal(None, {}), plan, lambda stage, done: told.append(done), cancel)


def test_progress_rises_by_the_shares_of_the_plan() -> None:
    told: list[float] = []
    run = course(threading.Event(), told)

    run.each("first", "Working", 3, lambda index: {})
    run.each("second", "Working", 2, lambda index: {})

    assert told == pytest.approx([0.0, 0.25, 0.5, 0.75, 0.75, 0.875, 1.0])


def test_a_course_stops_before_the_next_item() -> None:
    cancel = threading.Event()
    made = []

    def make(index: int) -> dict[str, object]:
        made.append(index)
        cancel.set()
        return {}

    with pytest.raises(CancelledError):
        course(cancel, []).each("first", "Working", 3, make)

    assert made == [0]


def test_what_a_pack_cannot_do_reads_otherwise_than_what_was_left_out() -> None:
    assert str(Missing("it has no eyes", True)) == "not possible with this pack: it has no eyes"
    assert str(Missing("left out")) == "not measured: left out"
