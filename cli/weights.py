# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette weights`: list, fetch, verify and import model packs."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .. import weights_fetch
from ..weights_fetch import PACKS, PackState, WeightsError, describe_bytes
from .errors import ExitCode, InterruptedByUserError, exit_code
from .interrupt import cancel_on_interrupt
from .output import Console

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

Action: TypeAlias = Callable[[argparse.Namespace, Console, threading.Event], ExitCode]
"""What one word after `weights` does; the event is set by Ctrl-C."""

DEFAULT_PACK = "shap-e"


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add `weights` with its four actions to the command line."""
    parser = subparsers.add_parser(
        "weights", help="list, fetch, verify and import model packs", description=__doc__
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    _add_action(actions, "list", _list, "show every pack and what of it is on this machine")

    fetch = _add_action(actions, "fetch", _fetch, "fetch a pack from the Hugging Face hub")
    fetch.add_argument("pack", nargs="?", default=DEFAULT_PACK, metavar="PACK", help=_PACK_HELP)
    fetch.add_argument(
        "--part",
        action="append",
        dest="parts",
        metavar="PART",
        help="text or image; may be given twice (default: every part)",
    )
    fetch.add_argument(
        "--endpoint", metavar="URL", help="a mirror of the hub (default: HF_ENDPOINT)"
    )
    fetch.add_argument("--offline", action="store_true", help="only check that nothing is missing")

    verify = _add_action(actions, "verify", _verify, "compare every file's content with its hash")
    verify.add_argument(
        "packs", nargs="*", metavar="PACK", help="default: every pack on this machine"
    )

    import_ = _add_action(actions, "import", _import, "copy a pack from a folder or a USB stick")
    import_.add_argument(
        "source",
        type=Path,
        metavar="FOLDER",
        help="a copy of the hub's repositories, its cache, a pack, or OpenAI's original files",
    )
    import_.add_argument("--pack", default=DEFAULT_PACK, metavar="PACK", help=_PACK_HELP)
    return parser


def run(args: argparse.Namespace, console: Console | None = None) -> int:
    """Run one action and return the exit code; failures are written as one sentence.

    Args:
        args: what a parser from `add_parser` made of the arguments.
        console: where to write; None makes one that obeys `--json`.
    """
    console = console or Console(json_mode=args.json)
    action: Action = args.act
    try:
        with cancel_on_interrupt() as cancel:
            return action(args, console, cancel)
    except (WeightsError, InterruptedByUserError) as error:
        return console.report(error)


_PACK_HELP = f"{' or '.join(PACKS)} (default: {DEFAULT_PACK})"


def _add_action(
    actions: Subparsers,
    name: str,
    act: Action,
    summary: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=summary, description=f"{summary.capitalize()}.")
    parser.add_argument(
        "--packs-dir",
        "--packs-folder",
        dest="packs_folder",
        type=Path,
        metavar="DIR",
        help="where packs live (default: MAQUETTE_PACKS, else the user's data folder)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.set_defaults(act=act)
    return parser


def _list(args: argparse.Namespace, console: Console, cancel: threading.Event) -> ExitCode:
    root = _packs_root(args)
    states = [weights_fetch.pack_state(pack_id, root) for pack_id in PACKS]
    rows = [("PACK", "ON THIS MACHINE", "TO FETCH", "LICENCE")]
    for state in states:
        info = PACKS[state.pack_id]
        sizes = (f"{part} {describe_bytes(info.fetch_size((part,)))}" for part in info.parts)
        to_fetch = "comes with Maquette" if info.bundled else ", ".join(sizes)
        rows.append((info.id, state.message, to_fetch, info.licence))
    console.answer(
        {"packs_folder": str(root), "packs": [_as_json(state) for state in states]},
        f"{_table(rows)}\nPacks folder: {root}",
    )
    return ExitCode.OK


def _fetch(args: argparse.Namespace, console: Console, cancel: threading.Event) -> ExitCode:
    root = _packs_root(args)
    parts = tuple(dict.fromkeys(args.parts)) if args.parts else None
    info = PACKS.get(args.pack)
    if info is not None and not info.bundled and not args.offline:
        console.say(f"{info.title}, licence {info.licence}, see {info.source}")
    state = weights_fetch.fetch_pack(
        args.pack,
        root,
        parts=parts,
        online=not args.offline,
        endpoint=args.endpoint,
        on_progress=_progress(console, "fetching"),
        cancel=cancel,
    )
    return _answer(console, state)


def _import(args: argparse.Namespace, console: Console, cancel: threading.Event) -> ExitCode:
    root = _packs_root(args)
    state = weights_fetch.import_pack(
        args.source, args.pack, root, on_progress=_progress(console, "importing"), cancel=cancel
    )
    if not state.ready_parts:
        # What was found is kept; the error says what is still missing.
        weights_fetch.pack_directory(args.pack, root)
    return _answer(console, state)


def _verify(args: argparse.Namespace, console: Console, cancel: threading.Event) -> ExitCode:
    root = _packs_root(args)
    found = (p for p in PACKS if weights_fetch.pack_state(p, root).status != "missing")
    code = ExitCode.OK
    results: list[dict[str, object]] = []
    lines: list[str] = []
    for pack_id in args.packs or found:
        try:
            progress = _progress(console, "verifying")
            state = weights_fetch.verify_pack(pack_id, root, on_progress=progress, cancel=cancel)
            lines.append(f"{pack_id}: verified, {state.message}")
            results.append(_as_json(state) | {"error": None})
        except (weights_fetch.UnknownPackError, weights_fetch.FetchCancelledError):
            raise
        except WeightsError as error:
            code = exit_code(error)
            lines.append(f"{pack_id}: {error}")
            state = weights_fetch.pack_state(pack_id, root)
            results.append(_as_json(state) | {"error": str(error)})
    console.answer({"packs": results}, "\n".join(lines) or "There is no pack on this machine")
    return code


def _packs_root(args: argparse.Namespace) -> Path:
    chosen: Path | None = args.packs_folder
    return chosen or weights_fetch.default_packs_root()


def _progress(console: Console, verb: str) -> weights_fetch.OnBytes:
    def show(done: int, total: int, file: str) -> None:
        console.progress(f"{verb} {file}", done / total if total else 1.0)

    return show


def _answer(console: Console, state: PackState) -> ExitCode:
    console.answer(_as_json(state), f"{state.pack_id}: {state.message} in {state.folder}")
    return ExitCode.OK


def _as_json(state: PackState) -> dict[str, object]:
    info = PACKS[state.pack_id]
    return {
        "pack": info.id,
        "title": info.title,
        "licence": info.licence,
        "source": info.source,
        "bundled": info.bundled,
        "status": state.status,
        "message": state.message,
        "folder": str(state.folder),
        "parts": list(info.parts),
        "ready_parts": list(state.ready_parts),
        "missing": list(state.missing),
        "damaged": list(state.damaged),
        "bytes_on_disk": state.bytes_on_disk,
        "fetch_bytes": info.fetch_size(info.parts),
    }


def _table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)
