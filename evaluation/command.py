# SPDX-License-Identifier: GPL-3.0-or-later
"""What `maquette evaluate` does: one pack, or two side by side, and the files that tell of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .course import OnProgress
from .html_report import build_page
from .report import EvaluationReport
from .run import evaluate
from .settings import EvaluationSettings
from .sheet import make_sheet

__all__ = ["Comparison", "EvaluationSettings", "compare", "make_sheet"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One report, or two of the same settings."""

    reports: tuple[EvaluationReport, ...]

    def to_json(self) -> dict[str, object]:
        """Return the first pack's numbers, and under `against` the second's."""
        first, *others = (report.to_json() for report in self.reports)
        return first | ({"against": others[0]} if others else {})

    def to_text(self) -> str:
        """Return the numbers for people."""
        return "\n\n".join(report.to_text() for report in self.reports)

    def write(self, path: Path) -> None:
        """Write the page, and the numbers as JSON beside it; neither is ever half there.

        Raises:
            OSError: a file cannot be written.
        """
        _replace(path, build_page(self.reports))
        _replace(json_beside(path), json.dumps(self.to_json(), indent=1) + "\n")


def json_beside(path: Path) -> Path:
    """Return where the numbers of a page stand."""
    return path.with_suffix(".json")


def compare(
    pack_dirs: Sequence[Path],
    settings: EvaluationSettings,
    *,
    report: Path | None,
    on_progress: OnProgress,
    cancel: threading.Event,
) -> Comparison:
    """Ask one or two packs the same and write what was found; blocks for minutes.

    What was found so far lies beside the report until it is finished, so that the same command
    goes on where it was stopped.

    Args:
        pack_dirs: folders of the packs.
        settings: what to measure.
        report: the page to write, if any; its folder must be there.
        on_progress: told the stage and the fraction done.
        cancel: set it to stop.

    Raises:
        GenerationError: as `run.evaluate` does.
        OSError: a file cannot be written.
    """
    journals = [
        report.with_suffix(f".{number}.partial.jsonl") if report else None
        for number in range(1, len(pack_dirs) + 1)
    ]
    reports = tuple(
        evaluate(
            pack_dir,
            settings,
            on_progress=partial(_of_one, on_progress, number, len(pack_dirs)),
            cancel=cancel,
            journal=journal,
        )
        for number, (pack_dir, journal) in enumerate(zip(pack_dirs, journals, strict=True))
    )
    found = Comparison(reports)
    if report is not None:
        found.write(report)
        for journal in journals:
            if journal is not None:
                journal.unlink(missing_ok=True)
    return found


def _of_one(on_progress: OnProgress, number: int, count: int, stage: str, fraction: float) -> None:
    """Tell the progress of one pack of several as that of the whole."""
    label = stage if count == 1 else f"{stage} (pack {number + 1} of {count})"
    on_progress(label, (number + fraction) / count)


def _replace(path: Path, text: str) -> None:
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
