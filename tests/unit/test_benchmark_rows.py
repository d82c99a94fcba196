# SPDX-License-Identifier: GPL-3.0-or-later
"""What the table says, and when a run of the benchmarks fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from maquette.benchmarks.options import Options, Suite
from maquette.benchmarks.report import (
    BEGIN,
    END,
    SuiteReport,
    keep,
    read_reports,
    remember,
    with_table,
)
from maquette.benchmarks.rows import Row, markdown_table, ratio_row, text_table
from maquette.benchmarks.run import SUITES, exit_status, main, measure_all
from maquette.benchmarks.suites.starter import warm_row
from maquette.benchmarks.timing import Timing


def row(value: float | None, **others: object) -> Row:
    return Row(**{"metric": "field", "value": value, "goal": 10.0} | others)


def report(suite: str, *rows: Row) -> SuiteReport:
    return SuiteReport(
        suite=suite,
        rows=rows,
        machine={"cpu": "Abacus", "cores": 2, "python": "3.11", "commit": "abc"},
        when="2026-01-02 03:04 UTC",
        wall_seconds=1.5,
        foreign_load=0.25,
        scope="normal",
    )


def test_a_ratio_is_how_many_times_more_processor_seconds_the_baseline_took() -> None:
    ours, theirs = Timing(4.0, 2.0, 3, 0.1), Timing(8.0, 30.0, 3, 0.4)

    found = ratio_row("field", ours, theirs, baseline="dense", goal=10.0, details={"a": 1})

    assert (found.value, found.wall_value) == (15.0, 2.0)
    assert found.foreign_load == 0.4
    assert found.details["ours"] == {
        "wall_seconds": 4.0,
        "cpu_seconds": 2.0,
        "runs": 3,
        "foreign_load": 0.1,
    }
    assert found.details["a"] == 1


@pytest.mark.parametrize(
    ("value", "at_most", "result"),
    [
        (10.0, False, "pass"),
        (9.99, False, "miss"),
        (10.0, True, "pass"),
        (10.01, True, "miss"),
        (None, False, "skipped"),
    ],
)
def test_a_goal_is_met_or_missed(value: float | None, at_most: bool, result: str) -> None:
    assert row(value, at_most=at_most).result == result


def test_a_figure_without_a_goal_is_only_shown() -> None:
    assert row(3.0, goal=None).result == "shown"


def test_only_missed_goals_that_are_gated_fail_a_run() -> None:
    assert exit_status([row(9.0)]) == 1
    assert exit_status([row(11.0), row(9.0)]) == 1
    assert exit_status([row(9.0, is_gated=False), row(None), row(11.0), row(1.0, goal=None)]) == 0


def test_wall_seconds_are_gated_on_a_machine_of_ones_own_only() -> None:
    def run(load: float) -> dict[str, float]:
        return {"wall_seconds": 3.0, "cpu_seconds": 2.0, "foreign_load": load, "triangles": 9.0}

    alone = warm_row("texture", {"first": run(0.0), "warm": [run(0.02)] * 3}, 2.0)
    shared = warm_row("texture", {"first": run(0.0), "warm": [run(0.3)] * 3}, 2.0)

    assert (alone.result, alone.is_failure) == ("miss", True)
    assert (shared.result, shared.is_failure) == ("miss", False)
    assert "shared" in shared.note


def test_both_tables_have_every_row_and_say_why_one_was_skipped() -> None:
    rows = [row(12.34, baseline="dense"), row(None, note="it is not installed")]

    text, markdown = text_table(rows), markdown_table(rows)

    for table in (text, markdown):
        assert "≥ 10x" in table and "12.3x" in table and "it is not installed" in table
    assert len(text.splitlines()) == 3
    assert {line.count("|") for line in markdown.splitlines()} == {10}


def test_reports_are_read_as_they_were_written(tmp_path: Path) -> None:
    reports = [report("iso", row(12.0, details={"by_shape": {"chair": 1.5}}), row(None))]

    keep(reports, list(SUITES), tmp_path, tmp_path / "absent.md")
    (found,) = read_reports(tmp_path)

    assert list(found.rows) == list(reports[0].rows)
    assert found.as_json() == reports[0].as_json()
    assert [each.result for each in found.rows] == ["pass", "skipped"]


def test_a_new_report_takes_the_place_of_the_old_one_of_its_suite(tmp_path: Path) -> None:
    document = tmp_path / "performance.md"
    document.write_text(f"Before\n{BEGIN}\nold\n{END}\nafter\n")
    keep([report("iso", row(11.0)), report("eval", row(12.0))], list(SUITES), tmp_path, document)

    keep([report("iso", row(99.0))], list(SUITES), tmp_path, document)

    values = {each.suite: each.rows[0].value for each in read_reports(tmp_path)}
    assert values == {"eval": 12.0, "iso": 99.0}
    assert [each.suite for each in read_reports(tmp_path)] == ["eval", "iso"]
    text = document.read_text()
    assert text.startswith("Before\n") and text.endswith(f"{END}\nafter\n")
    assert "| 99x |" in text and "old" not in text and "| 11x |" not in text


def test_every_run_adds_a_line_to_the_history(tmp_path: Path) -> None:
    remember([report("iso", row(11.0), row(None, metric="other"))], tmp_path)
    remember([report("iso", row(99.0)), report("eval", row(12.0))], tmp_path)

    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    runs = [[each["values"] for each in json.loads(line)] for line in lines]
    assert runs == [[{"field | ": 11.0}], [{"field | ": 99.0}, {"field | ": 12.0}]]


def test_a_document_without_marks_is_refused() -> None:
    with pytest.raises(ValueError, match="table of the last run"):
        with_table("nothing here", [])


def test_suites_are_measured_in_order_with_the_options_given() -> None:
    asked: list[tuple[Suite, Options]] = []

    def measure(suite: Suite, options: Options) -> list[Row]:
        asked.append((suite, options))
        return [row(11.0)]

    options = Options(is_quick=True)
    reports = list(measure_all(["eval", "iso"], options, measure))

    assert asked == [("eval", options), ("iso", options)]
    assert [(each.suite, each.scope) for each in reports] == [("eval", "quick"), ("iso", "quick")]
    assert reports[0].machine["cores"]


@pytest.mark.parametrize(("value", "status"), [(11.0, 0), (9.0, 1)])
def test_the_exit_status_and_the_file_follow_the_rows(
    value: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maquette.benchmarks.run.measure", lambda *_: [row(value)])
    path = tmp_path / "run.json"

    found = main(["--suite", "iso", "--json", str(path)])

    assert found == status
    (plain,) = json.loads(path.read_text())
    assert plain["suite"] == "iso"
    assert plain["rows"][0]["value"] == value
    assert plain["machine"]["commit"]


def test_an_unknown_suite_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--suite", "eval,isoo"])

    assert "no 'isoo'" in capsys.readouterr().err
