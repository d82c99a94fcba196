# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a mesh can be printed: closed, thick enough, in one piece, of the right size.

Everything is found by numpy, on any thread, and nothing is changed. Self-intersections of one
part are not looked for: slicers unite what overlaps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidRequestError
from .geometry.parts import Edges, find_edges, weld_rims
from .geometry.standing import Standing, find_standing
from .geometry.thickness import Thickness, face_areas, measure_thickness
from .geometry.winding import Winding, read_winding, six_volumes, turn_over
from .interrupt import Check, ignore
from .print_report import PrintReport, Problem, RepairPlan, TriangleMesh

OnProgress: TypeAlias = Callable[[str, float], None]
"""Called with the stage in words and the fraction done, in [0, 1]."""

WELD_SHARE = 1e-6
"""Of the diagonal: vertices nearer than that are the same one, written twice."""
THIN_SHARE = 0.001
"""Of the surface: what is thin on less is the tip of something, which prints a little shorter."""
MEASURED_LIMITS = 4.0
"""Walls are measured up to so many times the smallest thickness allowed."""
FLAT_VOLUME = 1e-9
"""Of the cube of the diagonal."""
SIZE_SLACK = 1e-3
BED_SLACK_MM = 0.01
STEEPEST = -(0.5**0.5)
"""Smallest z of a normal that prints without support: 45 degrees."""


@dataclass(frozen=True, slots=True)
class _Clean:
    """The mesh in millimetres, without what has no area, welded, and all faces facing out."""

    points: NDArray[np.float64]
    faces: NDArray[np.int32]
    areas: NDArray[np.float64]
    kept: NDArray[np.int64]
    """Which of the faces given these are."""
    num_surplus: int
    num_welded: int
    edges: Edges
    winding: Winding
    standing: Standing


def check_printability(
    mesh: TriangleMesh,
    *,
    millimetres_per_unit: float,
    min_wall_mm: float,
    bed_mm: tuple[float, float, float] | None = None,
    size_mm: float | None = None,
    check: Check = ignore,
    on_progress: OnProgress = lambda stage, fraction: None,
) -> PrintReport:
    """Look for what keeps a mesh from printing well.

    Args:
        mesh: as it is to stand on the bed, Z up.
        millimetres_per_unit: 1000 for a mesh in metres.
        min_wall_mm: the thinnest wall that the printer can make.
        bed_mm: width, depth and height that the printer can make; None does not ask.
        size_mm: the longest side as printed; None leaves the mesh as large as it is.
        check: called between pieces of work; raises to stop.
        on_progress: hears the stage in words and the fraction done.

    Raises:
        InvalidRequestError: a position is not a number.
    """
    given = mesh.vertices.astype(np.float64) * millimetres_per_unit
    if not np.isfinite(given).all():
        raise InvalidRequestError(
            "the mesh has positions that are not numbers: undo or remove them"
        )
    if not len(mesh.faces):
        return _nothing()
    on_progress("Edges", 0.0)
    low, high = given[mesh.faces.ravel()].min(axis=0), given[mesh.faces.ravel()].max(axis=0)
    longest = float((high - low).max())
    scale = size_mm / longest if size_mm and longest > 0 else 1.0
    clean = _clean(given * scale, mesh.faces, check)
    if clean is None:
        return _nothing(surplus=len(mesh.faces))
    on_progress("Walls", 0.4)
    thickness = measure_thickness(
        clean.points, clean.faces, limit=MEASURED_LIMITS * min_wall_mm, check=check
    )
    on_progress("Walls", 1.0)
    size = (high - low) * scale
    problems = [
        *_of_surface(clean, float(np.linalg.norm(size))),
        *_of_walls(thickness, min_wall_mm),
        *_of_standing(clean.standing),
        *_of_size(size, scale, longest, bed_mm),
        *_of_bed(clean, low[2] * scale),
    ]
    return _report(mesh, clean, thickness, min_wall_mm, size, scale, problems)


