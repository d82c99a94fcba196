# SPDX-License-Identifier: GPL-3.0-or-later
"""`maquette check`: whether the meshes of a file can be printed."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from ..core.errors import CancelledError
from ..core.print_check import check_printability
from ..core.print_report import Kind, PrintReport, Problem, Triangles
from .errors import EXIT_CODES_HELP, ExitCode, UsageError
from .interrupt import cancel_on_interrupt
from .mesh_files import MILLIMETRES, SUFFIXES, NamedMesh, read_meshes
from .output import Console
from .parser import Subparsers, number

DEFAULT_WALL = 1.2
MAX_MILLIMETRES = 1e6

WORDS: dict[Kind, str] = {
    "empty": "there is no surface",
    "open": "holes: {count}",
    "crowded": "edges with more than two faces: {count}",
    "one-sided": "the surface has no inside and outside",
    "winding": "triangles that face the wrong way: {count}",
    "inside out": "parts that are inside out: {count}",
    "flat": "the surface encloses no volume",
    "doubled": "triangles without area or there twice: {count}",
    "split": "vertices on others along seams: {count}",
    "thin": "walls thinner than {limit:g} mm: {share:.1f} % of the surface",
    "floating": "floating parts: {count}",
    "specks": "floating specks: {count}",
    "too large": "too large for the printer: {value:.1f} mm",
    "size": "{value:.1f} mm long, to be scaled by {scale:.4g}",
    "off bed": "its lowest point is at {value:.2f} mm, not on the bed",
    "overhang": "overhangs that need support: {share:.1f} % of the surface",
}


def add_parser(subparsers: Subparsers) -> None:
    """Add `check` to the command line."""
    parser = subparsers.add_parser(
        "check",
        help="tell whether a mesh can be printed",
        description=(
            "Tell whether the visible meshes of a file can be printed: closed, thick enough, in"
            f" one piece.\nReads {' '.join(SUFFIXES)}; the exit code is 1 where something is wrong."
        ),
        epilog=EXIT_CODES_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument(
        "--min-wall",
        type=number,
        default=DEFAULT_WALL,
        metavar="MM",
        help="the thinnest wall that the printer can make (default: %(default)s)",
    )
    parser.add_argument("--size", type=number, metavar="MM", help="longest side as printed")
    parser.add_argument(
        "--printer",
        type=number,
        nargs=3,
        metavar="MM",
        help="width, depth and height that the printer can make",
    )
    parser.add_argument(
        "--unit",
        choices=tuple(MILLIMETRES),
        help="of the file (default: the scene's in .blend, mm in .stl, else m)",
    )
    parser.add_argument("--json", action="store_true", help="write one JSON object")
    parser.add_argument("--quiet", action="store_true", help="write no progress")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace, console: Console) -> ExitCode:
    """Check a file and write what was found.

    Raises:
        UsageError: a number is out of range, or the file cannot be read or holds no mesh.
    """
    for name, value in (
        ("--min-wall", arguments.min_wall),
        ("--size", arguments.size),
        *(("--printer", side) for side in arguments.printer or ()),
    ):
        if value is not None and not 0.0 < value <= MAX_MILLIMETRES:
            raise UsageError(f"{name} must be above 0 and at most {MAX_MILLIMETRES:g}, got {value}")
    console.progress("Reading", 0.0)
    meshes = read_meshes(arguments.file, arguments.unit)
    if not meshes:
        raise UsageError(f"there is no visible mesh in {arguments.file}")
    reports = [
        (mesh, _check(mesh, arguments, console, index / len(meshes), 1.0 / len(meshes)))
        for index, mesh in enumerate(meshes)
    ]
    is_printable = all(report.is_printable for _, report in reports)
    console.answer(
        {
            "printable": is_printable,
            "objects": [{"name": mesh.name} | _to_json(report) for mesh, report in reports],
        },
        "\n".join(_to_text(mesh.name, report, arguments.min_wall) for mesh, report in reports),
    )
    return ExitCode.OK if is_printable else ExitCode.FAILED


def _check(
    mesh: NamedMesh, arguments: argparse.Namespace, console: Console, start: float, share: float
) -> PrintReport:
    with cancel_on_interrupt() as cancel:

        def check() -> None:
            if cancel.is_set():
                raise CancelledError

        return check_printability(
            Triangles(mesh.vertices, mesh.faces),
            millimetres_per_unit=mesh.millimetres_per_unit,
            min_wall_mm=arguments.min_wall,
            bed_mm=tuple(arguments.printer) if arguments.printer else None,
            size_mm=arguments.size,
            check=check,
            on_progress=lambda stage, done: console.progress(stage, start + share * done),
        )


def _to_json(report: PrintReport) -> dict[str, object]:
    return {
        "printable": report.is_printable,
        "size_mm": [round(side, 4) for side in report.size_mm],
        "volume_cm3": round(report.volume_cm3, 6),
        "closed": report.is_closed,
        "manifold": report.is_manifold,
        "oriented": report.is_oriented,
        "parts": report.num_parts,
        "floating_parts": len(report.floating_faces),
        "min_wall_mm": round(report.min_wall_mm, 4) if math.isfinite(report.min_wall_mm) else None,
        "thin_share": round(report.thin_share, 6),
        "overhang_share": round(report.overhang_share, 6),
        "problems": [
            {
                "kind": problem.kind,
                "severity": problem.severity,
                "count": problem.count,
                "value": round(problem.value, 6),
            }
            for problem in report.problems
        ],
    }


def _to_text(name: str, report: PrintReport, min_wall: float) -> str:
    x, y, z = report.size_mm
    verdict = "prints as it is" if report.is_printable else "has problems"
    lines = [f"{name}: {verdict}; {x:.1f} x {y:.1f} x {z:.1f} mm, {report.volume_cm3:.2f} cm³"]
    if math.isfinite(report.min_wall_mm):
        lines.append(f"  thinnest wall {report.min_wall_mm:.2f} mm")
    lines += [f"  {each.severity}: {_words(each, report, min_wall)}" for each in report.problems]
    return "\n".join(lines)


def _words(problem: Problem, report: PrintReport, min_wall: float) -> str:
    return WORDS[problem.kind].format(
        count=problem.count,
        value=problem.value,
        share=100.0 * problem.value,
        limit=min_wall,
        scale=report.scale,
    )
