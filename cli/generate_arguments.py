# SPDX-License-Identifier: GPL-3.0-or-later
"""The arguments of `maquette generate`; defaults come from the request itself."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from ..core.config import (
    MAX_LODS,
    Collision,
    GenerationRequest,
    SamplerName,
    Shading,
    Symmetry,
)
from ..weights_fetch import PACKS
from . import generate
from .destination import FORMATS
from .errors import EXIT_CODES_HELP
from .parser import Subparsers, number, whole_number

DEFAULTS = GenerationRequest(prompt="any")
PRECISIONS = ("auto", "fp32", "bf16", "fp16", "int8")


def add_parser(subparsers: Subparsers) -> None:
    """Add `generate` to the command line."""
    parser = subparsers.add_parser(
        "generate",
        help="make textured meshes from prompts or from a picture",
        description="Make a textured mesh from each prompt, or one from a picture.",
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("prompts", nargs="*", metavar="PROMPT", help="one object, in words")
    parser.add_argument(
        "--image", type=Path, metavar="FILE", help="a picture of the object (needs --pack shap-e)"
    )
    parser.add_argument(
        "--latent", type=Path, metavar="LATENT", help="from maquette encode: rebuild its mesh"
    )
    parser.add_argument(
        "--strength",
        type=number,
        metavar="X",
        help="with --latent, make others like it: near 0 the same, 1 unlike it (default with a"
        " prompt or --count: 0.75)",
    )
    _add_file_arguments(parser)
    _add_mesh_arguments(parser)
    _add_surface_arguments(parser)
    _add_model_arguments(parser)
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write only warnings and errors")
    parser.set_defaults(run=generate.run)


def _add_file_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE|DIR",
        help="a file, which is replaced, or a folder, in which nothing is (default: this folder)",
    )
    parser.add_argument("--format", choices=FORMATS, help="where -o names no file (default: blend)")


def _add_mesh_arguments(parser: argparse.ArgumentParser) -> None:
    _add_default(parser, "--count", whole_number, DEFAULTS.count, "N", "variants of each prompt")
    _add_default(parser, "--seed", whole_number, DEFAULTS.seed, "S", "of the first variant")
    _add_default(
        parser, "--resolution", whole_number, DEFAULTS.resolution, "R", "grid samples per axis"
    )
    _add_default(
        parser,
        "--texture-size",
        whole_number,
        DEFAULTS.texture_size,
        "T",
        "pixels per side; 0 leaves colours on the vertices only",
    )
    _add_default(
        parser, "--size", number, DEFAULTS.target_size, "METRES", "largest dimension of the result"
    )


def _add_surface_arguments(parser: argparse.ArgumentParser) -> None:
    surface = DEFAULTS.surface
    _add_default(
        parser,
        "--triangles",
        whole_number,
        surface.triangles,
        "N",
        "at most so many; 0 keeps all that the grid gives",
    )
    _add_choice(
        parser, "--symmetry", get_args(Symmetry), surface.symmetry, "x mirrors the larger half"
    )
    _add_choice(
        parser, "--shading", get_args(Shading), surface.shading, "auto rounds all but sharp edges"
    )
    parser.add_argument(
        "--normal-map",
        action="store_true",
        help="bake the detail that fewer triangles lack into a normal map",
    )
    parser.add_argument(
        "--occlusion-map", action="store_true", help="bake an ambient occlusion map"
    )
    parser.add_argument(
        "--speck-share",
        type=number,
        metavar="X",
        help="drop loose parts below this share of the largest one's volume (default: the pack's)",
    )
    _add_default(
        parser,
        "--lods",
        whole_number,
        surface.num_lods,
        "N",
        f"coarser meshes, each of half the triangles, up to {MAX_LODS}; in .blend and .glb",
    )
    _add_choice(
        parser,
        "--collision",
        get_args(Collision),
        surface.collision,
        "a simple mesh for physics; in .blend and .glb",
    )


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pack", choices=tuple(PACKS), default=DEFAULTS.pack, help="default: %(default)s"
    )
    parser.add_argument(
        "--packs-dir",
        "--packs-folder",
        type=Path,
        metavar="DIR",
        help="where packs live (default: MAQUETTE_PACKS, else the user's data folder)",
    )
    own = "(default: the pack's own)"
    parser.add_argument(
        "--fast",
        action="store_true",
        help="sample with half the work: 16 steps, guidance in every second one, int8 where a"
        " published pack and the CPU can; nearly the same shape",
    )
    parser.add_argument("--steps", type=whole_number, metavar="N", help=f"sampler steps {own}")
    parser.add_argument("--guidance", type=number, metavar="X", help=f"1 switches it off {own}")
    parser.add_argument("--sampler", choices=get_args(SamplerName), help=own.strip("()"))
    parser.add_argument(
        "--device",
        default=DEFAULTS.device,
        metavar="D",
        help="auto, cpu, cuda, cuda:1 or mps (default: %(default)s)",
    )
    parser.add_argument(
        "--precision", choices=PRECISIONS, default=DEFAULTS.precision, help="default: %(default)s"
    )


def _add_default(
    parser: argparse.ArgumentParser,
    name: str,
    kind: Callable[[str], int | float],
    default: int | float,
    metavar: str,
    summary: str,
) -> None:
    parser.add_argument(
        name,
        type=kind,
        default=default,
        metavar=metavar,
        help=f"{summary} (default: %(default)s)",
    )


def _add_choice(
    parser: argparse.ArgumentParser,
    name: str,
    choices: tuple[str, ...],
    default: str,
    summary: str,
) -> None:
    parser.add_argument(
        name, choices=choices, default=default, help=f"{summary} (default: %(default)s)"
    )
