# SPDX-License-Identifier: GPL-3.0-or-later
"""Things to play, to give and to find."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part, named_part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder
from .synonyms import KIND_NOUNS


def _build_guitar(b: ShapeBuilder) -> None:
    low, top = 0.46 * b.width * b.uniform(0.92, 1.08), 0.35 * b.width
    t, long = 0.14 * b.thick, 0.85 * b.height * b.uniform(0.9, 1.1)
    z = 0.86 * low + 0.5 * top
    b.cone("main", (0, t, 0), (0, -t, 0), low, rounding=0.06)
    b.cone("main", (0, t, z), (0, -t, z), top, rounding=0.06)
    b.box("main", (0, 0, 0.55 * z), (0.62 * low, t, 0.4 * low), rounding=0.06)
    b.cone("hole", (0, 0, 0.55 * z), (0, -t - 0.015, 0.55 * z), 0.15, rounding=0.02)
    b.box("bridge", (0, -t, -0.2 * low), (0.2, 0.045, 0.05), rounding=0.03)
    end = z + top + long
    b.box("neck", (0, -t + 0.02, 0.5 * (0.8 * z + end)), (0.075, 0.055, 0.5 * (end - 0.8 * z)))
    b.box("head", (0, -t + 0.06, end + 0.1), (0.13, 0.055, 0.17), rounding=0.04, turn=(8, 0, 0))
    for side in (-1.0, 1.0):
        for up in (0.02, 0.18):
            b.ball("pegs", (side * 0.17, -t + 0.05, end + up), 0.05)


def _build_drum(b: ShapeBuilder) -> None:
    r, h = 0.62 * b.width, 0.52 * b.height * b.uniform(0.85, 1.4)
    low = r * b.uniform(0.8, 1.0)
    b.cone("main", (0, 0, -h), (0, 0, h), low, r, rounding=0.03)
    b.cone("skin", (0, 0, h - 0.05), (0, 0, h + 0.04), 0.94 * r, rounding=0.03)
    b.ring("rim", (0, 0, h), r, 0.07 * b.thick)
    b.ring("rim", (0, 0, -h), low, 0.07 * b.thick)
    cords = b.count(5, 8)
    for index in range(cords):
        a, c = (2.0 * math.pi * (index + step) / cords for step in (0.0, 0.5))
        foot = (low * math.cos(a), low * math.sin(a), -h)
        b.limb("cords", foot, (r * math.cos(c), r * math.sin(c), h), 0.035)
    if b.chance(0.5):
        for turn in (0.35, -0.5):
            x, y = 0.75 * r * math.cos(turn), 0.75 * r * math.sin(turn)
            b.limb("sticks", (-x, -y, h + 0.1), (x, y, h + 0.16), 0.05, 0.04)
            b.ball("sticks", (-x, -y, h + 0.1), 0.075)


def _build_gift(b: ShapeBuilder) -> None:
    x, y = 0.6 * b.width * b.uniform(0.85, 1.1), 0.6 * b.width * b.uniform(0.75, 1.05)
    z, band = 0.5 * b.height * b.uniform(0.8, 1.2), 0.11 * b.thick
    b.box("main", (0, 0, 0), (x, y, z), rounding=0.03)
    extra = 0.0
    if b.chance(0.5):
        extra = 0.05
        b.box("main", (0, 0, 0.78 * z), (x + extra, y + extra, 0.26 * z), rounding=0.03)
    top = z + 0.04 + 0.04 * z
    b.box("ribbon", (0, 0, 0.02), (band, y + extra + 0.035, top), rounding=0.02)
    b.box("ribbon", (0, 0, 0.02), (x + extra + 0.035, band, top), rounding=0.02)
    loops, turn = b.count(2, 4), b.uniform(0.0, 360.0)
    for index in range(loops):
        angle = turn + 360.0 * index / loops
        dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        centre = (0.2 * dx, 0.2 * dy, top + 0.13)
        b.ring("ribbon", centre, 0.15, 0.06, turn=(90, -20, angle))
    b.ball("ribbon", (0, 0, top + 0.07), 0.1)


def _build_crown(b: ShapeBuilder) -> None:
    r, h, wall = 0.56 * b.width, 0.3 * b.height * b.uniform(0.9, 1.2), 0.08 * b.thick
    flare = b.uniform(1.0, 1.18)
    b.cone("main", (0, 0, -h), (0, 0, h), r, flare * r, rounding=0.03, role=CARVED_ROLE)
    inner = r - wall
    b.cone("main", (0, 0, -h - 0.2), (0, 0, h + 0.3), inner, flare * inner, role=CUTTER_ROLE)
    points = b.count(5, 8)
    tip = h + 0.42 * b.height * b.uniform(0.8, 1.2)
    for index in range(points):
        angle = 2.0 * math.pi * index / points
        x, y = math.cos(angle), math.sin(angle)
        reach = flare * r - 0.5 * wall
        b.frustum(
            "main",
            (reach * x, reach * y, 0.5 * (h + tip) - 0.06),
            (0.5 * wall, math.pi * reach / points - 0.02),
            (0.4 * wall, 0.03),
            0.5 * (tip - h) + 0.08,
            turn=(0, 0, math.degrees(angle)),
        )
        b.ball("jewels", (reach * x, reach * y, tip + 0.02), 0.075)
        if points < 7:
            b.ball("jewels", (1.04 * reach * x, 1.04 * reach * y, 0.0), 0.09)
    b.ring("main", (0, 0, -h), r - 0.02, 0.06)


def _build_anchor(b: ShapeBuilder) -> None:
    long, r = 1.5 * b.height * b.uniform(0.9, 1.1), 0.085 * b.thick
    b.limb("main", (0, 0, 0), (0, 0, long), 1.2 * r, r)
    b.ring("head", (0, 0, long + 0.2), 0.17, 0.06 * b.thick, turn=(90, 0, 0))
    stock = 0.4 * b.width
    b.limb("head", (-stock, 0, long - 0.18), (stock, 0, long - 0.18), 0.065 * b.thick)
    for side in (-1.0, 1.0):
        b.ball("head", (side * stock, 0, long - 0.18), 0.09)
    bow, spread = 0.68 * b.width, b.uniform(60.0, 75.0)
    b.ring("main", (0, 0, bow), bow, r, half_angle=spread, turn=(90, 90, 0))
    for side in (-1.0, 1.0):
        angle = math.radians(spread)
        x, z = side * bow * math.sin(angle), bow * (1.0 - math.cos(angle))
        b.cone("main", (x, 0, z - 0.1), (0.9 * x, 0, z + 0.24), 0.17, 0.02, rounding=0.03)


KINDS = (
    Kind(
        name="guitar",
        nouns=KIND_NOUNS["guitar"],
        build=_build_guitar,
        natural=("wooden", "orange", "red", "black"),
        parts=(
            named_part("neck", "brown", "black", "wooden"),
            named_part("head", SAME, "black", "brown"),
            Part("hole", (), ("black",)),
            Part("bridge", (), ("black", "brown")),
            Part("pegs", (), ("metal", "white")),
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="drum",
        nouns=KIND_NOUNS["drum"],
        build=_build_drum,
        natural=("red", "blue", "wooden"),
        parts=(
            named_part("rim", "golden", "metal", "black", "white"),
            Part("skin", (), ("white",)),
            Part("cords", (), ("white", "yellow", "black")),
            Part("sticks", (), ("wooden",)),
        ),
    ),
    Kind(
        name="gift",
        nouns=KIND_NOUNS["gift"],
        build=_build_gift,
        natural=("red", "blue", "green", "pink"),
        parts=(named_part("ribbon", "golden", "white", "red", "yellow"),),
    ),
    Kind(
        name="crown",
        nouns=KIND_NOUNS["crown"],
        build=_build_crown,
        natural=("golden", "metal"),
        parts=(named_part("jewels", "red", "blue", "green"),),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="anchor",
        nouns=KIND_NOUNS["anchor"],
        build=_build_anchor,
        natural=("metal", "grey", "black"),
        parts=(named_part("head", SAME, SAME, "golden", "red"),),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
)
