# SPDX-License-Identifier: GPL-3.0-or-later
"""More things that drive, swim and fly; they head towards -Y."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part, named_part
from .builder import ShapeBuilder
from .synonyms import KIND_NOUNS


def _wheel(b: ShapeBuilder, x: float, y: float, radius: float, half: float) -> None:
    b.cone("wheels", (x - half, y, radius), (x + half, y, radius), radius, rounding=0.05)
    side = 1.0 if x > 0.0 else -1.0
    hub = x + side * half
    b.cone("hubs", (hub - side * 0.05, y, radius), (hub + side * 0.03, y, radius), 0.45 * radius)


def _build_bus(b: ShapeBuilder) -> None:
    w, long, wheel = 0.36 * b.width, 1.0 * b.uniform(0.95, 1.1), 0.2 * b.thick**0.4
    floors = 2 if b.chance(0.25) else 1
    each = 0.34 * b.height
    low, h = 0.7 * wheel, each * (0.55 + 0.75 * floors)
    b.box("main", (0, 0, low + h), (w, long, h), rounding=0.1)
    panes = b.count(3, 5)
    for floor in range(floors):
        z = low + each * (1.25 + 1.45 * floor)
        half = 0.84 * long / panes
        for index in range(panes):
            y = -0.84 * long + half * (2 * index + 1)
            size = (w + 0.025, half - 0.045, 0.42 * each)
            b.box("windows", (0, y, z), size, rounding=0.03)
        b.box("windows", (0, -long, z), (0.84 * w, 0.04, 0.42 * each), rounding=0.03)
    if b.wants("stripes", 0.45):
        b.box("stripes", (0, 0, low + 0.5 * each), (w + 0.02, long + 0.02, 0.07), rounding=0.02)
    for side in (-1.0, 1.0):
        for y in (-0.62 * long, 0.62 * long):
            _wheel(b, side * (w - 0.02), y, wheel, 0.09)
        b.ball("lights", (side * 0.62 * w, -long, low + 0.34 * each), (0.08, 0.06, 0.08))


def _build_helicopter(b: ShapeBuilder) -> None:
    w, h = 0.34 * b.width * b.thick**0.3, 0.36 * b.height
    b.ball("main", (0, -0.15, 0), (w, 0.6, h))
    b.ball("windows", (0, -0.45, 0.06), (0.86 * w, 0.36, 0.78 * h))
    b.limb("main", (0, 0.2, 0.08), (0, 1.05, 0.16), 0.17 * b.thick, 0.075)
    b.frustum("main", (0, 1.06, 0.3), (0.045, 0.15), (0.04, 0.09), 0.22)
    turn = b.uniform(0.0, 180.0)
    b.box("rotor", (0.09, 1.08, 0.26), (0.04, 0.045, 0.24), turn=(turn, 0, 0))
    mast = h + 0.2
    b.cone("rotor", (0, -0.1, 0), (0, -0.1, mast + 0.04), 0.07)
    blades, turn = b.count(2, 4), b.uniform(0.0, 90.0)
    long = 0.92 * b.uniform(0.9, 1.1)
    for index in range(blades):
        angle = turn + 360.0 * index / blades
        x, y = (0.5 * long * f(math.radians(angle)) for f in (math.cos, math.sin))
        b.box("rotor", (x, y - 0.1, mast), (0.5 * long, 0.08, 0.035), turn=(0, 0, angle))
    for side in (-1.0, 1.0):
        x, z = side * (w + 0.06), -h - 0.2
        b.limb("skids", (x, -0.55, z), (x, 0.35, z), 0.05)
        for y in (-0.35, 0.12):
            b.limb("skids", (side * 0.6 * w, y, -0.6 * h), (x, y, z), 0.04)


def _build_submarine(b: ShapeBuilder) -> None:
    long, r = 0.75 * b.width**0.4 * b.uniform(0.9, 1.15), 0.3 * b.thick**0.6 * b.height**0.3
    b.limb("main", (0, -long + r, 0), (0, 0.3, 0), r)
    b.limb("main", (0, 0.2, 0), (0, long + 0.1, 0.04), 0.98 * r, 0.13)
    deck = r + 0.26 * b.height
    b.cone("main", (0, -0.1, 0), (0, -0.1, deck), 0.24 * b.width, 0.2 * b.width, rounding=0.06)
    b.limb("fins", (0, -0.06, deck), (0, -0.06, deck + 0.3), 0.055)
    b.limb("fins", (0, -0.06, deck + 0.3), (0, -0.22, deck + 0.3), 0.06)
    for degrees in (0.0, 90.0, 180.0, 270.0):
        a = math.radians(degrees)
        centre = (0.26 * math.cos(a), long, 0.04 + 0.26 * math.sin(a))
        b.box("fins", centre, (0.2, 0.13, 0.04), turn=(0, -degrees, 0))
    b.ball("screw", (0, long + 0.22, 0.04), 0.08)
    for turn in (45.0, 135.0):
        b.box("screw", (0, long + 0.24, 0.04), (0.22, 0.04, 0.07), turn=(0, turn, 0))
    number = b.count(2, 4)
    for index in range(number):
        y = -0.62 * long + 0.27 * index
        b.cone("windows", (-r - 0.02, y, 0.05), (r + 0.02, y, 0.05), 0.1, rounding=0.02)
    if b.chance(0.6):
        b.ball("windows", (0, -long + 0.1, 0.02), (0.55 * r, 0.14, 0.55 * r))


def _build_balloon(b: ShapeBuilder) -> None:
    r, h = 0.66 * b.width, 0.62 * b.height**0.8
    b.limb("main", (0, 0, 0), (0, 0, h), 0.34 * r, r)
    b.cone("stripes", (0, 0, -0.36 * r), (0, 0, -0.2), 0.24 * r, 0.3 * r, rounding=0.03)
    if b.wants("stripes", 0.7):
        number = b.count(4, 6)
        for index in range(number):
            angle = 180.0 * index / number
            b.ring("stripes", (0, 0, h), r - 0.025, 0.06, turn=(90, 0, angle))
    drop = -0.34 * r - 0.5 * b.height
    for x in (-0.16, 0.16):
        for y in (-0.16, 0.16):
            b.limb("ropes", (x, y, drop), (1.2 * x, 1.2 * y, -0.1), 0.03)
    size = 0.2 * b.thick**0.5
    b.box("basket", (0, 0, drop - 0.14), (size, size, 0.17), rounding=0.04)
    b.box("basket", (0, 0, drop), (size + 0.03, size + 0.03, 0.04), rounding=0.03)


def _build_tractor(b: ShapeBuilder) -> None:
    w, big, front = 0.27 * b.width, 0.42 * b.height**0.4, 0.24
    axle = 0.36 * b.width
    for side in (-1.0, 1.0):
        _wheel(b, side * axle, 0.42, big, 0.13 * b.thick)
        _wheel(b, side * 0.9 * axle, -0.62, front, 0.09 * b.thick)
        b.ball("lights", (side * 0.6 * w, -0.9, big + 0.12), (0.07, 0.05, 0.07))
        b.box("main", (side * axle, 0.42, 2 * big + 0.02), (0.15, 0.3, 0.05), rounding=0.04)
    b.box("main", (0, -0.38, big + 0.1), (w, 0.52, 0.22), rounding=0.07)
    b.box("hubs", (0, 0, big - 0.06), (0.8 * w, 0.7, 0.1), rounding=0.04)
    b.cone("exhaust", (0.5 * w, -0.6, big + 0.2), (0.5 * w, -0.6, big + 0.75), 0.055)
    if b.wants("cabin", 0.7):
        z = big + 0.3 + 0.34 * b.height
        b.box("windows", (0, 0.38, z - 0.04), (0.98 * w, 0.27, 0.36 * b.height), rounding=0.04)
        b.box("cabin", (0, 0.38, z + 0.34 * b.height), (1.15 * w, 0.36, 0.06), rounding=0.05)
        for x in (-0.95 * w, 0.95 * w):
            for y in (0.12, 0.64):
                b.limb("cabin", (x, y, big + 0.1), (x, y, z + 0.3 * b.height), 0.05)
        return
    b.box("seat", (0, 0.42, big + 0.3), (0.8 * w, 0.2, 0.07), rounding=0.06)
    b.box("seat", (0, 0.62, big + 0.48), (0.8 * w, 0.06, 0.2), rounding=0.06)
    b.ring("hubs", (0, 0.08, big + 0.5), 0.14, 0.035, turn=(60, 0, 0))


def _build_bicycle(b: ShapeBuilder) -> None:
    r, tube, gap = 0.42 * b.height**0.5, 0.05 * b.thick, 0.6 * b.width**0.5 * b.uniform(0.95, 1.1)
    for y in (-gap, gap):
        b.ring("wheels", (0, y, r), r, 0.055 * b.thick, turn=(0, 90, 0))
        b.cone("hubs", (-0.07, y, r), (0.07, y, r), 0.07)
        for degrees in (0.0, 60.0, 120.0):
            a = math.radians(degrees)
            dy, dz = r * math.cos(a), r * math.sin(a)
            b.limb("hubs", (0, y - dy, r - dz), (0, y + dy, r + dz), 0.022)
    crank, seat, head = (0, 0.08, 0.85 * r), (0, 0.26, 1.95 * r), (0, -0.72 * gap, 2.0 * r)
    for start, end in (
        (crank, seat),
        (crank, head),
        (head, (0, 0.22, 1.75 * r)),
        (crank, (0, gap, r)),
        ((0, 0.22, 1.75 * r), (0, gap, r)),
        (head, (0, -gap, r)),
    ):
        b.limb("main", start, end, tube)
    b.ball("seat", (0, 0.28, 2.05 * r), (0.12, 0.2, 0.07))
    b.limb("main", head, (0, -0.66 * gap, 2.35 * r), tube)
    for side in (-1.0, 1.0):
        b.limb("main", (0, -0.66 * gap, 2.35 * r), (side * 0.3, -0.55 * gap, 2.4 * r), 0.9 * tube)
        b.limb("hubs", crank, (side * 0.12, 0.08, 0.85 * r + side * 0.16), 0.035)
        b.box("hubs", (side * 0.2, 0.08, 0.85 * r + side * 0.18), (0.09, 0.06, 0.035))


_GLASS = ("cyan", "black", "grey")
_HUBS = Part("hubs", (), ("metal", "grey", "white"))
_LIGHTS = Part("lights", (), ("yellow", "white"))

KINDS = (
    Kind(
        name="bus",
        nouns=KIND_NOUNS["bus"],
        build=_build_bus,
        natural=("yellow", "red", "blue"),
        parts=(
            named_part("windows", *_GLASS),
            named_part("wheels", "black", "grey"),
            named_part("stripes", "white", "black", "red"),
            _HUBS,
            _LIGHTS,
        ),
        adjectives=("tall", "short", "wide", "slim", "small"),
    ),
    Kind(
        name="helicopter",
        nouns=KIND_NOUNS["helicopter"],
        build=_build_helicopter,
        natural=("red", "green", "blue", "yellow"),
        parts=(
            named_part("rotor", "grey", "black", "white"),
            named_part("windows", "cyan", "black"),
            Part("skids", (), ("black", "grey")),
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="submarine",
        nouns=KIND_NOUNS["submarine"],
        build=_build_submarine,
        natural=("yellow", "grey", "black", "blue"),
        parts=(
            named_part("windows", "cyan", "white"),
            named_part("fins", SAME, "red", "grey"),
            Part("screw", (), ("golden", "grey")),
        ),
        adjectives=("tall", "short", "slim", "chunky"),
    ),
    Kind(
        name="balloon",
        nouns=KIND_NOUNS["balloon"],
        build=_build_balloon,
        natural=("red", "orange", "yellow", "purple"),
        parts=(
            named_part("basket", "brown", "wooden"),
            named_part("stripes", "white", "yellow", "blue"),
            Part("ropes", (), ("brown", "black")),
        ),
        adjectives=("tall", "short", "wide", "slim"),
    ),
    Kind(
        name="tractor",
        nouns=KIND_NOUNS["tractor"],
        build=_build_tractor,
        natural=("green", "red", "orange"),
        parts=(
            named_part("wheels", "black", "grey"),
            named_part("cabin", SAME, "white", "black"),
            Part("windows", (), ("cyan",)),
            Part("hubs", (), ("yellow", "grey", "metal")),
            Part("exhaust", (), ("black", "metal")),
            Part("seat", (), ("black",)),
            _LIGHTS,
        ),
    ),
    Kind(
        name="bicycle",
        nouns=KIND_NOUNS["bicycle"],
        build=_build_bicycle,
        natural=("red", "blue", "black", "green"),
        parts=(
            named_part("wheels", "black", "grey"),
            named_part("seat", "black", "brown", "white"),
            Part("hubs", (), ("metal", "grey")),
        ),
        adjectives=("tall", "short", "wide", "chunky"),
    ),
)