def plan_repair(
    mesh: TriangleMesh, *, millimetres_per_unit: float, check: Check = ignore
) -> RepairPlan:
    """Find what a repair has to do with the faces of a mesh, without measuring its walls.

    Raises:
        InvalidRequestError: a position is not a number.
    """
    points = _in_millimetres(mesh, millimetres_per_unit)
    clean = _clean(points, mesh.faces, check) if len(mesh.faces) else None
    return _plan(len(mesh.faces), clean)


def _in_millimetres(mesh: TriangleMesh, millimetres_per_unit: float) -> NDArray[np.float64]:
    points = mesh.vertices.astype(np.float64) * millimetres_per_unit
    if not np.isfinite(points).all():
        raise InvalidRequestError(
            "the mesh has positions that are not numbers: undo or remove them"
        )
    return points


def _plan(num_faces: int, clean: _Clean | None) -> RepairPlan:
    turned, specks = np.zeros((2, num_faces), dtype=bool)
    surplus = np.ones(num_faces, dtype=bool)
    if clean is not None:
        turned[clean.kept] = clean.winding.is_odd ^ clean.standing.is_turned
        surplus[clean.kept] = False
        specks[clean.kept] = clean.standing.is_speck
    return RepairPlan(turned, surplus, specks)


def _report(
    mesh: TriangleMesh,
    clean: _Clean,
    thickness: Thickness,
    min_wall_mm: float,
    size: NDArray[np.float64],
    scale: float,
    problems: list[Problem],
) -> PrintReport:
    plan = _plan(len(mesh.faces), clean)
    return PrintReport(
        problems=tuple(problems),
        size_mm=(float(size[0]), float(size[1]), float(size[2])),
        scale=scale,
        volume_cm3=_volume(clean) / 1000.0,
        is_closed=not len(clean.edges.open_ends),
        is_manifold=not clean.edges.num_crowded,
        is_oriented=not plan.turned_faces.any() and not clean.winding.is_one_sided.any(),
        num_parts=clean.standing.num_parts,
        floating_faces=tuple(clean.kept[faces] for faces in clean.standing.floating),
        min_wall_mm=thickness.quantile(THIN_SHARE),
        thin_share=thickness.share_below(min_wall_mm),
        thin_faces=clean.kept[thickness.of_faces < min_wall_mm],
        overhang_share=_overhang(clean),
        open_vertices=np.unique(find_edges(mesh.faces).open_ends),
        plan=plan,
    )


def _nothing(surplus: int = 0) -> PrintReport:
    """Return the report of a mesh without a surface."""
    none = np.empty(0, dtype=np.int64)
    return PrintReport(
        problems=(Problem("empty"),),
        size_mm=(0.0, 0.0, 0.0),
        scale=1.0,
        volume_cm3=0.0,
        is_closed=False,
        is_manifold=True,
        is_oriented=True,
        num_parts=0,
        floating_faces=(),
        min_wall_mm=float("inf"),
        thin_share=0.0,
        thin_faces=none,
        overhang_share=0.0,
        open_vertices=none,
        plan=_plan(surplus, None),
    )


def _clean(points: NDArray[np.float64], given: NDArray[np.int32], check: Check) -> _Clean | None:
    """Take away what slicers pass over, so that only what matters to them is judged."""
    diagonal = float(np.linalg.norm(np.ptp(points[given.ravel()], axis=0)))
    welded, num_welded = weld_rims(points, given, WELD_SHARE * diagonal)
    check()
    areas = face_areas(points, welded)
    order = np.sort(welded, axis=1)
    has_area = (order[:, 1:] != order[:, :-1]).all(axis=1) & (areas > 1e-16 * diagonal**2)
    check()
    kept = np.flatnonzero(has_area)
    rows = order[kept]
    sequence = np.lexsort(rows[:, ::-1].T)
    is_again = (rows[sequence[1:]] == rows[sequence[:-1]]).all(axis=1)
    kept = np.sort(kept[sequence[np.append(True, ~is_again)[: len(kept)]]])
    if not len(kept):
        return None
    faces, areas = welded[kept], areas[kept]
    check()
    winding = read_winding(faces, areas)
    check()
    alike = turn_over(faces, winding.is_odd)
    edges = find_edges(faces)
    check()
    standing = find_standing(points, alike, areas, edges, check)
    return _Clean(
        points=points,
        faces=turn_over(alike, standing.is_turned),
        areas=areas,
        kept=kept,
        num_surplus=len(given) - len(kept),
        num_welded=num_welded,
        edges=edges,
        winding=winding,
        standing=standing,
    )


