# SPDX-License-Identifier: GPL-3.0-or-later
"""More of what stands in rooms and parks; it faces -Y."""

from __future__ import annotations

from .attributes import SAME, Kind, Part, named_part
from .builder import ShapeBuilder
from .synonyms import KIND_NOUNS


def _build_bench(b: ShapeBuilder) -> None:
    w, d = 0.95 * b.width * b.uniform(0.85, 1.1), 0.36
    seat, t = 0.48 * b.height * b.uniform(0.9, 1.15), 0.05 * b.thick
    slats = b.count(1, 4)
    half = d / slats
    for index in range(slats):
        y = -d + half * (2 * index + 1)
        b.box("main", (0, y, seat), (w, half - 0.025, t), rounding=0.03)
    if b.chance(0.7):
        rows, lean = b.count(1, 3), b.uniform(4.0, 14.0)
        for row in range(rows):
            z = seat + 0.2 + 0.5 * b.height * (row + 0.5) / rows
            half_z = 0.25 * b.height / rows - 0.025
            b.box(
                "main",
                (0, d + 0.16 * (z - seat), z),
                (w, t, half_z),
                rounding=0.03,
                turn=(-lean, 0, 0),
            )
        for side in (-0.8, 0.8):
            b.limb("legs", (side * w, d, seat), (side * w, d + 0.1, z), 0.05 * b.thick)
    for side in (-0.8, 0.8):
        if slats > 2:
            b.box("legs", (side * w, 0, 0.5 * seat), (0.06 * b.thick, d, 0.5 * seat), rounding=0.03)
            continue
        for y in (-0.75 * d, 0.75 * d):
            b.limb("legs", (side * w, y, 0.04), (side * w, y, seat), 0.07 * b.thick)


def _build_wardrobe(b: ShapeBuilder) -> None:
    w, d = 0.6 * b.width * b.uniform(0.85, 1.15), 0.36
    h, feet = 1.05 * b.height * b.uniform(0.85, 1.1), 0.14
    b.box("main", (0, 0, feet + h), (w, d, h), rounding=0.04)
    if b.chance(0.6):
        b.box("main", (0, 0, feet + 2 * h), (w + 0.06, d + 0.05, 0.06), rounding=0.04)
    low = 0.0
    if b.chance(0.45):
        low = 0.42 * h
        for row in (0.28, 0.72):
            z = feet + row * low + 0.04
            b.box("doors", (0, -d, z), (0.9 * w, 0.05, 0.2 * low), rounding=0.03)
            b.ball("handles", (0, -d - 0.07, z), 0.05)
    doors = b.count(1, 2)
    half = 0.9 * w / doors
    middle, half_z = feet + 0.5 * low + h, h - 0.5 * low - 0.08
    for index in range(doors):
        x = (2 * index - doors + 1) * half
        b.box("doors", (x, -d, middle), (half - 0.02, 0.05, half_z), rounding=0.03)
        knob = x + (half - 0.1) * (1.0 if index == 0 else -1.0)
        b.limb("handles", (knob, -d - 0.07, middle - 0.08), (knob, -d - 0.07, middle + 0.08), 0.045)
    for x in (-0.85 * w, 0.85 * w):
        for y in (-0.75 * d, 0.75 * d):
            b.cone("legs", (x, y, 0), (x, y, feet + 0.05), 0.06, 0.09 * b.thick)


def _build_ladder(b: ShapeBuilder) -> None:
    w, h = 0.34 * b.width * b.uniform(0.9, 1.1), 1.7 * b.height * b.uniform(0.85, 1.1)
    r, rungs = 0.065 * b.thick, max(3, round(b.count(5, 7) * b.height**0.6))
    has_prop = b.chance(0.4)
    reach = 0.5 if has_prop else b.uniform(0.0, 0.45)
    top = 0.75 if has_prop else 1.0
    for side in (-1.0, 1.0):
        start, end = (side * 1.15 * w, -reach, 0), (side * top * w, 0, h)
        b.limb("main", start, end, r)
        if has_prop:
            b.limb("main", (side * 1.1 * w, reach, 0), end, 0.85 * r)
    for index in range(rungs):
        share = (index + 0.6) / rungs
        x, y = w * (1.15 + (top - 1.15) * share), -reach * (1.0 - share)
        b.box("rungs", (0, y, share * h), (x, 1.1 * r, 0.6 * r), rounding=0.03)
    if has_prop:
        b.box("rungs", (0, 0, h), (0.9 * w, 0.16, 0.05), rounding=0.03)


def _build_clock(b: ShapeBuilder) -> None:
    r, t = 0.5 * b.width, 0.15 * b.thick
    style = b.count(0, 2)
    if style == 2 and not b.is_named("legs"):  # a tall case with the dial at its head
        h = 1.1 * b.height
        b.box("main", (0, 0, -h), (0.62 * r, 0.24, h), rounding=0.05)
        b.box("main", (0, 0, -2 * h), (0.9 * r, 0.3, 0.14), rounding=0.04)
        b.box("face", (0, -0.24, -1.15 * h), (0.36 * r, 0.04, 0.4 * h), rounding=0.03)
        b.box("main", (0, 0, 0), (r, 0.28, r), rounding=0.1)
        t = 0.26
    else:
        b.cone("main", (0, t, 0), (0, -t, 0), r, rounding=0.05)
        b.ring("main", (0, -t, 0), 0.93 * r, 0.075, turn=(90, 0, 0))
        for side in (-1.0, 1.0):
            b.limb("legs", (side * 0.5 * r, 0, -0.7 * r), (side * 0.72 * r, 0, -1.2 * r), 0.07)
            if style == 0:
                b.ball(
                    "bells",
                    (side * 0.55 * r, 0, 1.05 * r),
                    (0.2, 0.16, 0.15),
                    turn=(0, 28 * side, 0),
                )
    b.cone("face", (0, 0, 0), (0, -t - 0.03, 0), 0.84 * r, rounding=0.02)
    turn = b.uniform(0.0, 360.0)
    for degrees, long in ((turn, 0.36 * r), (12.0 * turn, 0.58 * r)):
        b.box("hands", (0, -t - 0.05, 0), (0.045, 0.035, long), turn=(0, degrees, 0))
    b.ball("hands", (0, -t - 0.06, 0), 0.06)


