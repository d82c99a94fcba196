# SPDX-License-Identifier: GPL-3.0-or-later
"""More to eat, and what stands under the open sky."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part, named_part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder
from .synonyms import KIND_NOUNS


def _build_banana(b: ShapeBuilder) -> None:
    r, tube = 0.62 * b.height**0.5, 0.17 * b.thick * b.width**0.5
    bend, number, steps = b.uniform(0.85, 1.1), b.count(1, 3), 6
    for index in range(number):
        side = index - 0.5 * (number - 1)
        tilt, shift = math.radians(24.0 * side), 0.2 * side
        joints = []
        for step in range(steps + 3):
            angle = bend * (2.0 * step / (steps + 2) - 1.0)
            x, z = r * math.sin(angle), -r * math.cos(angle)
            joints.append((x, shift - z * math.sin(tilt), z * math.cos(tilt)))
        fat = [tube * (1.0 - 0.55 * (2.0 * step / steps - 1.0) ** 2) for step in range(steps + 1)]
        for step in range(steps):
            b.limb("main", joints[step + 1], joints[step + 2], fat[step], fat[step + 1])
        b.limb("tip", joints[1], joints[0], 0.8 * fat[0], 0.045)
        b.limb("stem", joints[-2], joints[-1], 0.8 * fat[-1], 0.07)


def _build_pumpkin(b: ShapeBuilder) -> None:
    r, h, lobes = 0.36 * b.width, 0.48 * b.height, b.count(6, 9)
    out = 0.72 * r
    for index in range(lobes):
        angle = 2.0 * math.pi * index / lobes
        x, y = out * math.cos(angle), out * math.sin(angle)
        b.ball("main", (x, y, 0), (1.02 * r, 0.62 * r, h), turn=(0, 0, math.degrees(angle)))
    lean = b.uniform(-0.14, 0.14)
    b.limb("stem", (0, 0, 0.8 * h), (lean, 0, 1.45 * h), 0.09 * b.thick, 0.07 * b.thick)
    if b.wants("leaf", 0.5):
        b.ball("leaf", (0.24, -0.06, 1.02 * h), (0.24, 0.16, 0.05), turn=(0, 12, 0))


def _build_burger(b: ShapeBuilder) -> None:
    r, t = 0.66 * b.width, 0.12 * b.height * b.thick**0.5
    b.cone("main", (0, 0, 0), (0, 0, 0.24 * b.height), 0.9 * r, r, rounding=0.1)
    z = 0.24 * b.height
    for _ in range(b.count(1, 2)):
        b.cone("patty", (0, 0, z), (0, 0, z + 2 * t), 1.03 * r, rounding=0.09)
        z += 2 * t
        if b.wants("cheese", 0.8):
            turn = b.uniform(0.0, 90.0)
            b.box("cheese", (0, 0, z + 0.02), (0.8 * r, 0.8 * r, 0.045), turn=(0, 0, turn))
            z += 0.05
    if b.wants("lettuce", 0.8):
        waves = 9
        for index in range(waves):
            angle = 2.0 * math.pi * index / waves
            x, y = 0.86 * r * math.cos(angle), 0.86 * r * math.sin(angle)
            b.ball("lettuce", (x, y, z + 0.04 * (-1) ** index), (0.3, 0.3, 0.055))
        z += 0.06
    high = 0.42 * b.height * b.uniform(0.9, 1.15)
    b.ball("main", (0, 0, z), (1.02 * r, 1.02 * r, high), role=CARVED_ROLE)
    b.cut_below(z - 0.01)
    for index in range(b.count(0, 8)):
        angle, out = 2.4 * index, 0.2 + 0.055 * index
        x, y = out * math.cos(angle), out * math.sin(angle)
        up = z + high * math.sqrt(max(0.0, 1 - (out / (1.02 * r)) ** 2))
        b.ball("seeds", (x, y, up), (0.05, 0.04, 0.035), turn=(0, 0, math.degrees(angle)))


def _build_cupcake(b: ShapeBuilder) -> None:
    r, h = 0.5 * b.width, 0.5 * b.height * b.uniform(0.9, 1.1)
    b.cone("wrapper", (0, 0, 0), (0, 0, h), 0.72 * r, r, rounding=0.04)
    z, size, layers = h, 1.04 * r, b.count(2, 4)
    for index in range(layers):
        fat = 0.2 * b.thick**0.5 * (1.0 - 0.15 * index)
        b.cone("main", (0, 0, z - 0.04), (0, 0, z + 1.5 * fat), size, 0.82 * size, rounding=0.14)
        z += 1.35 * fat
        size *= 0.98 - 1.0 / (layers + 1.2)
    b.ball("main", (0, 0, z + 0.02), (size, size, 0.16))
    if b.wants("sprinkles", 0.4):
        for index in range(7):
            angle = 0.9 * index
            x, y = 0.98 * r * math.cos(angle), 0.98 * r * math.sin(angle)
            b.ball("sprinkles", (x, y, h + 0.12), 0.055)
    if b.wants("cherry", 0.6):
        b.ball("cherry", (0, 0, z + 0.22), 0.14)


def _build_lollipop(b: ShapeBuilder) -> None:
    r, t = 0.5 * b.width, 0.14 * b.thick
    long = 1.15 * b.height * b.uniform(0.85, 1.15)
    b.limb("stick", (0, 0, -r - long), (0, 0, -0.2), 0.06 * b.thick)
    if b.chance(0.35):
        b.ball("main", (0, 0, 0), (0.92 * r, 0.92 * r, 0.92 * r))
        b.ring("stripes", (0, 0, 0), 0.9 * r, 0.05, turn=(20, 15, 0))
        return
    b.cone("main", (0, t, 0), (0, -t, 0), r, rounding=0.1)
    for share in (0.78, 0.42) if b.chance(0.6) else (0.6,):
        b.ring("stripes", (0, -t, 0), share * r, 0.05, turn=(90, 0, 0))
        b.ring("stripes", (0, t, 0), share * r, 0.05, turn=(90, 0, 0))
    b.cone("stripes", (0, t + 0.02, 0), (0, -t - 0.02, 0), 0.13 * r, rounding=0.02)


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
        name="banana",
        nouns=KIND_NOUNS["banana"],
        build=_build_banana,
        natural=("yellow", "green"),
        parts=(
            named_part("stem", "brown", "green"),
            Part("tip", (), ("brown",)),
        ),
        adjectives=("tall", "short", "slim", "chunky"),
    ),
    Kind(
        name="pumpkin",
        nouns=KIND_NOUNS["pumpkin"],
        build=_build_pumpkin,
        natural=("orange",),
        parts=(
            named_part("stem", "green", "brown"),
            named_part("leaf", "green"),
        ),
        adjectives=("tall", "short", "wide", "slim"),
    ),
    Kind(
        name="burger",
        nouns=KIND_NOUNS["burger"],
        build=_build_burger,
        natural=("wooden", "orange"),
        parts=(
            named_part("patty", "brown", "brown"),
            named_part("cheese", "yellow"),
            named_part("lettuce", "green"),
            Part("seeds", (), ("white",)),
        ),
        adjectives=("tall", "short", "wide", "slim"),
    ),
    Kind(
        name="cupcake",
        nouns=KIND_NOUNS["cupcake"],
        build=_build_cupcake,
        natural=("pink", "white", "brown"),
        parts=(
            named_part("wrapper", "wooden", "cyan", "purple"),
            named_part("cherry", "red"),
            named_part("sprinkles", "yellow", "blue", "white"),
        ),
    ),
    Kind(
        name="lollipop",
        nouns=KIND_NOUNS["lollipop"],
        build=_build_lollipop,
        natural=("red", "pink", "purple", "green"),
        parts=(
            named_part("stick", "white", "white", "wooden"),
            named_part("stripes", "white", "yellow"),
        ),
        adjectives=("tall", "short", "slim", "chunky"),
    ),
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
