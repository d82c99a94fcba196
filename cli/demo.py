# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette demo`: three prompts as .blend, .glb and picture, and what each stage took."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..core.config import GenerationRequest, SamplerChanges
from ..core.mesh import GenerationResult
from ..engine import memory
from . import blend_export, render
from .destination import Destination, publish, require_writable, staging
from .engine import open_engine
from .errors import EXIT_CODES_HELP, EXPECTED, ExitCode
from .interrupt import cancel_on_interrupt, raise_if_interrupted
from .names import file_stem
from .output import Console
from .parser import Subparsers, whole_number
from .saved import Saved

PROMPTS = {
    "a red mushroom with a white stem": 0,
    "a blue car with black wheels": 0,
    "a wooden chair": 0,
}
"""Each prompt with its seed."""
DEFAULT_FOLDER = Path("build/demo")


def add_parser(subparsers: Subparsers) -> None:
    """Add `demo` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="make three objects and photograph them",
        description="Make three objects with the starter pack on the CPU and photograph them.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="DIR",
        help="files of an earlier demo in it are replaced (default: %(default)s)",
    )
    parser.add_argument(
        "--seed", type=whole_number, metavar="S", help="of every object (default: one for each)"
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write no progress")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Make the objects of PROMPTS and write the table."""
    saved: list[Saved] = []
    with cancel_on_interrupt() as cancel:
        try:
            for each in _run(arguments, console, cancel):
                saved.append(each)
        except EXPECTED as error:
            return console.report(error, results=[each.to_json() for each in saved])
    results = [each.to_json() for each in saved]
    console.answer(
        {"results": results, "peak_memory_bytes": memory.peak_bytes()},
        f"{table(saved)}\nFiles in {arguments.output}",
    )
    return ExitCode.OK


def _run(
    arguments: argparse.Namespace, console: Console, cancel: threading.Event
) -> Iterator[Saved]:
    blend_export.require_bpy()
    require_writable(arguments.output)
    requests = tuple(
        GenerationRequest(
            prompt=prompt, seed=seed if arguments.seed is None else arguments.seed, device="cpu"
        )
        for prompt, seed in PROMPTS.items()
    )
    engine = open_engine("starter", None, SamplerChanges(), with_image=False)
    for result in engine.run(requests, on_progress=console.progress, cancel=cancel):
        raise_if_interrupted(cancel)
        for warning in result.warnings:
            console.warn(warning)
        console.note(f"Photographing {result.record.prompt!r}")
        yield _save(result, arguments.output)
        raise_if_interrupted(cancel)


def _save(result: GenerationResult, folder: Path) -> Saved:
    stem = file_stem(result.record.prompt)
    destination = Destination(folder, ".blend", stem=stem, replaces=True)
    started = time.perf_counter()
    with blend_export.muffled(), staging(folder) as stage:
        subject = blend_export.open_scene(result)
        blend_export.write_file(result, stage / f"{stem}.blend")
        blend_export.write_file(result, stage / f"{stem}.glb")
        written = time.perf_counter()
        render.render_picture(subject, stage / f"{stem}.png")
        files = publish(stage, destination)
    seconds = {"write": written - started, "render": time.perf_counter() - written}
    return Saved(result=result, files=files, extra_seconds=seconds)


def table(saved: Sequence[Saved]) -> str:
    """Return prompt, seed, triangles and the seconds of every stage, one result a line."""
    stages = list(dict.fromkeys(stage for each in saved for stage in each.seconds))
    rows = [["prompt", "seed", "triangles", *(f"{stage} s" for stage in stages), "total s"]]
    for each in saved:
        seconds = [each.seconds.get(stage, 0.0) for stage in stages]
        record = each.result.record
        numbers = [str(record.seed), f"{len(each.result.mesh.faces):,}"]
        rows.append([record.prompt, *numbers, *(f"{s:.2f}" for s in [*seconds, sum(seconds)])])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])
