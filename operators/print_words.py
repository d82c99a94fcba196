# SPDX-License-Identifier: GPL-3.0-or-later
"""What a print check found, in the user's language."""

from __future__ import annotations

from dataclasses import dataclass

from bpy.app.translations import pgettext_n as n_
from bpy.app.translations import pgettext_rpt as rpt_

from ..core.print_report import Kind, PrintReport, Problem

ICONS = {"error": "CANCEL", "warning": "ERROR", "note": "INFO"}

ONE = {
    "open": n_("The surface has a hole"),
    "crowded": n_("An edge has more than two faces"),
    "winding": n_("A triangle faces the wrong way"),
    "inside out": n_("A part is inside out"),
    "doubled": n_("A triangle has no area or is there twice"),
    "split": n_("A vertex lies on another one along a seam"),
    "floating": n_("1 floating part"),
    "specks": n_("1 floating speck"),
}
"""For a count of one."""
TEXTS: dict[Kind, str] = {
    "empty": n_("There is no surface to print"),
    "open": n_("The surface has {count} holes"),
    "crowded": n_("{count} edges have more than two faces"),
    "one-sided": n_("The surface has no inside and outside"),
    "winding": n_("{count} triangles face the wrong way"),
    "inside out": n_("{count} parts are inside out"),
    "flat": n_("The surface encloses no volume"),
    "doubled": n_("{count} triangles have no area or are there twice"),
    "split": n_("{count} vertices lie on others along seams"),
    "thin": n_("Walls thinner than {limit} mm: {share} of the surface"),
    "floating": n_("{count} floating parts"),
    "specks": n_("{count} floating specks"),
    "too large": n_("Too large for the printer: {length} mm"),
    "size": n_("Now {length} mm long instead of {wanted} mm"),
    "off bed": n_("Its lowest point is at {length} mm, not on the bed"),
    "overhang": n_("Overhangs that need support: {share} of the surface"),
}
ADVICE: dict[Kind, str] = {
    "empty": n_("Choose an object with faces"),
    "open": n_("Repair fills small holes; close large ones in Edit Mode"),
    "crowded": n_("Delete inner faces in Edit Mode, or use a Remesh modifier"),
    "one-sided": n_("Cut it open in Edit Mode, or use a Remesh modifier"),
    "flat": n_("Give it thickness with a Solidify modifier"),
    "thin": n_("Print it larger, or thicken it with a Solidify modifier"),
    "floating": n_("Move them until they touch, or delete them"),
    "too large": n_("Set a smaller size and press Repair"),
}
"""For what Repair does not do."""


REPAIRED: tuple[Kind, ...] = (
    "open",
    "winding",
    "inside out",
    "doubled",
    "split",
    "specks",
    "size",
    "off bed",
)
"""What Repair mends, holes as far as they are small."""
STAGES = (n_("Edges"), n_("Walls"))
"""Of the check, as core names them."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the panel."""

    text: str
    icon: str
    advice: str = ""


def of_report(report: PrintReport, min_wall_mm: float) -> list[Line]:
    """Return a line for each problem."""
    return [
        Line(
            _text(problem, report, min_wall_mm),
            ICONS[problem.severity],
            rpt_(ADVICE[problem.kind]) if problem.kind in ADVICE else "",
        )
        for problem in report.problems
    ]


def of_size(report: PrintReport) -> str:
    """Return the size as printed."""
    text = rpt_("{x} x {y} x {z} mm, {volume} cm³")
    x, y, z = (_length(side) for side in report.size_mm)
    return text.format(x=x, y=y, z=z, volume=_length(report.volume_cm3))


def of_walls(report: PrintReport, min_wall_mm: float, measured: float) -> str:
    """Return how thin its walls are; nothing where there are none."""
    if any(problem.kind in ("empty", "flat") for problem in report.problems):
        return ""
    if report.min_wall_mm <= measured * min_wall_mm:
        return rpt_("Thinnest wall {length} mm").format(length=_length(report.min_wall_mm))
    text = rpt_("Walls of more than {length} mm everywhere")
    return text.format(length=_length(measured * min_wall_mm))


def of_verdict(report: PrintReport) -> str:
    """Return the whole in one line."""
    severities = {problem.severity for problem in report.problems}
    if "error" in severities:
        return rpt_("It will not print as it is")
    if "warning" in severities:
        return rpt_("It prints, but look at these")
    return rpt_("It prints as it is")


def _text(problem: Problem, report: PrintReport, min_wall_mm: float) -> str:
    one = ONE.get(problem.kind) if problem.count == 1 else None
    return rpt_(one or TEXTS[problem.kind]).format(
        count=f"{problem.count:,}",
        limit=_length(min_wall_mm),
        share=_share(problem.value),
        length=_length(problem.value),
        wanted=_length(max(report.size_mm)),
    )


def _length(value: float) -> str:
    """Return a number with three digits that count, without an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _share(value: float) -> str:
    percent = 100.0 * value
    return rpt_("{percent} %").format(
        percent=f"{percent:.1f}" if percent < 10 else f"{percent:.0f}"
    )
