# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette encode`: a mesh becomes a latent, of which `maquette generate` makes meshes."""

from __future__ import annotations

import argparse
import logging
import os
from pathlib import Path

from ..core.asset import require_readable
from ..core.config import GenerationRequest, MeshInput
from ..core.errors import PackError
from ..core.latent_file import SUFFIX, LatentFile, write_latent
from ..datasets.reading import AssetError, open_asset
from ..datasets.sources import SUFFIXES
from ..weights_fetch import PACKS
from .blend_export import muffled, require_bpy
from .destination import require_writable, staging
from .engine import open_reader
from .errors import EXIT_CODES_HELP, ExitCode, UsageError, writing
from .interrupt import cancel_on_interrupt, raise_if_interrupted
from .output import Console
from .parser import Subparsers, whole_number

logger = logging.getLogger(__name__)

DEFAULTS = GenerationRequest(prompt="any")
GUESSED = "some colors had to be guessed"


def add_parser(subparsers: Subparsers) -> None:
    """Add `encode` to the command line."""
    parser = subparsers.add_parser(
        "encode",
        help="read a mesh into a latent, to be rebuilt or varied",
        description=(
            "Let a pack's encoder read everything visible in a file as one object, and keep the"
            " latent\nthat it finds. maquette generate --latent makes a mesh of it again, or"
            " others like it:\nwhat comes out is what the model understood, not the mesh that"
            " went in."
        ),
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help=" ".join(SUFFIXES))
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="LATENT",
        help=f"a {SUFFIX} file, which is replaced (default: FILE's name in this folder)",
    )
    parser.add_argument(
        "--pack", choices=tuple(PACKS), default=DEFAULTS.pack, help="default: %(default)s"
    )
    parser.add_argument("--packs-dir", "--packs-folder", type=Path, metavar="DIR")
    parser.add_argument(
        "--seed",
        type=whole_number,
        default=DEFAULTS.seed,
        metavar="S",
        help="of the points on the mesh (default: %(default)s)",
    )
    parser.add_argument("--device", default=DEFAULTS.device, metavar="D", help="default: auto")
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write only warnings and errors")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Read a file and write its latent.

    Raises:
        UsageError: the file, or a name, cannot be used.
        MeshInputError: there is nothing in it to be read.
        PackError: the pack has no encoder.
        OutputError: the latent cannot be written.
    """
    target = _target(arguments)
    require_bpy()
    require_writable(target.parent)
    reader = open_reader(arguments.pack, arguments.packs_dir)
    if not reader.reads_meshes:
        raise PackError(arguments.pack, "it has no encoder of meshes: use a pack that has one")
    mesh = read_mesh(arguments.file)
    request = GenerationRequest(
        mesh=mesh, pack=arguments.pack, seed=arguments.seed, device=arguments.device
    )
    with cancel_on_interrupt() as cancel:
        latent = reader.encode(request, on_progress=console.progress, cancel=cancel)
        raise_if_interrupted(cancel)
    _write(target, LatentFile(latent=latent, pack=arguments.pack, pack_hash=reader.pack_hash))
    for note in mesh.notes:
        console.warn(note)
    num_faces = len(mesh.surface.faces)
    facts = {
        "file": str(target),
        "mesh": mesh.source,
        "triangles": num_faces,
        "shape": list(latent.values.shape),
        "pack": arguments.pack,
        "pack_hash": reader.pack_hash,
        "warnings": list(mesh.notes),
    }
    console.answer(facts, f"{target}  (from {mesh.source}, {num_faces:,} triangles)")
    return ExitCode.OK


def read_mesh(path: Path) -> MeshInput:
    """Return everything that a file shows when rendered, as one mesh.

    Raises:
        UsageError: the file is not there, or Blender cannot read it.
        MeshInputError: there is nothing to see in it.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"cannot read {path.suffix or path}: use one of {' '.join(SUFFIXES)}")
    if not path.is_file():
        raise UsageError(f"cannot read {path}: there is no such file")
    with muffled():
        import bpy

        from ..operators.capture.surface import capture

        try:
            open_asset(path.resolve())
        except AssetError as error:
            raise UsageError(f"cannot read {path}: {error}") from error
        captured = capture(bpy.context.evaluated_depsgraph_get())
    for note in captured.notes:
        logger.info("%s", note)
    require_readable(captured.surface, path.name)
    notes = (GUESSED,) if captured.notes else ()
    return MeshInput(surface=captured.surface, source=path.name, notes=notes)


def _target(arguments: argparse.Namespace) -> Path:
    target: Path = arguments.output or Path.cwd() / (arguments.file.stem + SUFFIX)
    if target.is_dir():
        target = target / (arguments.file.stem + SUFFIX)
    if target.suffix.lower() != SUFFIX:
        raise UsageError(f"cannot write {target}: a latent is a {SUFFIX} file")
    return target


def _write(target: Path, held: LatentFile) -> None:
    with staging(target.parent) as stage, writing(target):
        write_latent(stage / target.name, held)
        os.replace(stage / target.name, target)
