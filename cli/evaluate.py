# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette evaluate`: how well a pack does what prompts and pictures ask for."""

from __future__ import annotations

import argparse
import importlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

from .. import weights_fetch
from .errors import EXIT_CODES_HELP, ExitCode, UsageError, writing
from .interrupt import cancel_on_interrupt
from .output import Console
from .parser import Subparsers, whole_number

MODULE = "..evaluation.command"
MAX_PROMPTS = 100_000
SECTIONS = ("prompts", "synonyms", "two-objects", "images", "reconstruction", "diversity")
SHEET_SAMPLES = 100

OnProgress = Callable[[str, float], None]


class Comparison(Protocol):
    """What an evaluation found."""

    def to_json(self) -> dict[str, object]:
        """Return the numbers by name."""

    def to_text(self) -> str:
        """Return the numbers for people."""


class Evaluation(Protocol):
    """The module evaluation.command."""

    EvaluationSettings: Callable[..., Any]

    def compare(
        self,
        pack_dirs: Sequence[Path],
        settings: object,
        *,
        report: Path | None,
        on_progress: OnProgress,
        cancel: threading.Event,
    ) -> Comparison:
        """Judge the packs in some folders."""

    def make_sheet(
        self,
        pack_dir: Path,
        path: Path,
        *,
        count: int,
        seed: int,
        on_progress: OnProgress,
        cancel: threading.Event,
    ) -> dict[str, object]:
        """Save random results as one picture."""


def add_parser(subparsers: Subparsers) -> None:
    """Add `evaluate` to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure how well a pack does what prompts ask for",
        description=(
            "Ask a pack for what was kept out of training, and judge the results.\n"
            "With --report, a run that was stopped goes on when it is given again."
        ),
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = ", ".join(weights_fetch.PACKS)
    parser.add_argument(
        "--pack",
        default="starter",
        metavar="PACK",
        help=f"{names}, or a folder with a pack (default: %(default)s)",
    )
    parser.add_argument(
        "--against", metavar="PACK", help="a second pack, to stand beside the first"
    )
    parser.add_argument("--packs-dir", "--packs-folder", type=Path, metavar="DIR")
    parser.add_argument(
        "-n",
        dest="num_prompts",
        type=whole_number,
        default=200,
        metavar="N",
        help="held-out prompts (default: %(default)s)",
    )
    parser.add_argument(
        "--samples",
        type=whole_number,
        metavar="N",
        help="at most so many cases of everything, for a cheap look",
    )
    parser.add_argument(
        "--only", nargs="+", choices=SECTIONS, metavar="PART", help=f"any of: {', '.join(SECTIONS)}"
    )
    parser.add_argument("--seed", type=whole_number, default=0, metavar="S")
    _add_outputs(parser)
    parser.set_defaults(run=run)


def _add_outputs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--clip",
        default="",
        metavar="MODEL",
        help="CLIP for R-precision: a folder in open_clip's format, or NAME,WEIGHTS",
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write a page, and JSON beside it"
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FILE.png",
        help=f"only save random results as one picture, --samples of them or {SHEET_SAMPLES}",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write no progress")


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Judge packs and write the numbers.

    Raises:
        UsageError: a number is out of range, or evaluation is not part of this installation.
        WeightsError: a pack is not complete on this machine.
        GenerationError: a pack cannot be used.
        OutputError: a file cannot be written.
    """
    _require_numbers(arguments)
    evaluation = load_evaluation()
    packs = [_pack_dir(name, arguments.packs_dir) for name in _names(arguments)]
    with cancel_on_interrupt() as cancel:
        if arguments.sheet is not None:
            return _make_sheet(evaluation, packs[0], arguments, console, cancel)
        settings = evaluation.EvaluationSettings(
            sections=tuple(arguments.only or SECTIONS),
            num_prompts=arguments.num_prompts,
            samples=arguments.samples,
            seed=arguments.seed,
            clip=arguments.clip,
        )
        with writing(arguments.report or Path("the report")):
            found = evaluation.compare(
                packs,
                settings,
                report=arguments.report,
                on_progress=console.progress,
                cancel=cancel,
            )
    console.answer(found.to_json(), found.to_text())
    return ExitCode.OK


def _make_sheet(
    evaluation: Evaluation,
    pack_dir: Path,
    arguments: argparse.Namespace,
    console: Console,
    cancel: threading.Event,
) -> ExitCode:
    with writing(arguments.sheet):
        facts = evaluation.make_sheet(
            pack_dir,
            arguments.sheet,
            count=arguments.samples or SHEET_SAMPLES,
            seed=arguments.seed,
            on_progress=console.progress,
            cancel=cancel,
        )
    console.answer(facts, f"{facts['samples']} random results are in {arguments.sheet}")
    return ExitCode.OK


def _require_numbers(arguments: argparse.Namespace) -> None:
    for name, value in (("-n", arguments.num_prompts), ("--samples", arguments.samples)):
        if value is not None and not 1 <= value <= MAX_PROMPTS:
            raise UsageError(f"{name} must be from 1 to {MAX_PROMPTS}, got {value}")
    for name, path, suffix in (
        ("--report", arguments.report, ".html"),
        ("--sheet", arguments.sheet, ".png"),
    ):
        if path is not None and path.suffix.lower() != suffix:
            raise UsageError(f"{name} must name a {suffix} file, got {path}")
        if path is not None and not path.parent.is_dir():
            raise UsageError(f"the folder of {name} does not exist, create it first: {path.parent}")


def _names(arguments: argparse.Namespace) -> list[str]:
    return [arguments.pack] if arguments.against is None else [arguments.pack, arguments.against]


def _pack_dir(name: str, packs_dir: Path | None) -> Path:
    """Return the folder of a pack of the table, or the one that was named."""
    if name in weights_fetch.PACKS:
        root = packs_dir or weights_fetch.default_packs_root()
        return weights_fetch.pack_directory(name, root)
    folder = Path(name)
    if not folder.is_dir():
        names = ", ".join(weights_fetch.PACKS)
        raise UsageError(f"there is no pack {name!r}: name one of {names}, or its folder")
    return folder.resolve()


def load_evaluation() -> Evaluation:
    """Import the judges, which only a source checkout has.

    Raises:
        UsageError: they are not here.
    """
    try:
        module = importlib.import_module(MODULE, __package__)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.endswith(("evaluation", "evaluation.command")):
            raise
        raise UsageError(
            "evaluate needs a checkout of Maquette's source: clone it and pip install -e ."
        ) from error
    return cast(Evaluation, module)
