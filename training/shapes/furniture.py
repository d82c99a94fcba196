# SPDX-License-Identifier: GPL-3.0-or-later
"""Things to sit, lie, work and read at."""

from __future__ import annotations

from .attributes import SAME, Kind, Part
from .builder import ShapeBuilder
from .restyled import build_corner_sofa, build_floor_lamp, build_office_chair

_LEG_COLOURS = (SAME, "wooden", "brown", "black", "metal")


def _four_legs(
    b: ShapeBuilder, half_x: float, half_y: float, top: float, radius: float, splay: float = 0.0
) -> None:
    for side in (-1.0, 1.0):
        for depth in (-1.0, 1.0):
            x, y = side * half_x, depth * half_y
            foot = (x * (1.0 + splay), y * (1.0 + splay), 0.0)
            b.cone("legs", foot, (x, y, top), 0.8 * radius, radius, rounding=0.02)


def _build_chair(b: ShapeBuilder) -> None:
    w, d = 0.46 * b.width * b.uniform(0.9, 1.1), 0.44 * b.width * b.uniform(0.9, 1.1)
    seat, t = 0.8 * b.height * b.uniform(0.85, 1.1), 0.07 * b.thick
    leg = 0.075 * b.thick * b.uniform(0.9, 1.2)
    _four_legs(b, w - leg, d - leg, seat, leg, splay=b.uniform(0.0, 0.18))
    b.box("main", (0, 0, seat), (w, d, t), rounding=0.06)
    top = seat + 0.95 * b.height * b.uniform(0.85, 1.15)
    back_y, lean = d - 0.07, b.uniform(0.0, 10.0)
    style = b.count(0, 2)
    middle, half = 0.5 * (seat + top), 0.5 * (top - seat)
    if style == 0:
        b.box(
            "main",
            (0, back_y, middle),
            (w, 0.07 * b.thick, half),
            rounding=0.07,
            turn=(-lean, 0, 0),
        )
    else:
        for side in (-1.0, 1.0):
            x = side * (w - leg)
            b.limb("main", (x, back_y, seat), (x, back_y + 0.06, top - leg), leg)
        b.box("main", (0, back_y + 0.06, top - 0.14), (w, 0.065 * b.thick, 0.14), rounding=0.06)
        if style == 1:
            b.box(
                "main", (0, back_y + 0.03, middle), (w - leg, 0.05 * b.thick, 0.08), rounding=0.04
            )
        else:
            for x in (-0.36 * w, 0.36 * w):
                b.limb("main", (x, back_y, seat), (x, back_y + 0.06, top - 0.14), 0.05 * b.thick)
    if b.wants("cushion", 0.25):
        b.box("cushion", (0, -0.03, seat + t + 0.04), (0.84 * w, 0.84 * d, 0.075), rounding=0.07)
    if b.chance(0.3):
        for side in (-1.0, 1.0):
            x, arm = side * w, seat + 0.36 * b.height
            b.limb("main", (x, -0.7 * d, seat), (x, -0.7 * d, arm), leg)
            b.box("main", (x, 0, arm), (0.07 * b.thick, d, 0.05), rounding=0.05)


def _build_stool(b: ShapeBuilder) -> None:
    w, seat, leg = 0.46 * b.width, 1.0 * b.height * b.uniform(0.8, 1.15), 0.075 * b.thick
    t = 0.085 * b.thick
    if b.chance(0.75):
        b.cone("main", (0, 0, seat - t), (0, 0, seat + t), w, rounding=0.07)
        reach = 0.62
    else:
        b.box("main", (0, 0, seat), (w, w, t), rounding=0.07)
        reach = 0.75
    if b.wants("cushion", 0.3):
        b.ball("cushion", (0, 0, seat + t), (0.9 * w, 0.9 * w, 0.13))
    splay = b.uniform(0.1, 0.5)
    _four_legs(b, reach * w, reach * w, seat, leg, splay=splay)
    if b.chance(0.5):
        low = 0.35
        x = reach * w * (1.0 + splay * (1.0 - low))
        for side in (-1.0, 1.0):
            b.limb("legs", (side * x, -x, low * seat), (side * x, x, low * seat), 0.6 * leg)
            b.limb("legs", (-x, side * x, low * seat), (x, side * x, low * seat), 0.6 * leg)


