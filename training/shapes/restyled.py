# SPDX-License-Identifier: GPL-3.0-or-later
"""Other ways to build some of the first kinds; scenes draw them as often as the usual way.

They use the part names of their kinds. One that lacks a part which was asked for is not taken.
"""

from __future__ import annotations

import math

from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder


def build_office_chair(b: ShapeBuilder) -> None:
    """A seat that turns, on a star of five feet."""
    w, t = 0.46 * b.width, 0.09 * b.thick
    seat = 0.72 * b.height
    arms, turn = 5, b.uniform(0.0, 72.0)
    for index in range(arms):
        angle = math.radians(turn + 360.0 * index / arms)
        x, y = 0.52 * math.cos(angle), 0.52 * math.sin(angle)
        b.limb("legs", (0, 0, 0.16), (x, y, 0.1), 0.07 * b.thick, 0.055)
        b.ball("legs", (x, y, 0.05), 0.08)
    b.cone("legs", (0, 0, 0.1), (0, 0, seat), 0.07 * b.thick)
    b.box("main", (0, 0, seat), (w, w, t), rounding=0.08)
    b.limb("legs", (0, 0.8 * w, seat), (0, w + 0.06, seat + 0.3), 0.06)
    high = 0.42 * b.height
    b.box("main", (0, w + 0.06, seat + 0.2 + high), (0.9 * w, 0.07, high), rounding=0.06)
    if b.wants("cushion", 0.2):
        b.box("cushion", (0, -0.03, seat + t + 0.04), (0.84 * w, 0.84 * w, 0.07), rounding=0.06)


def build_floor_lamp(b: ShapeBuilder) -> None:
    """A shade that hangs from a bent pole."""
    top, r = 1.7 * b.height, 0.34 * b.width
    reach = 0.55 * b.width
    b.cone("base", (0, 0, 0), (0, 0, 0.1), 0.4 * b.width, 0.34 * b.width, rounding=0.04)
    b.limb("base", (0, 0, 0.05), (0, 0, top - 0.3), 0.055 * b.thick)
    b.limb("base", (0, 0, top - 0.3), (0.4 * reach, 0, top), 0.055 * b.thick)
    b.limb("base", (0.4 * reach, 0, top), (reach, 0, top - 0.05), 0.055 * b.thick)
    high = 0.42 * b.uniform(0.85, 1.2)
    b.cone("main", (reach, 0, top - high), (reach, 0, top), r, 0.4 * r, rounding=0.04)


def build_corner_sofa(b: ShapeBuilder) -> None:
    """Two wings at a right angle."""
    w, d, seat = 0.95 * b.width, 0.36, 0.34 * b.height
    top, long = 0.78 * b.height, 0.5 * b.uniform(0.8, 1.2)
    side = 1.0 if b.chance(0.5) else -1.0
    b.box("main", (0, 0, 0.5 * seat), (w, d, 0.5 * seat), rounding=0.07)
    b.box("main", (0, d, 0.5 * top), (w, 0.13 * b.thick, 0.5 * top), rounding=0.1)
    x = side * (w - d)
    b.box("main", (x, -d - long + 0.06, 0.5 * seat), (d, long, 0.5 * seat), rounding=0.07)
    b.box("main", (-side * w, 0, 0.32 * top), (0.12 * b.thick, d, 0.36 * top), rounding=0.1)
    b.box("cushions", (-side * d, -0.08, seat + 0.09), (w - d - 0.04, d - 0.08, 0.1), rounding=0.08)
    size = (d - 0.03, long + 0.5 * d, 0.1)
    b.box("cushions", (x, -long + 0.1, seat + 0.09), size, rounding=0.08)


def build_sports_car(b: ShapeBuilder) -> None:
    """Low, with a wedge of a nose and a wing behind."""
    w, long, wheel = 0.46 * b.width, 1.0 * b.uniform(0.95, 1.1), 0.21 * b.thick**0.4
    low, h = 0.75 * wheel, 0.15 * b.height
    b.box("main", (0, 0.2, low + h), (w, 0.8 * long, h), rounding=0.1)
    nose = (0, -0.62 * long, low + 0.75 * h)
    b.box("main", nose, (0.96 * w, 0.4 * long, 0.72 * h), rounding=0.1, turn=(7, 0, 0))
    z = low + 2.0 * h + 0.09 * b.height
    b.frustum("windows", (0, 0.12, z), (0.82 * w, 0.5 * long), (0.6 * w, 0.24 * long), 0.16)
    b.box("main", (0, 0.12, z + 0.16), (0.6 * w, 0.26 * long, 0.04), rounding=0.03)
    b.box("main", (0, 0.92 * long, low + 2 * h + 0.2), (w, 0.12, 0.04), rounding=0.03)
    for side in (-1.0, 1.0):
        b.box("main", (side * 0.7 * w, 0.92 * long, low + 2 * h + 0.08), (0.04, 0.08, 0.14))
        b.ball("lights", (side * 0.66 * w, -0.98 * long, low + 0.8 * h), (0.1, 0.07, 0.06))
        b.ball("tail", (side * 0.68 * w, long, low + 1.1 * h), (0.09, 0.05, 0.06))
        for y in (-0.58 * long, 0.62 * long):
            x = side * (w - 0.02)
            b.cone("wheels", (x - 0.11, y, wheel), (x + 0.11, y, wheel), wheel, rounding=0.05)
            hub = x + side * 0.11
            b.cone("hubs", (hub - 0.05, y, wheel), (hub + 0.03, y, wheel), 0.45 * wheel)


