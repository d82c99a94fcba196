# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands under the open sky."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part, named_part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder
from .synonyms import KIND_NOUNS


def _build_palm(b: ShapeBuilder) -> None:
    h, r, lean = 1.35 * b.height * b.uniform(0.85, 1.1), 0.1 * b.thick, b.uniform(-0.3, 0.3)
    joints, number = [], 4
    for index in range(number + 1):
        share = index / number
        joints.append((lean * share**2, 0.0, h * share))
    for index in range(number):
        fat = r * (1.35 - 0.12 * index)
        b.limb("trunk", joints[index], joints[index + 1], fat, 0.88 * fat)
    x, _, top = joints[-1]
    leaves, turn, long = b.count(6, 8), b.uniform(0.0, 6.28), 0.42 * b.width
    for index in range(leaves):
        angle = turn + 2.0 * math.pi * index / leaves
        dx, dy, degrees = math.cos(angle), math.sin(angle), math.degrees(angle)
        size = (0.62 * long, 0.13, 0.05)
        middle = (x + 0.5 * long * dx, 0.5 * long * dy, top + 0.12)
        b.ball("main", middle, size, turn=(0, -18, degrees))
        far = (x + 1.3 * long * dx, 1.3 * long * dy, top + 0.02)
        b.ball("main", far, (0.6 * long, 0.115, 0.045), turn=(0, 38, degrees))
    b.ball("main", (x, 0, top + 0.04), 0.14)
    if b.wants("coconuts", 0.6):
        for index in range(b.count(2, 3)):
            angle = turn + 2.1 * index
            b.ball(
                "coconuts", (x + 0.17 * math.cos(angle), 0.17 * math.sin(angle), top - 0.14), 0.11
            )


def _build_tent(b: ShapeBuilder) -> None:
    w, d, h = 0.62 * b.width, 0.72 * b.uniform(0.85, 1.1), 0.62 * b.height
    style = b.count(0, 2)
    if style == 0:  # ridge
        b.frustum("main", (0, 0, 0), (w, d), (0.02, 0.9 * d), h, rounding=0.03)
        b.frustum(
            "door",
            (0, -0.97 * d, -0.22 * h),
            (0.4 * w, 0.09),
            (0.02, 0.07),
            0.72 * h,
            turn=(-4, 0, 0),
        )
        for side in (-1.0, 1.0):
            b.limb("pole", (0, side * 0.94 * d, 0), (0, side * 0.94 * d, h + 0.14), 0.045)
    elif style == 1:  # cone with poles
        b.cone("main", (0, 0, -h), (0, 0, 1.25 * h), 0.95 * w, 0.07, rounding=0.03)
        for index in range(4):
            a = 0.8 + 0.5 * math.pi * index
            end = (0.16 * math.cos(a), 0.16 * math.sin(a), 1.25 * h + 0.3)
            b.limb("pole", (-0.02 * math.cos(a), 0, 1.1 * h), end, 0.04)
        b.cone(
            "door", (0, -0.2 * w, -h), (0, -0.08 * w, 0.15 * h), 0.78 * w, 0.34 * w, rounding=0.02
        )
    else:  # dome
        b.ball("main", (0, 0, -h), (w + 0.1, w + 0.1, 1.35 * h), role=CARVED_ROLE)
        b.cut_below(-h)
        b.ball("door", (0, -0.4 * w, -h), (0.5 * w, 0.85 * w, 0.95 * h), role=CARVED_ROLE)
    b.box("floor", (0, 0, -h), (w + 0.06, (d if style == 0 else w) + 0.06, 0.04), rounding=0.03)


def _build_bridge(b: ShapeBuilder) -> None:
    w, d = 1.0 * b.width**0.4, 0.26 * b.width**0.5
    h, t = 0.42 * b.height * b.uniform(0.85, 1.15), 0.07 * b.thick
    if b.chance(0.6):
        b.box("main", (0, 0, 0), (w, d, h), rounding=0.03, role=CARVED_ROLE)
        arches = b.count(1, 3)
        for index in range(arches):
            x, half = (2 * index - arches + 1) * 0.9 * w / arches, 0.74 * w / arches
            b.ball("main", (x, 0, -h), (half, 4.0 * d, 1.55 * h), role=CUTTER_ROLE)
        deck = h
    else:
        deck = 0.0
        b.box("main", (0, 0, 0), (w, d, t), rounding=0.03)
        for side in (-1.0, 1.0):
            x, top = side * 0.5 * w, 0.75 * b.height
            for y in (-d, d):
                b.box(
                    "main", (x, y, 0.5 * top - 0.25), (0.07, 0.06, 0.5 * top + 0.25), rounding=0.03
                )
                for start, end in ((x, 0.0), (x, side * w)):
                    b.limb("rails", (start, y, top), (end, y, 0.1), 0.035)
            b.box("main", (x, 0, top - 0.06), (0.07, d, 0.06), rounding=0.03)
    for y in (-d, d):
        b.box("rails", (0, y, deck + 0.2), (w, 0.045, 0.04), rounding=0.03)
        posts = b.count(5, 7)
        for index in range(posts):
            x = w * (2 * index - posts + 1) / posts
            b.box("rails", (x, y, deck + 0.1), (0.045, 0.045, 0.12), rounding=0.03)


KINDS = (
    Kind(
        name="palm",
        nouns=KIND_NOUNS["palm"],
        build=_build_palm,
        natural=("green",),
        parts=(
            named_part("trunk", "brown", "wooden"),
            named_part("coconuts", "brown", "orange"),
        ),
    ),
    Kind(
        name="tent",
        nouns=KIND_NOUNS["tent"],
        build=_build_tent,
        natural=("orange", "green", "blue", "yellow"),
        parts=(
            named_part("door", "brown", "grey", "white"),
            Part("pole", (), ("wooden", "grey")),
            Part("floor", (), ("grey", "brown")),
        ),
        adjectives=("tall", "short", "wide", "slim"),
    ),
    Kind(
        name="bridge",
        nouns=KIND_NOUNS["bridge"],
        build=_build_bridge,
        natural=("stone", "red", "wooden", "grey"),
        parts=(named_part("rails", SAME, "metal", "brown"),),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
)
