# SPDX-License-Identifier: GPL-3.0-or-later
"""One line of the table: a figure, its goal, and whether missing it is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from .timing import Timing

Result = Literal["pass", "miss", "skipped", "shown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A figure and what it is worth."""

    metric: str
    baseline: str = ""
    """What it is a ratio to; empty for figures that stand alone."""
    value: float | None = None
    """None where it was not measured; `note` then says why."""
    goal: float | None = None
    at_most: bool = False
    """Whether the goal is a limit that may not be exceeded."""
    unit: str = "x"
    is_gated: bool = True
    """Whether a missed goal is an error."""
    wall_value: float | None = None
    """The same ratio in wall seconds, which counts for nothing on a shared machine."""
    foreign_load: float | None = None
    note: str = ""
    """Why it was skipped or is not gated, or what the figure is made of."""
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def result(self) -> Result:
        """Whether the goal is met."""
        if self.value is None:
            return "skipped"
        if self.goal is None:
            return "shown"
        is_met = self.value <= self.goal if self.at_most else self.value >= self.goal
        return "pass" if is_met else "miss"

    @property
    def is_failure(self) -> bool:
        """Whether this row alone makes the run fail."""
        return self.is_gated and self.result == "miss"

    def as_json(self) -> dict[str, object]:
        """Return plain values, the result included."""
        return asdict(self) | {"details": dict(self.details), "result": self.result}


def ratio_row(metric: str, ours: Timing, theirs: Timing, *, baseline: str, **others: object) -> Row:
    """Return how many times more processor seconds the baseline took."""
    given = {"details": {}} | others
    return Row(
        metric=metric,
        baseline=baseline,
        value=theirs.cpu_seconds / ours.cpu_seconds,
        wall_value=theirs.wall_seconds / ours.wall_seconds,
        foreign_load=max(ours.foreign_load, theirs.foreign_load),
        **given
        | {"details": {"ours": asdict(ours), "baseline": asdict(theirs)} | dict(given["details"])},
    )


_HEADINGS = ("metric", "against", "goal", "measured", "wall", "load", "gated", "result", "note")


def cells(row: Row) -> tuple[str, ...]:
    """Return the columns of a row as text, in the order of the headings."""
    goal = (
        "" if row.goal is None else f"{'≤' if row.at_most else '≥'} {_amount(row.goal, row.unit)}"
    )
    return (
        row.metric,
        row.baseline,
        goal,
        "" if row.value is None else _amount(row.value, row.unit),
        "" if row.wall_value is None else _amount(row.wall_value, row.unit),
        "" if row.foreign_load is None else f"{row.foreign_load:.0%}",
        "" if row.goal is None else "yes" if row.is_gated else "no",
        row.result,
        row.note,
    )


def text_table(rows: Iterable[Row]) -> str:
    """Return an aligned table for a terminal."""
    lines = [_HEADINGS, *map(cells, rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(_HEADINGS))]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        + "\n"
        for line in lines
    )


def markdown_table(rows: Iterable[Row]) -> str:
    """Return a table for the documentation."""
    lines = [_HEADINGS, ("---",) * len(_HEADINGS), *map(cells, rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _amount(value: float, unit: str) -> str:
    number = f"{value:.3g}" if value < 100 else f"{value:.0f}"
    return f"{number}x" if unit == "x" else f"{number} {unit}".strip()
