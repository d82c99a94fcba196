# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette doctor`: what a bug report needs to know about this installation, and a self-test."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from .. import weights_fetch
from ..engine import doctor
from ..engine.self_test import SelfTest, run_self_test
from . import engine
from .errors import EXIT_CODES_HELP, ExitCode, MissingPackageError, exit_code
from .interrupt import cancel_on_interrupt
from .output import Console
from .parser import Subparsers


def add_parser(subparsers: Subparsers) -> None:
    """Add `doctor` to the command line."""
    parser = subparsers.add_parser(
        "doctor",
        help="show versions, devices, memory and packs, and try a small generation",
        description="Show what a bug report needs to know, and try a very small generation.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--packs-dir", "--packs-folder", type=Path, metavar="DIR")
    parser.add_argument("--no-self-test", action="store_true", help="only look, generate nothing")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write no progress")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Write the report; fails only if the self-test does."""
    root = arguments.packs_dir or weights_fetch.default_packs_root()
    console.progress("Looking around", 0.0)
    test = SelfTest(status="skipped", message="not asked for")
    if not arguments.no_self_test:
        with cancel_on_interrupt() as cancel:
            test = _try(root, console, cancel)
    report = doctor.report(root, test)
    code = _exit_code(test)
    value = report.to_json()
    value["self_test"] = test.to_json() | {"exit_code": int(code)}
    console.answer(value, report.to_text())
    return code


def _try(root: Path, console: Console, cancel: threading.Event) -> SelfTest:
    try:
        return run_self_test(
            root, engine.load_pipeline, on_progress=console.progress, cancel=cancel
        )
    except MissingPackageError as error:
        return SelfTest(status="failed", message=str(error), error=error)


def _exit_code(test: SelfTest) -> ExitCode:
    if test.error is not None:
        return exit_code(test.error)
    return ExitCode.FAILED if test.status == "failed" else ExitCode.OK
