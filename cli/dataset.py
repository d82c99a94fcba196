# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette dataset build`: one's own assets as training data."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from ..datasets.build import BuildReport, BuildRequest, build_dataset
from ..datasets.layout import REPORT_FILE
from ..datasets.settings import BuildSettings
from ..datasets.sources import SUFFIXES, SourceError, read_captions
from .blend_export import require_bpy
from .errors import EXIT_CODES_HELP, ExitCode, OutputError, UsageError, writing
from .interrupt import cancel_on_interrupt, raise_if_interrupted
from .output import Console
from .parser import Subparsers, number, whole_number

MAX_JOBS = 256
_DEFAULTS = BuildSettings()
_OPTIONS = {
    "num_points": "--points",
    "num_views": "--views",
    "view_size": "--size",
    "num_distances": "--distances",
    "shard_size": "--shard-size",
    "seed": "--seed",
}
"""What settings are called on the command line."""


def add_parser(subparsers: Subparsers) -> None:
    """Add `dataset` to the command line."""
    parser = subparsers.add_parser(
        "dataset",
        help="make training data of your own assets",
        description="Make training data of your own assets.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    build = actions.add_parser(
        "build",
        help="read a folder of assets and write shards",
        description=(
            f"Read every {', '.join(SUFFIXES)} in a folder through Blender and write its points,"
            " views and captions as tar shards.\nRun it again to go on with a build that was"
            " stopped, or to add assets that are new."
        ),
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_arguments(build)
    build.set_defaults(run=run)


def _add_arguments(build: argparse.ArgumentParser) -> None:
    build.add_argument("folder", type=Path, metavar="FOLDER", help="your assets")
    build.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    build.add_argument(
        "--captions",
        type=Path,
        metavar="CSV",
        help="table with the columns file and caption; else what assets say of themselves,"
        " else their names",
    )
    build.add_argument(
        "--cameras",
        choices=("sphere", "ring"),
        default=_DEFAULTS.cameras,
        help="all around at random, or evenly around at one elevation (default: %(default)s)",
    )
    for name, default, what in (
        ("--points", _DEFAULTS.num_points, "points of a cloud"),
        ("--views", _DEFAULTS.num_views, "views of an asset"),
        ("--size", _DEFAULTS.view_size, "pixels per side of a view"),
        ("--distances", _DEFAULTS.num_distances, "signed distances of a closed mesh, 0 for none"),
        ("--shard-size", _DEFAULTS.shard_size, "assets per shard"),
        ("--seed", _DEFAULTS.seed, "of everything that is drawn"),
        ("--jobs", max(1, (os.cpu_count() or 2) // 2), "Blenders at a time"),
    ):
        help_text = f"{what} (default: %(default)s)"
        build.add_argument(name, type=whole_number, default=default, metavar="N", help=help_text)
    build.add_argument(
        "--time-limit",
        type=number,
        default=600.0,
        metavar="SECONDS",
        help="for one asset (default: %(default)g)",
    )
    build.add_argument("--json", action="store_true", help="write one JSON object")
    build.add_argument("--quiet", action="store_true", help="write no progress")


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Build a data set and say what it holds.

    Raises:
        UsageError: a folder, the table or a number cannot be used.
        MissingPackageError: Blender's module is not there.
        OutputError: the data set cannot be written.
        InterruptedByUserError: Ctrl-C; what is done is kept.
    """
    request = _request(arguments)
    require_bpy()
    with cancel_on_interrupt() as cancel, writing(arguments.output):
        try:
            report = build_dataset(request, console.progress, cancel)
        except SourceError as error:
            raise UsageError(str(error)) from error
        except OSError as error:
            if error.errno is None:
                raise OutputError(arguments.output, str(error)) from error
            raise
        raise_if_interrupted(cancel)
    for warning in report.warnings:
        console.warn(warning)
    for each in report.bad:
        console.warn(f"left out {each['file']}: {each['reason']}")
    console.answer(report.to_json(), _to_text(report))
    return ExitCode.OK if report.num_samples else ExitCode.FAILED


def _request(arguments: argparse.Namespace) -> BuildRequest:
    if not 1 <= arguments.jobs <= MAX_JOBS:
        raise UsageError(f"--jobs must be from 1 to {MAX_JOBS}, got {arguments.jobs}")
    if not 1 <= arguments.time_limit <= 86_400:
        raise UsageError(
            f"--time-limit must be from 1 to 86400 seconds, got {arguments.time_limit:g}"
        )
    try:
        settings = BuildSettings(
            num_points=arguments.points,
            num_views=arguments.views,
            view_size=arguments.size,
            cameras=arguments.cameras,
            num_distances=arguments.distances,
            shard_size=arguments.shard_size,
            seed=arguments.seed,
        )
        captions = read_captions(arguments.captions) if arguments.captions else {}
    except SourceError as error:
        raise UsageError(str(error)) from error
    except ValueError as error:
        name, _, rest = str(error).partition(" ")
        raise UsageError(f"{_OPTIONS[name]} {rest}") from error
    return BuildRequest(
        assets=arguments.folder,
        output=arguments.output,
        settings=settings,
        captions=captions,
        jobs=arguments.jobs,
        limit_seconds=arguments.time_limit,
    )


def _to_text(report: BuildReport) -> str:
    where = report.folder / REPORT_FILE
    lines = [
        f"{_count(report.num_samples, 'asset')} in {_count(len(report.shards), 'shard')} in"
        f" {report.folder}, {report.num_closed} closed"
    ]
    if report.bad:
        lines.append(f"{_count(len(report.bad), 'asset')} left out, see {where}")
    if report.notes:
        lines.append(f"{_count(len(report.notes), 'asset')} with guessed colors, see {where}")
    return "\n".join(lines)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"
