# SPDX-License-Identifier: GPL-3.0-or-later
"""A report is written whole, with its numbers beside it, and what was kept on the way goes."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest
from maquette.core.errors import CancelledError
from maquette.evaluation import command
from maquette.evaluation.command import compare, json_beside
from maquette.evaluation.course import LEFT_OUT
from maquette.evaluation.report import EvaluationReport
from maquette.evaluation.scores import NOTHING_ASKED
from maquette.evaluation.settings import EvaluationSettings

pytestmark = pytest.mark.needs_torch


@pytest.fixture
def journals(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Replace the evaluation by one that keeps a journal and finds nothing."""
    journals: list[Path] = []

    def evaluate(pack_dir: Path, settings: object, **options: Any) -> EvaluationReport:
        options["on_progress"]("Measuring", 0.5)
        if options["journal"]:
            options["journal"].write_text("kept")
            journals.append(options["journal"])
        if options["cancel"].is_set():
            raise CancelledError
        return EvaluationReport(
            pack=pack_dir.name,
            pack_hash="0123456789abcdef",
            seed=0,
            scores=LEFT_OUT,
            judge=NOTHING_ASKED,
        )

    monkeypatch.setattr(command, "evaluate", evaluate)
    return journals


def run(packs: list[str], report: Path | None, cancel: threading.Event | None = None):
    told: list[tuple[str, float]] = []
    found = compare(
        [Path(name) for name in packs],
        EvaluationSettings(),
        report=report,
        on_progress=lambda stage, fraction: told.append((stage, fraction)),
        cancel=cancel or threading.Event(),
    )
    return found, told


def test_two_packs_are_asked_one_after_the_other(journals, tmp_path: Path) -> None:
    found, told = run(["first", "second"], tmp_path / "page.html")

    assert told == [("Measuring (pack 1 of 2)", 0.25), ("Measuring (pack 2 of 2)", 0.75)]
    content = found.to_json()
    assert content["pack"] == "first"
    assert content["against"]["pack"] == "second"  # type: ignore[index]
    assert len(set(journals)) == 2


def test_page_and_numbers_stand_alone_in_the_end(journals, tmp_path: Path) -> None:
    page = tmp_path / "page.html"

    found, _ = run(["only"], page)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["page.html", "page.json"]
    assert json.loads(json_beside(page).read_text()) == found.to_json()
    assert "Evaluation of only" in page.read_text()
    assert "against" not in found.to_json()


def test_what_was_kept_stays_when_it_is_stopped(journals, tmp_path: Path) -> None:
    cancel = threading.Event()
    cancel.set()

    with pytest.raises(CancelledError):
        run(["only"], tmp_path / "page.html", cancel)

    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


def test_without_a_page_nothing_is_written(journals, tmp_path: Path) -> None:
    found, told = run(["only"], None)

    assert told == [("Measuring", 0.5)]
    assert journals == []
    assert found.to_text().startswith("Pack only")