def build_biplane(b: ShapeBuilder) -> None:
    """Two wings, one above the other, and a propeller."""
    long, r = 0.85 * b.uniform(0.9, 1.05), 0.19 * b.thick**0.7
    span = 0.92 * b.width
    b.limb("main", (0, -long + r, 0), (0, 0.1, 0), r)
    b.limb("main", (0, 0.1, 0), (0, long, 0.08), r, 0.09)
    rise = r + 0.36 * b.height
    for z in (-0.08, rise):
        b.box("wings", (0, -0.35 * long, z), (span, 0.2, 0.045), rounding=0.04)
    for side in (-1.0, 1.0):
        for y in (-0.5 * long, -0.2 * long):
            x = side * 0.62 * span
            b.limb("engines", (x, y, -0.08), (x, y, rise), 0.035)
        b.limb("engines", (side * 0.1, -0.4 * long, 0), (side * 0.2, -0.42 * long, -0.4), 0.04)
        x = side * 0.24
        b.cone("engines", (x - 0.05, -0.42 * long, -0.42), (x + 0.05, -0.42 * long, -0.42), 0.13)
    b.box("wings", (0, 0.92 * long, 0.1), (0.36, 0.13, 0.04), rounding=0.03)
    b.box("wings", (0, 0.94 * long, 0.26), (0.04, 0.13, 0.2), rounding=0.03)
    b.ball("windows", (0, -0.02 * long, r), (0.12, 0.16, 0.12))
    b.ball("engines", (0, -long - 0.02, 0), (0.09, 0.1, 0.09))
    turn = b.uniform(0, 180)
    b.box("engines", (0, -long - 0.08, 0), (0.34, 0.04, 0.05), turn=(0, turn, 0))


def build_town_house(b: ShapeBuilder) -> None:
    """Two or three floors under a steep roof."""
    x, y, floors = 0.45 * b.width, 0.42 * b.width**0.5, b.count(2, 3)
    each = 0.46 * b.height
    h = floors * each
    b.box("main", (0, 0, 0.5 * h), (x, y, 0.5 * h), rounding=0.03)
    roof = 0.32 * b.uniform(0.9, 1.4)
    b.frustum("roof", (0, 0, h + roof), (x + 0.07, y + 0.07), (0.0, y + 0.07), roof)
    b.box("door", (0, -y, 0.16), (0.11, 0.06, 0.18), rounding=0.04)
    for floor in range(floors):
        z = (floor + 0.6) * each
        for place in (-0.55, 0.55):
            b.box("windows", (place * x, -y, z), (0.1, 0.05, 0.12), rounding=0.03)
        b.box("windows", (0, 0, z), (x + 0.03, 0.13, 0.12), rounding=0.03)
    if b.wants("chimney", 0.5):
        b.box(
            "chimney", (0.55 * x, 0.2 * y, h + 1.2 * roof), (0.09, 0.09, 0.9 * roof), rounding=0.03
        )


def build_sitting_cat(b: ShapeBuilder) -> None:
    """Upright on its hind legs, the tail around them."""
    w, h = 0.33 * b.width * b.thick**0.3, 0.46 * b.height
    b.limb("main", (0, 0.12, 0.75 * w), (0, -0.06, 1.5 * h), w, 0.68 * w)
    head = 0.3 * b.uniform(0.95, 1.1)
    z, y = 1.5 * h + 0.4 * w + head, -0.12
    b.ball("main", (0, y, z), (1.1 * head, 0.92 * head, 0.92 * head))
    for side in (-1.0, 1.0):
        x = side * 0.6 * head
        b.cone("main", (x, y, z + 0.5 * head), (1.15 * x, y, z + 1.35 * head), 0.15, 0.03)
        b.limb("main", (side * 0.12, -0.26, 1.1 * h), (side * 0.13, -0.36, 0.1), 0.1 * b.thick)
        b.ball("paws", (side * 0.13, -0.42, 0.06), (0.1, 0.14, 0.08))
        b.ball("main", (side * 0.85 * w, 0.0, 0.18), (0.17, 0.3, 0.2))
        b.ball("paws", (side * 0.85 * w, -0.3, 0.06), (0.11, 0.15, 0.08))
        b.ball("eyes", (side * 0.4 * head, y - 0.82 * head, z + 0.15 * head), 0.06)
    b.ball("muzzle", (0, y - 0.82 * head, z - 0.22 * head), (0.15, 0.1, 0.1))
    b.ball("nose", (0, y - 1.03 * head, z - 0.12 * head), 0.045)
    b.limb("main", (0.1, 0.45, 0.1), (0.5, 0.3, 0.08), 0.075)
    b.limb("main", (0.5, 0.3, 0.08), (0.52, -0.05, 0.1), 0.075, 0.06)


