# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette doctor`: what a bug report needs to know about this installation, and a self-test."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import weights_fetch
from . import examine, memory
from .errors import EXIT_CODES_HELP, ExitCode
from .interrupt import cancel_on_interrupt
from .output import Console
from .parser import Subparsers
from .self_test import SelfTest, run_self_test


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
    versions = examine.versions()
    compute = examine.compute()
    packs = [weights_fetch.pack_state(pack_id, root) for pack_id in weights_fetch.PACKS]
    test = SelfTest(status="skipped", message="not asked for")
    if not arguments.no_self_test:
        with cancel_on_interrupt() as cancel:
            test = run_self_test(root, on_progress=console.progress, cancel=cancel)
    value: dict[str, object] = {
        "versions": versions,
        "compute": compute.to_json(),
        "memory": {"total_bytes": memory.total_bytes(), "peak_bytes": memory.peak_bytes()},
        "packs_folder": str(root),
        "packs": [
            {
                "pack": state.pack_id,
                "status": state.status,
                "message": state.message,
                "folder": str(state.folder),
            }
            for state in packs
        ],
        "self_test": test.to_json(),
    }
    lines = [
        *_section("Versions", list(versions.items())),
        *_section("Computing", compute.to_rows()),
        *_section("Model packs", [(s.pack_id, f"{s.message} ({s.folder})") for s in packs]),
        *_section("Self-test", [(test.status, test.message)]),
    ]
    console.answer(value, "\n".join(lines))
    return test.exit_code


def _section(title: str, rows: list[tuple[str, str]]) -> list[str]:
    width = max(len(name) for name, _ in rows)
    return [title, *(f"  {name.ljust(width)}  {text}" for name, text in rows)]