def _build_table(b: ShapeBuilder) -> None:
    w, d = 0.95 * b.width * b.uniform(0.9, 1.1), 0.62 * b.width * b.uniform(0.85, 1.1)
    top, t, leg = 0.78 * b.height * b.uniform(0.9, 1.15), 0.075 * b.thick, 0.09 * b.thick
    style = b.count(0, 3)
    if style == 0:
        r = 0.85 * d + 0.1
        b.cone("main", (0, 0, top - t), (0, 0, top + t), r, rounding=0.06)
        b.cone("legs", (0, 0, 0.04), (0, 0, top), 1.5 * leg, leg, rounding=0.03)
        b.cone("legs", (0, 0, 0), (0, 0, 0.14), 0.6 * r, 0.3 * r, rounding=0.05)
        return
    b.box("main", (0, 0, top), (w, d, t), rounding=0.05)
    if style == 1:
        for side in (-1.0, 1.0):
            b.box("legs", (side * 0.8 * w, 0, 0.5 * top), (leg, 0.8 * d, 0.5 * top), rounding=0.04)
        b.box("legs", (0, 0, 0.4 * top), (0.8 * w, 0.7 * leg, 0.09), rounding=0.03)
        return
    _four_legs(b, w - 1.4 * leg, d - 1.4 * leg, top, leg, splay=b.uniform(0.0, 0.08))
    if style == 2:
        b.box("main", (0, 0, top - 0.12), (w - 1.5 * leg, d - 1.5 * leg, 0.1), rounding=0.03)


def _build_sofa(b: ShapeBuilder) -> None:
    w, d = 0.98 * b.width * b.uniform(0.85, 1.1), 0.46 * b.uniform(0.9, 1.1)
    seat, top = 0.36 * b.height, 0.86 * b.height * b.uniform(0.9, 1.15)
    arm, arm_top = 0.15 * b.thick, 0.6 * b.height * b.uniform(0.85, 1.1)
    b.box("main", (0, 0, 0.5 * seat + 0.06), (w, d, 0.5 * seat - 0.02), rounding=0.08)
    b.box("main", (0, d - 0.12, 0.5 * top + 0.06), (w, 0.16 * b.thick, 0.5 * top), rounding=0.12)
    for side in (-1.0, 1.0):
        x, half = side * (w - 0.5 * arm), 0.5 * arm_top
        b.box("main", (x, -0.02, half + 0.06), (arm, d, half), rounding=0.11)
    seats = 3 if w > 1.05 else 2
    each = (w - arm) / seats
    for index in range(seats):
        x = (2 * index - seats + 1) * each
        b.box("cushions", (x, -0.09, seat + 0.12), (each - 0.02, d - 0.1, 0.12), rounding=0.09)
    for side in (-1.0, 1.0):
        for depth in (-0.8, 0.8):
            foot = (side * 0.88 * w, depth * d, -0.06)
            b.cone("legs", foot, (foot[0], foot[1], 0.12), 0.05, 0.07, rounding=0.02)


def _build_bed(b: ShapeBuilder) -> None:
    w, d = 0.66 * b.width * b.uniform(0.85, 1.1), 0.98 * b.uniform(0.95, 1.05)
    base, t = 0.3 * b.height, 0.075 * b.thick
    b.box("frame", (0, 0, base), (w, d, 0.11 * b.thick), rounding=0.05)
    head, foot = 0.92 * b.height * b.uniform(0.85, 1.1), 0.52 * b.height * b.uniform(0.8, 1.1)
    for y, top in ((d, head), (-d, foot)):
        b.box("frame", (0, y, 0.5 * top), (w + 0.04, t, 0.5 * top), rounding=0.06)
    b.box("sheet", (0, 0, base + 0.17), (0.94 * w, 0.95 * d, 0.13), rounding=0.09)
    b.box("main", (0, -0.24 * d, base + 0.2), (w, 0.72 * d, 0.16), rounding=0.1)
    count = 2 if w > 0.58 else 1
    for index in range(count):
        x = (2 * index - count + 1) * 0.44 * w
        size = (0.4 * w if count == 2 else 0.6 * w, 0.19, 0.11)
        b.ball("pillow", (x, 0.7 * d, base + 0.34), size, turn=(18, 0, 0))