def build_wheeled_robot(b: ShapeBuilder) -> None:
    """A round body on tracks, with a dome for a head."""
    r, h, limb = 0.4 * b.width, 0.5 * b.height, 0.1 * b.thick
    b.cone("main", (0, 0, 0), (0, 0, 2 * h), r, 0.9 * r, rounding=0.08)
    b.ball("main", (0, 0, 2 * h + 0.05), (0.85 * r, 0.85 * r, 0.85 * r))
    b.cone("limbs", (0, 0, 2 * h - 0.02), (0, 0, 2 * h + 0.08), 0.93 * r, rounding=0.03)
    for side in (-1.0, 1.0):
        b.ball("eyes", (side * 0.32 * r, -0.72 * r, 2 * h + 0.2), 0.1)
        x = side * (r + limb)
        b.limb("limbs", (x, 0, 1.6 * h), (x + side * 0.06, -0.25, 0.9 * h), limb)
        b.ball("main", (x + side * 0.06, -0.27, 0.85 * h), 1.4 * limb)
        b.box("limbs", (side * 0.85 * r, 0, -0.12), (0.13, 0.5, 0.17), rounding=0.15)
    b.box("panel", (0, -0.93 * r, 1.1 * h), (0.5 * r, 0.08, 0.4 * h), rounding=0.04)
    if b.chance(0.6):
        b.limb("limbs", (0.1, 0, 2 * h + 0.8 * r), (0.12, 0, 2 * h + 0.8 * r + 0.2), 0.035)
        b.ball("antenna", (0.12, 0, 2 * h + 0.8 * r + 0.24), 0.08)


def build_tulip(b: ShapeBuilder) -> None:
    """A cup of petals on a stem with long leaves."""
    h, r = 1.1 * b.height, 0.26 * b.width
    b.limb("stem", (0, 0, 0), (0, 0, h), 0.06 * b.thick)
    petals = b.count(4, 6)
    for index in range(petals):
        angle = 2.0 * math.pi * index / petals
        x, y = 0.55 * r * math.cos(angle), 0.55 * r * math.sin(angle)
        size = (0.52 * r + 0.03, 0.72 * r, 0.34 * b.height)
        turn = (0, 8, math.degrees(angle))
        b.ball("main", (x, y, h + 0.26 * b.height), size, turn=turn)
    b.ball("centre", (0, 0, h + 0.42 * b.height), 0.09)
    for side in (-1.0, 1.0):
        centre = (side * 0.2, 0, 0.36 * h)
        b.ball("stem", centre, (0.07, 0.13, 0.38 * h), turn=(0, 24 * side, 0))


def build_round_cactus(b: ShapeBuilder) -> None:
    """A ribbed ball in a pot."""
    r, ribs = 0.44 * b.width * b.thick**0.3, b.count(7, 10)
    h = 0.44 * b.height
    b.ball("main", (0, 0, h), (0.9 * r, 0.9 * r, 0.95 * h))
    for index in range(ribs):
        angle = 360.0 * index / ribs
        x, y = 0.6 * r * math.cos(math.radians(angle)), 0.6 * r * math.sin(math.radians(angle))
        b.ball("main", (x, y, h), (0.42 * r, 0.15, 0.9 * h), turn=(0, 0, angle))
    if b.wants("pot", 0.85):
        b.cone("pot", (0, 0, -0.42), (0, 0, 0.02), 0.3 * b.width, 0.4 * b.width, rounding=0.03)
        b.cone("pot", (0, 0, -0.06), (0, 0, 0.1), 0.45 * b.width, rounding=0.04)
    if b.wants("flower", 0.5):
        b.ball("flower", (0, 0, 1.95 * h), (0.15, 0.15, 0.1))


def build_row_boat(b: ShapeBuilder) -> None:
    """An open hull with benches and a pair of oars."""
    w, long, h = 0.36 * b.width, 0.85 * b.uniform(0.9, 1.1), 0.24 * b.height**0.5
    b.ball("main", (0, 0, h), (w, long, 1.5 * h), role=CARVED_ROLE)
    b.ball("main", (0, 0, h + 0.07), (w - 0.09, long - 0.1, 1.5 * h - 0.07), role=CUTTER_ROLE)
    b.box("main", (0, 0, h + 1.0), (2.0 * w, 2.0 * long, 1.0), rounding=0.0, role=CUTTER_ROLE)
    for share in (-0.4, 0.25):
        b.box("deck", (0, share * long, 0.75 * h), (0.88 * w, 0.1, 0.04), rounding=0.03)
    for side in (-1.0, 1.0):
        start, end = (side * 0.5 * w, -0.1, h + 0.12), (side * (w + 0.5), 0.1, h - 0.24)
        b.limb("deck", start, end, 0.04)
        b.box("deck", end, (0.12, 0.09, 0.03), turn=(0, 24 * side, 0))
