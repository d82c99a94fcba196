# SPDX-License-Identifier: GPL-3.0-or-later
"""Things that drive, sail and fly; they head towards -Y."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder
from .restyled import build_biplane, build_row_boat, build_sports_car


def _wheels(b: ShapeBuilder, half_x: float, ys: tuple[float, ...], radius: float) -> None:
    width = 0.11 * b.thick**0.5
    for side in (-1.0, 1.0):
        for y in ys:
            x = side * half_x
            b.cone("wheels", (x - width, y, radius), (x + width, y, radius), radius, rounding=0.05)
            hub = x + side * width
            b.cone("hubs", (hub - 0.05, y, radius), (hub + 0.03, y, radius), 0.45 * radius)


def _build_car(b: ShapeBuilder) -> None:
    w, long = 0.46 * b.width, 0.95 * b.uniform(0.9, 1.1)
    wheel = 0.24 * b.thick**0.4 * b.uniform(0.9, 1.1)
    low, h = 0.8 * wheel, 0.21 * b.height
    b.box("main", (0, 0, low + h), (w, long, h), rounding=0.12)
    roof, back = 0.22 * b.height * b.uniform(0.85, 1.15), b.uniform(0.0, 0.2)
    z, length = low + 2.0 * h + roof - 0.04, long * b.uniform(0.46, 0.6)
    bottom, top = (0.9 * w, length), (0.74 * w, 0.72 * length)
    b.frustum("windows", (0, back, z - 0.02), bottom, top, roof, rounding=0.06)
    b.box("main", (0, back, z + roof - 0.02), (0.76 * w, 0.76 * length, 0.06), rounding=0.05)
    for side in (-1.0, 1.0):
        b.box(
            "main",
            (side * 0.8 * w, back, z),
            (0.09, 0.06, roof),
            rounding=0.04,
            turn=(0, -16 * side, 0),
        )
    _wheels(b, w, (-0.58 * long, 0.58 * long), wheel)
    for side in (-1.0, 1.0):
        b.ball("lights", (side * 0.62 * w, -long + 0.02, low + 1.15 * h), (0.1, 0.06, 0.1))
        b.ball("tail", (side * 0.68 * w, long - 0.02, low + 1.15 * h), (0.09, 0.05, 0.07))
    b.box("hubs", (0, -long, low + 0.35 * h), (0.8 * w, 0.06, 0.06), rounding=0.04)


def _build_truck(b: ShapeBuilder) -> None:
    w, long, wheel = 0.42 * b.width, 1.0 * b.uniform(0.95, 1.1), 0.22 * b.thick**0.4
    low, cab = 1.15 * wheel, 0.36
    b.box("hubs", (0, 0, low), (0.8 * w, long, 0.08), rounding=0.04)
    high = 0.42 * b.height
    b.box("main", (0, -long + cab, low + 0.72 * high), (w, cab, 0.76 * high), rounding=0.1)
    b.box(
        "windows",
        (0, -long + 0.03, low + 0.98 * high),
        (0.82 * w, 0.06, 0.26 * high),
        rounding=0.04,
    )
    b.box(
        "windows",
        (0, -long + cab, low + 0.98 * high),
        (w + 0.02, 0.55 * cab, 0.24 * high),
        rounding=0.03,
    )
    for side in (-1.0, 1.0):
        b.ball("lights", (side * 0.65 * w, -long, low + 0.28 * high), (0.09, 0.06, 0.09))
    y, half = 0.5 * (2.0 * cab + 0.06), long - cab - 0.03
    style = b.chance(0.65)
    if style:
        b.box("cargo", (0, y, low + 1.05 * high), (1.06 * w, half, high), rounding=0.05)
    else:
        b.box(
            "cargo",
            (0, y, low + 0.42 * high),
            (1.06 * w, half, 0.4 * high),
            rounding=0.04,
            role=CARVED_ROLE,
        )
        b.box(
            "cargo",
            (0, y, low + 0.95 * high),
            (0.86 * w, half - 0.09, 0.7 * high),
            role=CUTTER_ROLE,
        )
    _wheels(b, 0.95 * w, (-long + cab, 0.28 * long, 0.28 * long + 2.1 * wheel), wheel)


def _build_boat(b: ShapeBuilder) -> None:
    w, long, h = 0.4 * b.width, 0.92 * b.uniform(0.9, 1.05), 0.26 * b.height**0.5 * b.thick**0.4
    b.frustum("main", (0, 0.12, 0), (0.68 * w, 0.72 * long), (w, 0.8 * long), h, rounding=0.07)
    bow = -0.62 * long
    b.frustum("main", (0, bow - 0.06, 0), (0.1, 0.3 * long), (0.14, 0.42 * long), h, rounding=0.06)
    b.frustum(
        "main", (0, bow - 0.1, 0.0), (0.9 * w, h), (0.08, 0.9 * h), 0.2 * long, turn=(90, 0, 0)
    )
    b.box("deck", (0, 0.12, h - 0.01), (0.8 * w, 0.7 * long, 0.05), rounding=0.03)
    if b.wants("sail", 0.7):
        mast = h + 1.25 * b.height * b.uniform(0.9, 1.1)
        b.cone("deck", (0, 0, 0), (0, 0, mast), 0.06 * b.thick, rounding=0.03)
        middle, half = 0.5 * (h + 0.22 + mast), 0.5 * (mast - h - 0.26)
        b.frustum("sail", (0, 0.3, middle), (0.055, 0.36), (0.05, 0.05), half)
        b.frustum("sail", (0, -0.26, middle - 0.08), (0.055, 0.24), (0.05, 0.04), half - 0.1)
        return
    b.box("cabin", (0, 0.2, h + 0.24 * b.height), (0.6 * w, 0.36, 0.26 * b.height), rounding=0.06)
    b.box("windows", (0, 0.2, h + 0.3 * b.height), (0.63 * w, 0.26, 0.1), rounding=0.03)
    z = h + 0.48 * b.height
    b.cone("funnel", (0, 0.25, z), (0, 0.25, z + 0.4 * b.height), 0.14 * b.thick)


def _build_airplane(b: ShapeBuilder) -> None:
    long, r = 0.95 * b.uniform(0.9, 1.05), 0.2 * b.thick**0.7 * b.height**0.3
    b.limb("main", (0, -long + r, 0), (0, 0.15, 0), r, 1.05 * r)
    b.limb("main", (0, 0.1, 0), (0, long, 0.1), 1.05 * r, 0.09)
    span, chord = 0.98 * b.width * b.uniform(0.9, 1.05), 0.24
    sweep = b.uniform(0.0, 0.26)
    for side in (-1.0, 1.0):
        b.frustum(
            "wings",
            (side * 0.5 * span, -0.05 + 0.5 * sweep, -0.02),
            (0.055, 1.15 * chord),
            (0.045, 0.62 * chord),
            0.5 * span,
            turn=(0, 90 * side, -math.degrees(math.atan2(-sweep, span)) * side),
        )
        centre = (side * 0.22, 0.88 * long, 0.12)
        b.frustum("wings", centre, (0.045, 0.16), (0.04, 0.1), 0.22, turn=(0, 90 * side, 0))
    b.frustum("wings", (0, 0.86 * long, 0.32), (0.045, 0.2), (0.04, 0.11), 0.25)
    b.ball("windows", (0, -0.52 * long, 0.72 * r), (0.62 * r, 0.24, 0.62 * r))
    if b.chance(0.5):
        b.ball("engines", (0, -long - 0.02, 0), (0.09, 0.12, 0.09))
        b.box("engines", (0, -long - 0.05, 0), (0.34, 0.04, 0.05), turn=(0, b.uniform(0, 180), 0))
    else:
        for side in (-1.0, 1.0):
            x, y = side * 0.46 * span, -0.12 + 0.46 * sweep
            b.limb("engines", (x, y - 0.16, -0.12), (x, y + 0.12, -0.12), 0.11, 0.09)


def _build_rocket(b: ShapeBuilder) -> None:
    r, h = 0.32 * b.width * b.thick**0.5, 0.95 * b.height * b.uniform(0.9, 1.15)
    b.cone("main", (0, 0, 0), (0, 0, 0.5 * h), 0.78 * r, r, rounding=0.04)
    b.cone("main", (0, 0, 0.45 * h), (0, 0, h), r, 0.86 * r, rounding=0.04)
    nose = 0.58 * b.uniform(0.85, 1.2)
    b.cone("nose", (0, 0, h - 0.04), (0, 0, h + nose), 0.84 * r, 0.05, rounding=0.06)
    number, turn = b.count(3, 4), b.uniform(-30, 30)
    for index in range(number):
        angle = turn + 360.0 * index / number
        reach = 0.62 * r + 0.2
        x, y = reach * math.cos(math.radians(angle)), reach * math.sin(math.radians(angle))
        b.frustum("fins", (x, y, 0.1), (0.32, 0.06), (0.1, 0.05), 0.36, turn=(0, 0, angle))
        foot = 1.0 * r + 0.26
        x, y = foot * math.cos(math.radians(angle)), foot * math.sin(math.radians(angle))
        b.limb("fins", (x, y, -0.1), (x, y, -0.3), 0.075)
    b.cone("engine", (0, 0, -0.16), (0, 0, 0.08), 0.62 * r, 0.5 * r)
    for z, size in ((0.66 * h, 0.52), (0.3 * h, 0.4)):
        b.ball("window", (0, -0.9 * r, z), (size * r, 0.09, size * r))


def _build_train(b: ShapeBuilder) -> None:
    w, long, wheel = 0.34 * b.width, 0.92 * b.uniform(0.95, 1.1), 0.2
    low, r = 1.3 * wheel, 0.3 * b.thick**0.5
    b.box("chassis", (0, 0, low), (w, long, 0.1), rounding=0.04)
    b.cone("main", (0, -long + 0.05, low + r), (0, 0.35, low + r), r, rounding=0.06)
    cab = 0.46 * b.height
    b.box("main", (0, 0.6 * long, low + cab), (1.02 * w, 0.34 * long, cab), rounding=0.06)
    b.box(
        "windows",
        (0, 0.58 * long, low + 1.3 * cab),
        (1.06 * w, 0.2 * long, 0.34 * cab),
        rounding=0.03,
    )
    b.box("roof", (0, 0.6 * long, low + 2.0 * cab), (1.2 * w, 0.42 * long, 0.07), rounding=0.05)
    y = -0.66 * long
    top = low + 2.0 * r + 0.4 * b.height
    b.cone("chimney", (0, y, low + r), (0, y, top), 0.1 * b.thick, 0.14 * b.thick)
    b.cone("chimney", (0, y, top - 0.1), (0, y, top + 0.05), 0.18 * b.thick)
    b.ball("chimney", (0, -0.15, low + 1.95 * r), (0.14, 0.14, 0.14))
    b.ball("lights", (0, -long + 0.04, low + 1.3 * r), (0.1, 0.07, 0.1))
    b.frustum("chassis", (0, -long - 0.06, 0.18), (1.0 * w, 0.2), (0.7 * w, 0.06), 0.16)
    _wheels(b, 0.95 * w, (-0.6 * long, -0.02, 0.58 * long), wheel)


_GLASS = ("cyan", "cyan", "black")
_TYRES = ("black", "black", "grey")

KINDS = (
    Kind(
        name="car",
        nouns=("car", "automobile", "auto", "toy car"),
        build=_build_car,
        styles=(build_sports_car,),
        natural=("red", "blue", "yellow", "green"),
        parts=(
            Part("wheels", ("wheels", "tires", "tyres"), _TYRES),
            Part("windows", ("windows",), _GLASS),
            Part("hubs", (), ("metal", "white")),
            Part("lights", (), ("yellow",)),
            Part("tail", (), ("red",)),
        ),
    ),
    Kind(
        name="truck",
        nouns=("truck", "lorry", "pickup", "van"),
        build=_build_truck,
        natural=("red", "blue", "orange"),
        parts=(
            Part("cargo", ("a trailer", "cargo", "a load"), (SAME, "white", "wooden")),
            Part("wheels", ("wheels", "tires", "tyres"), _TYRES),
            Part("windows", (), ("cyan",)),
            Part("hubs", (), ("metal", "grey")),
            Part("lights", (), ("yellow",)),
        ),
    ),
    Kind(
        name="boat",
        nouns=("boat", "ship", "sailboat", "sailing boat"),
        build=_build_boat,
        styles=(build_row_boat,),
        natural=("wooden", "white", "red", "blue"),
        parts=(
            Part("sail", ("a sail", "sails"), ("white", "white", "red")),
            Part("deck", ("a deck", "a mast"), ("wooden", "brown")),
            Part("cabin", (), ("white",)),
            Part("windows", (), ("cyan",)),
            Part("funnel", (), ("red", "orange", "black")),
        ),
        adjectives=("tall", "short", "wide", "slim", "small"),
    ),
    Kind(
        name="airplane",
        nouns=("airplane", "plane", "aeroplane", "aircraft", "jet"),
        build=_build_airplane,
        styles=(build_biplane,),
        natural=("white", "red", "blue", "metal"),
        parts=(
            Part("wings", ("wings",), (SAME, SAME, "white", "red", "blue")),
            Part("engines", (), ("grey", "black")),
            Part("windows", (), ("cyan",)),
        ),
        adjectives=("wide", "slim", "chunky", "small"),
    ),
    Kind(
        name="rocket",
        nouns=("rocket", "spaceship", "rocket ship", "spacecraft"),
        build=_build_rocket,
        natural=("white", "red", "metal"),
        parts=(
            Part("fins", ("fins", "legs"), ("red", "orange", "blue")),
            Part("nose", ("a nose", "a nose cone", "a tip"), ("red", "orange", "blue")),
            Part("window", (), ("cyan",)),
            Part("engine", (), ("grey", "black")),
        ),
    ),
    Kind(
        name="train",
        nouns=("train", "locomotive", "steam engine"),
        build=_build_train,
        natural=("black", "red", "green", "blue"),
        parts=(
            Part("wheels", ("wheels",), ("black", "red", "grey")),
            Part("chimney", ("a chimney", "a smokestack"), ("black", "golden")),
            Part("roof", ("a roof",), (SAME, "red", "black")),
            Part("chassis", (), ("grey", "black")),
            Part("windows", (), ("cyan", "yellow")),
            Part("hubs", (), ("golden", "metal")),
            Part("lights", (), ("yellow",)),
        ),
        adjectives=("tall", "short", "wide", "slim", "small"),
    ),
)