def _of_surface(clean: _Clean, diagonal: float) -> list[Problem]:
    found = []
    if num_open := len(clean.edges.open_ends):
        found.append(Problem("open", count=clean.edges.num_holes(), value=float(num_open)))
    if clean.edges.num_crowded:
        found.append(Problem("crowded", count=clean.edges.num_crowded))
    if clean.winding.is_one_sided.any():
        found.append(Problem("one-sided", count=int(clean.winding.is_one_sided.sum())))
    if clean.winding.is_odd.any():
        found.append(Problem("winding", count=int(clean.winding.is_odd.sum())))
    if clean.standing.num_turned:
        found.append(Problem("inside out", count=clean.standing.num_turned))
    if abs(_volume(clean)) <= FLAT_VOLUME * diagonal**3:
        found.append(Problem("flat"))
    if clean.num_surplus:
        found.append(Problem("doubled", count=clean.num_surplus))
    if clean.num_welded:
        found.append(Problem("split", count=clean.num_welded))
    return found


def _of_walls(thickness: Thickness, min_wall_mm: float) -> list[Problem]:
    share = thickness.share_below(min_wall_mm)
    return [Problem("thin", value=share)] if share >= THIN_SHARE else []


def _of_standing(standing: Standing) -> list[Problem]:
    found = []
    if num_large := len(standing.floating) - standing.num_specks:
        found.append(Problem("floating", count=num_large))
    if standing.num_specks:
        found.append(Problem("specks", count=standing.num_specks))
    return found


def _of_size(
    size: NDArray[np.float64],
    scale: float,
    longest: float,
    bed_mm: tuple[float, float, float] | None,
) -> list[Problem]:
    found = []
    if abs(scale - 1.0) > SIZE_SLACK:
        found.append(Problem("size", value=longest))
    if bed_mm is not None:
        # Turned by 90 degrees where that fits better.
        bed = np.array([*sorted(bed_mm[:2]), bed_mm[2]])
        if (np.array([*sorted(size[:2]), size[2]]) > bed * (1.0 + SIZE_SLACK)).any():
            found.append(Problem("too large", value=float(size.max())))
    return found


def _of_bed(clean: _Clean, lowest: float) -> list[Problem]:
    found = []
    if abs(lowest) > BED_SLACK_MM:
        found.append(Problem("off bed", value=lowest))
    if (share := _overhang(clean)) >= THIN_SHARE:
        found.append(Problem("overhang", value=share))
    return found


def _volume(clean: _Clean) -> float:
    # From the middle, so that what is open has about the volume that it seems to have.
    middle = clean.points[clean.faces].mean(axis=(0, 1))
    return float(six_volumes(clean.points - middle, clean.faces).sum()) / 6


def _overhang(clean: _Clean) -> float:
    a, b, c = clean.points[clean.faces].transpose(1, 0, 2)
    upward = np.cross(b - a, c - a)[:, 2] / (2 * clean.areas)
    highest = np.maximum(np.maximum(a[:, 2], b[:, 2]), c[:, 2])
    hangs = (upward < STEEPEST - 1e-6) & (highest > clean.standing.bed + clean.standing.slack)
    return float(clean.areas[hangs].sum() / clean.areas.sum())
