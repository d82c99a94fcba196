# SPDX-License-Identifier: GPL-3.0-or-later
"""How much faster than the usual ways, as ratios within one run; `make bench`.

Goals count processor seconds of all threads, which hardly change when other programs share the
machine; wall seconds are shown beside them. Exit status 1: a gated goal was missed.
Usage: python -m maquette.benchmarks.run [--suite eval,field] [--quick | --full] [--save]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib import import_module
from pathlib import Path

from .options import Options, Suite
from .report import RESULTS, SuiteReport, keep, read_reports, remember
from .rows import Row, text_table
from .shapes import NAMES
from .timing import Load, machine

SUITES: dict[Suite, str] = {
    "eval": "evaluation",
    "sampler": "sampler",
    "field": "field",
    "iso": "iso",
    "decode": "decode",
    "texture": "texture",
    "e2e": "whole",
    "memory": "memory",
    "starter": "starter",
}
"""Module of each suite; all have `rows(options)`."""

Measure = Callable[[Suite, Options], list[Row]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites that are asked for, print the table and return the exit status."""
    asked = _parser().parse_args(arguments)
    suites = [name for name in SUITES if name in asked.suite]
    options = Options(
        runs=asked.runs,
        is_quick=asked.quick,
        is_full=asked.full,
        shapes=tuple(asked.shape),
        uses_kept=asked.kept and "eval" not in suites,
    )
    if asked.report:
        reports = [each for each in read_reports() if each.suite in suites]
    else:
        _limit_threads(asked.threads)
        reports = []
        for report in measure_all(suites, options, measure):
            reports.append(report)
            if asked.save:
                keep([report], list(SUITES))
        if asked.save:
            remember(reports)
    if asked.json:
        text = json.dumps([report.as_json() for report in reports], indent=1) + "\n"
        Path(asked.json).write_text(text, encoding="utf-8")
    rows = [row for report in reports for row in report.rows]
    sys.stdout.write("\n" + text_table(rows))
    return exit_status(rows)


def measure_all(
    suites: Sequence[Suite], options: Options, measure: Measure
) -> Iterator[SuiteReport]:
    """Run suites one after the other, telling each on stderr."""
    for name in suites:
        sys.stderr.write(f"{name} ...\n")
        with Load() as load:
            rows = measure(name, options)
        sys.stderr.write(text_table(rows))
        yield SuiteReport(
            suite=name,
            rows=rows,
            machine=machine(),
            when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
            wall_seconds=round(load.wall_seconds, 1),
            foreign_load=round(load.foreign_load, 3),
            scope="quick" if options.is_quick else "full" if options.is_full else "normal",
        )


def measure(suite: Suite, options: Options) -> list[Row]:
    """Run one suite."""
    module = import_module(f".suites.{SUITES[suite]}", __package__)
    rows: list[Row] = module.rows(options)
    return rows


def exit_status(rows: Sequence[Row]) -> int:
    """Return 1 where a gated goal was missed, else 0."""
    return int(any(row.is_failure for row in rows))


def _limit_threads(count: int) -> None:
    # torch is imported by core.device, which sets the thread policy first.
    from ..core import device
    import torch  # isort: skip

    torch.set_num_threads(count or device.limit_threads(0))


def _some_of(known: Collection[str]) -> Callable[[str], list[str]]:
    """Return a parser of names with commas between them."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            choices = ",".join(known)
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}: choose from {choices}")
        return names

    return parse


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m maquette.benchmarks.run", description=__doc__)
    several = {"metavar": "NAME,NAME"}
    parser.add_argument("--suite", type=_some_of(SUITES), default=list(SUITES), **several)
    parser.add_argument("--shape", type=_some_of(NAMES), default=list(NAMES), **several)
    parser.add_argument("--runs", type=int, default=3, help="counted runs of each side")
    parser.add_argument("--threads", type=int, default=0, help="0: the physical cores")
    parser.add_argument("--json", metavar="FILE", help="write every figure to a file")
    parser.add_argument("--save", action="store_true", help=f"keep the run in {RESULTS.name}/")
    parser.add_argument("--report", action="store_true", help="print the kept run, measure nothing")
    parser.add_argument(
        "--kept", action="store_true", help="take what an evaluation costs from the kept run"
    )
    scope = parser.add_mutually_exclusive_group()
    scope.add_argument("--quick", action="store_true", help="a look in minutes, not for the record")
    scope.add_argument("--full", action="store_true", help="run what is else put together; hours")
    return parser


if __name__ == "__main__":
    sys.exit(main())
