# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette evaluate`: how well a pack does what prompts ask for."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, cast

from .. import weights_fetch
from .errors import EXIT_CODES_HELP, ExitCode, UsageError
from .output import Console
from .parser import Subparsers, whole_number

MODULE = "..evaluation.run"
MAX_PROMPTS = 100_000


class EvaluationReport(Protocol):
    """What an evaluation found."""

    def to_json(self) -> dict[str, object]:
        """Return the numbers by name."""

    def to_text(self) -> str:
        """Return the numbers for people."""


class Evaluate(Protocol):
    """`evaluate` of evaluation.run."""

    def __call__(
        self,
        pack_dir: Path,
        *,
        num_prompts: int,
        seed: int,
        on_progress: Callable[[str, float], None],
    ) -> EvaluationReport:
        """Judge the pack in a folder."""


def add_parser(subparsers: Subparsers) -> None:
    """Add `evaluate` to the command line."""
    parser = subparsers.add_parser(
        "evaluate",
        help="measure how well a pack does what prompts ask for",
        description="Generate from prompts kept out of training, and judge the results.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--pack",
        choices=tuple(weights_fetch.PACKS),
        default="starter",
        help="default: %(default)s",
    )
    parser.add_argument("--packs-dir", "--packs-folder", type=Path, metavar="DIR")
    parser.add_argument(
        "-n",
        dest="num_prompts",
        type=whole_number,
        default=200,
        metavar="N",
        help="prompts (default: %(default)s)",
    )
    parser.add_argument("--seed", type=whole_number, default=0, metavar="S")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write no progress")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Judge a pack and write the numbers.

    Raises:
        UsageError: a number is out of range, or evaluation is not part of this installation.
        WeightsError: the pack is not complete on this machine.
    """
    if not 1 <= arguments.num_prompts <= MAX_PROMPTS:
        raise UsageError(f"-n must be from 1 to {MAX_PROMPTS}, got {arguments.num_prompts}")
    evaluate = load_evaluate()
    root = arguments.packs_dir or weights_fetch.default_packs_root()
    report = evaluate(
        weights_fetch.pack_directory(arguments.pack, root, ("text",)),
        num_prompts=arguments.num_prompts,
        seed=arguments.seed,
        on_progress=console.progress,
    )
    console.answer(report.to_json(), report.to_text())
    return ExitCode.OK


def load_evaluate() -> Evaluate:
    """Import the judge, which only a source checkout has.

    Raises:
        UsageError: it is not here.
    """
    try:
        module = importlib.import_module(MODULE, __package__)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.endswith(("evaluation", "evaluation.run")):
            raise
        raise UsageError(
            "evaluate needs a checkout of Maquette's source: clone it and pip install -e ."
        ) from error
    return cast(Evaluate, module.evaluate)
