# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep runs, and copy the table of the last one into docs/performance.md."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .rows import Row, markdown_table

RESULTS = Path(__file__).parent / "results"
_LATEST = "bench.json"
_HISTORY = "history.jsonl"

DOCUMENT = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- begin: table of the last run -->", "<!-- end: table of the last run -->"


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """The figures of one suite, and where and when they were taken."""

    suite: str
    rows: Sequence[Row]
    machine: dict[str, str | int]
    when: str
    wall_seconds: float
    foreign_load: float
    """Share of all cores' time that other programs took, over the whole suite."""
    scope: str
    """`quick`, `normal` or `full`."""

    def as_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {name: getattr(self, name) for name in self.__slots__} | {
            "rows": [row.as_json() for row in self.rows]
        }


def read_reports(folder: Path = RESULTS) -> list[SuiteReport]:
    """Return the kept reports, none if there are none."""
    path = folder / _LATEST
    if not path.exists():
        return []
    return [_parse(report) for report in json.loads(path.read_text(encoding="utf-8"))]


def merged(kept: Iterable[SuiteReport], new: Iterable[SuiteReport]) -> list[SuiteReport]:
    """Return the reports of all suites, the new one where there are two."""
    return list(({each.suite: each for each in kept} | {each.suite: each for each in new}).values())


def keep(
    reports: Iterable[SuiteReport],
    order: Sequence[str],
    folder: Path = RESULTS,
    document: Path = DOCUMENT,
) -> None:
    """Put reports in the place of the kept ones of their suites, in the document too."""
    folder.mkdir(exist_ok=True)
    together = merged(read_reports(folder), reports)
    in_order = sorted(together, key=lambda report: order.index(report.suite))
    plain = [report.as_json() for report in in_order]
    (folder / _LATEST).write_text(json.dumps(plain, indent=1) + "\n", encoding="utf-8")
    if document.exists():
        text = document.read_text(encoding="utf-8")
        document.write_text(with_table(text, in_order), encoding="utf-8")


def remember(reports: Iterable[SuiteReport], folder: Path = RESULTS) -> None:
    """Add a run to the history, one line of JSON."""
    with (folder / _HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps([_short(report) for report in reports]) + "\n")


def with_table(text: str, reports: Sequence[SuiteReport]) -> str:
    """Return a document with the table between its two marks replaced.

    Raises:
        ValueError: a mark is missing.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the document has no {BEGIN!r} ... {END!r}")
    table = markdown_table([row for report in reports for row in report.rows])
    return f"{before}{begin}\n\n{table}\n{_origins(reports)}\n{end}{after}"


def _origins(reports: Sequence[SuiteReport]) -> str:
    """Return a line for each group of suites that were measured together."""
    groups: dict[tuple[object, ...], list[SuiteReport]] = {}
    for report in reports:
        where = (report.machine["cpu"], report.machine["cores"], report.machine["python"])
        key = (*where, report.machine["commit"], report.scope, report.when.partition(" ")[0])
        groups.setdefault(key, []).append(report)
    lines = []
    for (cpu, cores, python, commit, scope, day), members in groups.items():
        names = ", ".join(f"{each.suite} ({each.foreign_load:.0%})" for each in members)
        lines.append(
            f"- {names}: {cpu}, {cores} cores, Python {python}, commit {commit}, {day},"
            f" {scope} run; in brackets the share of the machine that other programs had"
        )
    return "\n".join(lines) + "\n"


def _short(report: SuiteReport) -> dict[str, Any]:
    """Return what is worth comparing over the years."""
    values = {
        f"{row.metric} | {row.baseline}": row.value for row in report.rows if row.value is not None
    }
    plain = report.as_json()
    del plain["rows"]
    return plain | {"values": values}


def _parse(plain: dict[str, Any]) -> SuiteReport:
    rows = [
        Row(**{name: value for name, value in row.items() if name != "result"})
        for row in plain["rows"]
    ]
    return SuiteReport(**plain | {"rows": rows})