def _build_bookshelf(b: ShapeBuilder) -> None:
    w, d = 0.52 * b.width * b.uniform(0.9, 1.1), 0.27
    rows = max(2, round(b.count(3, 4) * b.height**0.7))
    t, gap = 0.05 * b.thick, 0.44
    top = rows * gap
    for x in (-w, w):
        b.box("main", (x, 0, 0.5 * top), (t, d, 0.5 * top + t), rounding=0.03)
    b.box("main", (0, d - 0.03, 0.5 * top), (w, 0.035, 0.5 * top), rounding=0.03)
    for row in range(rows + 1):
        b.box("main", (0, 0, row * gap), (w, d, t), rounding=0.03)
    for row in range(rows):
        x, end = -w + t, w - t - 0.06
        while x < end:
            half = min(b.uniform(0.05, 0.085), 0.5 * (w - t - x))
            high = gap * b.uniform(0.26, 0.38)
            if b.chance(0.85):
                part = ("books", "books", "book_two", "book_three")[b.count(0, 3)]
                centre = (x + half, 0.02, row * gap + t + high)
                b.box(part, centre, (half - 0.004, 0.8 * d, high), rounding=0.02)
            x += 2.0 * half


def _build_lamp(b: ShapeBuilder) -> None:
    top, r = 1.15 * b.height * b.uniform(0.85, 1.15), 0.46 * b.width * b.uniform(0.9, 1.1)
    b.cone("base", (0, 0, 0), (0, 0, 0.12), 0.36 * b.width, 0.28 * b.width, rounding=0.05)
    if b.chance(0.4):
        b.ball("base", (0, 0, 0.36 * b.height), (0.24 * b.width, 0.24 * b.width, 0.3 * b.height))
    b.cone("base", (0, 0, 0.1), (0, 0, top), 0.06 * b.thick, rounding=0.02)
    high = 0.62 * b.uniform(0.85, 1.15)
    b.cone("main", (0, 0, top - 0.1), (0, 0, top + high - 0.1), r, b.uniform(0.45, 0.75) * r)
    b.ball("base", (0, 0, top + high - 0.08), 0.06)


KINDS = (
    Kind(
        name="chair",
        nouns=("chair", "dining chair", "kitchen chair"),
        build=_build_chair,
        styles=(build_office_chair,),
        natural=("wooden", "brown", "white", "red"),
        parts=(
            Part("legs", ("legs", "feet"), _LEG_COLOURS),
            Part("cushion", ("a cushion", "a seat cushion"), ("red", "white", "blue", "yellow")),
        ),
    ),
    Kind(
        name="stool",
        nouns=("stool", "bar stool", "barstool"),
        build=_build_stool,
        natural=("wooden", "brown", "red"),
        parts=(
            Part("legs", ("legs", "feet"), _LEG_COLOURS),
            Part("cushion", ("a cushion", "a seat cushion"), ("red", "brown", "black", "yellow")),
        ),
    ),
    Kind(
        name="table",
        nouns=("table", "desk", "dining table"),
        build=_build_table,
        natural=("wooden", "brown", "white"),
        parts=(Part("legs", ("legs", "feet"), _LEG_COLOURS),),
    ),
    Kind(
        name="sofa",
        nouns=("sofa", "couch", "settee", "loveseat"),
        build=_build_sofa,
        styles=(build_corner_sofa,),
        natural=("red", "grey", "blue", "green", "brown"),
        parts=(
            Part("cushions", ("cushions", "pillows"), (SAME, SAME, "white", "grey", "yellow")),
            Part("legs", (), ("wooden", "black")),
        ),
        adjectives=("tall", "short", "wide", "chunky", "small"),
    ),
    Kind(
        name="bed",
        nouns=("bed", "double bed"),
        build=_build_bed,
        natural=("blue", "red", "white", "pink"),
        parts=(
            Part("frame", ("a frame", "a headboard"), ("wooden", "brown", "white", "metal")),
            Part("pillow", ("pillows",), ("white", "white", "yellow", "grey")),
            Part("sheet", (), ("white",)),
        ),
        adjectives=("tall", "short", "wide", "slim", "small"),
    ),
    Kind(
        name="bookshelf",
        nouns=("bookshelf", "bookcase", "shelf"),
        build=_build_bookshelf,
        natural=("wooden", "brown", "white"),
        parts=(
            Part("books", ("books",), ("red", "blue", "green")),
            Part("book_two", (), ("blue", "cyan", "orange")),
            Part("book_three", (), ("yellow", "green", "white")),
        ),
    ),
    Kind(
        name="lamp",
        nouns=("lamp", "desk lamp", "lampshade"),
        build=_build_lamp,
        styles=(build_floor_lamp,),
        natural=("yellow", "white", "red", "green"),
        parts=(
            Part("base", ("a base", "a stand", "a pole"), ("golden", "wooden", "black", "metal")),
        ),
    ),
)
