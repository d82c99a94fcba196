# SPDX-License-Identifier: GPL-3.0-or-later
"""The command `maquette`: arguments in, exit code out."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .. import weights_fetch
from ..core.version import VERSION
from . import check, dataset, demo, doctor, encode, evaluate, generate_arguments, weights
from .blend_export import end_process
from .errors import EXIT_CODES_HELP, ExitCode, InterruptedByUserError
from .output import Console, prepare_streams
from .parser import Parser, Subparsers


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of every command; each command sets `run`."""
    parser = Parser(
        prog="maquette",
        description="Turn a sentence into a textured mesh.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"maquette {VERSION}")
    subparsers: Subparsers = parser.add_subparsers(
        dest="command", required=True, metavar="COMMAND", parser_class=Parser
    )
    generate_arguments.add_parser(subparsers)
    encode.add_parser(subparsers)
    weights.add_parser(subparsers).set_defaults(run=weights.run)
    check.add_parser(subparsers)
    doctor.add_parser(subparsers)
    evaluate.add_parser(subparsers)
    demo.add_parser(subparsers)
    dataset.add_parser(subparsers)
    return parser


def main() -> int:
    """Run the process's own command line; the entry point of the installed program."""
    code = run_command(sys.argv[1:])
    if "bpy" in sys.modules:
        end_process(code)
    return code


def run_command(words: Sequence[str]) -> int:
    """Run one command and return its exit code; raises nothing, whatever goes wrong.

    Args:
        words: the arguments, without the program's name.
    """
    prepare_streams()
    # Known before parsing, since the arguments themselves may be what is wrong.
    console = Console(json_mode="--json" in words, quiet="--quiet" in words)
    try:
        # Packs that the user made are among those that can be chosen.
        weights_fetch.find_own_packs(_packs_root(words))
        arguments = build_parser().parse_args(words)
        code = int(arguments.run(arguments, console))
    except KeyboardInterrupt:
        code = console.report(InterruptedByUserError())
    except BrokenPipeError:
        code = ExitCode.FAILED  # Whoever read our output has left; nobody is there to be told.
    except Exception as error:  # noqa: BLE001 - also a bug must become an exit code and JSON
        code = console.report(error)
    _forget_unwritten_output()
    return code


def _packs_root(words: Sequence[str]) -> Path:
    """Return the packs folder that the arguments name, before they are parsed, or the usual one."""
    folder = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    folder.add_argument("--packs-dir", "--packs-folder", type=Path, dest="root")
    with suppress(argparse.ArgumentError):  # The command's own parser will say what is wrong.
        chosen: Path | None = folder.parse_known_args(words)[0].root
        if chosen is not None:
            return chosen
    return weights_fetch.default_packs_root()


def _forget_unwritten_output() -> None:
    """Keep Python from complaining at its end about output that nobody takes."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