def _build_book(b: ShapeBuilder) -> None:
    w, h, t = 0.56 * b.width, 0.8 * b.height, 0.13 * b.thick * b.uniform(0.8, 1.5)
    if b.chance(0.35) and not b.is_named("label"):  # open, lying on its back
        for side in (-1.0, 1.0):
            lean = 9.0 * side
            b.box("main", (side * w, 0, 0), (w, h, 0.05), rounding=0.03, turn=(0, -lean, 0))
            centre = (side * 0.95 * w, 0, 0.05 + 0.5 * t)
            b.box(
                "pages", centre, (0.88 * w, 0.93 * h, 0.55 * t), rounding=0.05, turn=(0, -lean, 0)
            )
        b.cone("main", (0, -h, -0.08), (0, h, -0.08), 0.08)
        return
    cover = 0.045
    b.box("pages", (0.03, 0, 0), (w - 0.04, t, h - 0.06), rounding=0.02)
    for side in (-1.0, 1.0):
        b.box("main", (0, side * (t + cover), 0), (w, cover, h), rounding=0.03)
    b.cone("main", (-w, 0, -h), (-w, 0, h), t + 2 * cover - 0.01, rounding=0.03)
    if b.wants("label", 0.5):
        b.box("label", (0.05, -t - 2 * cover, 0.3 * h), (0.55 * w, 0.03, 0.22 * h), rounding=0.02)


def _build_television(b: ShapeBuilder) -> None:
    w, h = 0.9 * b.width * b.uniform(0.9, 1.05), 0.54 * b.height * b.uniform(0.9, 1.1)
    if b.chance(0.5):
        t = 0.07 * b.thick
        b.box("main", (0, 0, 0), (w, t, h), rounding=0.05)
        b.box("screen", (0, -t, 0), (w - 0.1, 0.03, h - 0.1), rounding=0.02)
        b.box("base", (0, 0.02, -h - 0.1), (0.1, 0.06, 0.16), rounding=0.03)
        b.box("base", (0, 0, -h - 0.24), (0.42 * w, 0.24, 0.045), rounding=0.03)
        return
    w *= 0.8
    depth = 0.38 * b.thick**0.5
    b.box("main", (0, 0, 0), (w, depth, h), rounding=0.1)
    b.ball("main", (0, depth, 0), (0.75 * w, 0.26, 0.7 * h))
    b.box("screen", (-0.16 * w, -depth - 0.01, 0), (0.68 * w, 0.05, 0.74 * h), rounding=0.05)
    for z in (0.42 * h, 0.0):
        b.cone("knobs", (0.76 * w, -depth, z), (0.76 * w, -depth - 0.08, z), 0.085)
    for side in (-1.0, 1.0):
        b.limb("base", (side * 0.6 * w, 0, -h), (side * 0.75 * w, 0, -h - 0.26), 0.06)
        if b.chance(0.8):
            b.limb("antenna", (0, 0, h), (side * 0.42, 0, h + 0.55), 0.04)


KINDS = (
    Kind(
        name="bench",
        nouns=KIND_NOUNS["bench"],
        build=_build_bench,
        natural=("wooden", "brown", "green"),
        parts=(named_part("legs", "black", "metal", "stone", SAME),),
    ),
    Kind(
        name="wardrobe",
        nouns=KIND_NOUNS["wardrobe"],
        build=_build_wardrobe,
        natural=("wooden", "brown", "white"),
        parts=(
            named_part("doors", SAME, "white", "brown", "wooden"),
            named_part("handles", "golden", "metal", "black"),
            named_part("legs", SAME, "black", "brown"),
        ),
        adjectives=("tall", "short", "wide", "slim", "small"),
    ),
    Kind(
        name="ladder",
        nouns=KIND_NOUNS["ladder"],
        build=_build_ladder,
        natural=("wooden", "metal", "yellow"),
        parts=(named_part("rungs", SAME, SAME, "metal", "black"),),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="clock",
        nouns=KIND_NOUNS["clock"],
        build=_build_clock,
        natural=("red", "wooden", "golden", "black"),
        parts=(
            named_part("face", "white", "white", "yellow"),
            named_part("legs", SAME, "black", "metal"),
            Part("bells", (), ("golden", "metal")),
            Part("hands", (), ("black",)),
        ),
    ),
    Kind(
        name="book",
        nouns=KIND_NOUNS["book"],
        build=_build_book,
        natural=("red", "blue", "brown", "green"),
        parts=(
            named_part("pages", "white", "white", "yellow"),
            named_part("label", "golden", "white", "yellow"),
        ),
    ),
    Kind(
        name="television",
        nouns=KIND_NOUNS["television"],
        build=_build_television,
        natural=("black", "grey", "wooden"),
        parts=(
            named_part("screen", "grey", "cyan", "blue"),
            named_part("base", SAME, "metal", "grey"),
            Part("knobs", (), ("white", "metal")),
            Part("antenna", (), ("metal", "grey")),
        ),
        adjectives=("tall", "short", "wide", "chunky", "small"),
    ),
)
