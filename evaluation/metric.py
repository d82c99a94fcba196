# SPDX-License-Identifier: GPL-3.0-or-later
"""One number of a report: its name in JSON, its words, its value or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from .course import Missing

Unit = Literal["share", "dB", "ratio", "percent", "seconds", "count"]
"""`share` is a proportion of cases, with an interval; `percent` any other fraction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number."""

    key: str
    """Its name in JSON."""
    label: str
    group: str
    unit: Unit
    value: float | None = None
    interval: tuple[float, float] | None = None
    """95 % of it."""
    num: int | None = None
    """Cases that it was counted over."""
    missing: Missing | None = None
    is_shown: bool = True
    """Whether people are told it; False for a second name of a number."""

    def to_json(self) -> dict[str, object]:
        """Return the number with its interval and its count, where it has them."""
        stem = self.key.removesuffix("_accuracy")
        is_whole = self.unit == "count" and self.value is not None
        content: dict[str, object] = {self.key: int(self.value or 0) if is_whole else self.value}
        if self.unit == "share":
            content[f"{stem}_interval"] = self.interval
            content[f"{stem}_n"] = self.num or 0
        return content

    def to_text(self) -> str:
        """Return the number for people, or why there is none."""
        if self.value is None:
            return str(self.missing) if self.missing else "none asked"
        shown = show(self.value, self.unit)
        if self.interval is None or not self.num:
            return shown
        low, high = self.interval
        right = round(self.value * self.num)
        span = f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"
        return f"{shown} ({right} of {self.num}; {span})"


def show(value: float, unit: Unit) -> str:
    """Return a value with its unit."""
    match unit:
        case "share" | "percent":
            return f"{100 * value:.1f} %"
        case "dB":
            return f"{value:.1f} dB"
        case "ratio":
            return f"{value:.3f}"
        case "seconds":
            return f"{value:.2f} s"
        case "count":
            return f"{value:g}"
