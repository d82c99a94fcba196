# SPDX-License-Identifier: GPL-3.0-or-later
"""Things with a face; they look towards -Y."""

from __future__ import annotations

from math import cos, pi, sin

from .attributes import SAME, Kind, Part
from .builder import ShapeBuilder
from .restyled import build_sitting_cat, build_wheeled_robot


def _eyes(b: ShapeBuilder, half_gap: float, y: float, z: float, size: float = 0.065) -> None:
    for side in (-1.0, 1.0):
        b.ball("eyes", (side * half_gap, y, z), size)


def _build_snowman(b: ShapeBuilder) -> None:
    big = 0.52 * b.width
    mid, head, lift = 0.74 * big, 0.54 * big, b.height**0.6
    z_mid = 1.25 * big * lift
    z_head = z_mid + 1.0 * big * lift
    b.ball("main", (0, 0, 0), (big, big, 0.92 * big * lift))
    b.ball("main", (0, 0, z_mid), (mid, mid, mid * lift))
    b.ball("main", (0, 0, z_head), (head, head, head * lift))
    b.limb("nose", (0, -0.85 * head, z_head), (0, -head - 0.26, z_head - 0.02), 0.075, 0.035)
    _eyes(b, 0.36 * head, -0.88 * head, z_head + 0.3 * head)
    for z in (-0.1, 0.28):
        b.ball("eyes", (0, -0.97 * mid, z_mid + z * mid), 0.065)
    if b.chance(0.8):
        for side in (-1.0, 1.0):
            hand = (side * (mid + 0.42), -0.05, z_mid + 0.36)
            b.limb("arms", (side * 0.8 * mid, 0, z_mid + 0.05), hand, 0.05 * b.thick)
    if b.wants("hat", 0.6):
        z = z_head + 0.78 * head * lift
        b.cone("hat", (0, 0, z - 0.05), (0, 0, z + 0.06), 1.15 * head)
        b.cone("hat", (0, 0, z), (0, 0, z + 0.42), 0.75 * head)
    if b.wants("scarf", 0.6):
        z = 0.5 * (z_mid + z_head) + 0.1 * big
        b.ring("scarf", (0, 0, z), 0.5 * mid, 0.12)
        b.limb("scarf", (0.2, -0.55 * mid, z), (0.26, -0.95 * mid, z - 0.32), 0.09)


def _build_robot(b: ShapeBuilder) -> None:
    w, h = 0.42 * b.width * b.uniform(0.9, 1.1), 0.44 * b.height * b.uniform(0.9, 1.1)
    limb = 0.11 * b.thick
    b.box("main", (0, 0, 0), (w, 0.3, h), rounding=0.08)
    head, head_w = 0.27 * b.uniform(0.9, 1.1), 0.36 * b.width**0.5
    z = h + head + 0.1
    b.cone("limbs", (0, 0, h - 0.05), (0, 0, z), 0.12)
    b.box("main", (0, 0, z), (head_w, 0.28, head), rounding=0.09)
    _eyes(b, 0.45 * head_w, -0.28, z + 0.05, 0.095)
    b.box("panel", (0, -0.29, -0.02), (0.55 * w, 0.06, 0.42 * h), rounding=0.04)
    b.box("eyes", (0, -0.27, z - 0.14), (0.5 * head_w, 0.04, 0.045), rounding=0.03)
    legs = 0.5 * b.height * b.uniform(0.85, 1.15)
    for side in (-1.0, 1.0):
        x = side * (w + limb)
        b.ball("limbs", (x, 0, 0.72 * h), 1.25 * limb)
        b.limb("limbs", (x, 0, 0.7 * h), (x + side * 0.08, -0.06, -0.45 * h), limb)
        b.ball("main", (x + side * 0.08, -0.06, -0.5 * h - 0.08), 1.5 * limb)
        x = side * 0.52 * w
        b.cone("limbs", (x, 0, -h - legs), (x, 0, -h + 0.06), 1.05 * limb)
        b.box("main", (x, -0.07, -h - legs), (0.19, 0.27, 0.1), rounding=0.07)
    if b.chance(0.7):
        b.limb("limbs", (0, 0, z + head - 0.03), (0, 0, z + head + 0.2), 0.045)
        b.ball("antenna", (0, 0, z + head + 0.25), 0.095)


def _build_fish(b: ShapeBuilder) -> None:
    long, h = 0.72 * b.width**0.5 * b.uniform(0.9, 1.1), 0.46 * b.height * b.uniform(0.9, 1.1)
    t = 0.28 * b.thick
    b.ball("main", (0, 0, 0), (t, long, h))
    b.frustum("fins", (0, long + 0.16, 0), (0.06, 0.12), (0.05, 0.42), 0.3, turn=(-90, 0, 0))
    b.frustum("fins", (0, 0.08, 0.96 * h), (0.06, 0.42), (0.05, 0.16), 0.24)
    for side in (-1.0, 1.0):
        centre = (side * (t + 0.06), -0.05, -0.12)
        b.ball("fins", centre, (0.06, 0.2, 0.12), turn=(0, -25 * side, 0))
    _eyes(b, 0.74 * t, -0.6 * long, 0.22 * h, 0.1)
    b.ball("mouth", (0, -0.98 * long, -0.08), (0.11, 0.06, 0.07))
    if b.wants("stripes", 0.4):
        for share in (-0.18, 0.32):
            size = (1.0 - share**2) ** 0.5
            half = (t * size + 0.025, 0.085, h * size + 0.025)
            b.ball("stripes", (0, share * long, 0), half)


def _build_duck(b: ShapeBuilder) -> None:
    w, h = 0.46 * b.width, 0.4 * b.height**0.5
    b.ball("main", (0, 0.05, 0), (w, 0.62, h))
    b.limb("main", (0, 0.5, 0.14), (0, 0.78, 0.36), 0.2, 0.07)
    r, z = 0.34 * b.uniform(0.9, 1.1), h + 0.3 * b.height
    b.limb("main", (0, -0.3, 0.1), (0, -0.32, z), 0.26 * b.thick**0.5, 0.22)
    b.ball("main", (0, -0.36, z), r)
    b.ball("beak", (0, -0.36 - r - 0.06, z - 0.05), (0.17, 0.18, 0.075))
    _eyes(b, 0.17, -0.36 - 0.84 * r, z + 0.12, 0.06)
    for side in (-1.0, 1.0):
        b.ball("wings", (side * 0.96 * w, 0.12, 0.06), (0.1, 0.36, 0.21), turn=(-14, 0, 0))


def _build_cat(b: ShapeBuilder) -> None:
    w, long = 0.3 * b.width * b.thick**0.4, 0.5 * b.uniform(0.9, 1.1)
    legs, r = 0.46 * b.height, 0.1 * b.thick
    z = legs + 0.14
    b.limb("main", (0, -0.5 * long, z), (0, 0.5 * long, z), w, 0.95 * w)
    for side in (-1.0, 1.0):
        for y in (-0.6 * long, 0.62 * long):
            b.limb("main", (side * 0.55 * w, y, z), (side * 0.6 * w, y, 0.06), r)
            b.ball("paws", (side * 0.6 * w, y - 0.04, 0.03), (0.12, 0.14, 0.1))
    head = 0.34 * b.uniform(0.95, 1.1)
    up, front = z + w + 0.14, -0.5 * long - 0.22
    b.ball("main", (0, front, up), (1.1 * head, 0.92 * head, 0.95 * head))
    for side in (-1.0, 1.0):
        x = side * 0.62 * head
        b.cone("main", (x, front, up + 0.55 * head), (1.2 * x, front, up + 1.35 * head), 0.16, 0.03)
    b.ball("muzzle", (0, front - 0.82 * head, up - 0.24 * head), (0.17, 0.1, 0.11))
    b.ball("nose", (0, front - 1.05 * head, up - 0.14 * head), 0.05)
    _eyes(b, 0.4 * head, front - 0.82 * head, up + 0.18 * head)
    b.limb("main", (0, 0.5 * long + 0.5 * w, z + 0.05), (0.05, 0.5 * long + 0.42, z + 0.3), 0.08)
    b.limb("main", (0.05, 0.5 * long + 0.42, z + 0.3), (0.0, 0.5 * long + 0.36, z + 0.68), 0.08)


def _build_ghost(b: ShapeBuilder) -> None:
    r, h = 0.52 * b.width, 0.85 * b.height
    b.limb("main", (0, 0, 0.3), (0, 0, h), r, 0.92 * r)
    b.cone("main", (0, 0, 0.0), (0, 0, 0.45), 1.08 * r, r, rounding=0.05)
    for index in range(7):
        angle = 2.0 * pi * index / 7
        b.ball("main", (0.84 * r * cos(angle), 0.84 * r * sin(angle), 0.0), (0.24, 0.24, 0.2))
    for side in (-1.0, 1.0):
        b.ball("eyes", (side * 0.34 * r, -0.86 * r, h + 0.08), (0.1, 0.09, 0.14))
        arm = (side * (r + 0.26), -0.1, 0.62 * h + 0.16)
        b.limb("main", (side * 0.7 * r, 0, 0.6 * h), arm, 0.15 * b.thick, 0.11 * b.thick)
    b.ball("eyes", (0, -0.93 * r, h - 0.2), (0.08, 0.07, 0.1))


_DARK = ("black",)

KINDS = (
    Kind(
        name="snowman",
        nouns=("snowman", "snow man"),
        build=_build_snowman,
        natural=("white",),
        parts=(
            Part("hat", ("a hat", "a top hat"), ("black", "red", "blue")),
            Part("scarf", ("a scarf",), ("red", "green", "blue")),
            Part("nose", ("a nose", "a carrot nose"), ("orange",)),
            Part("arms", (), ("brown",)),
            Part("eyes", (), _DARK),
        ),
    ),
    Kind(
        name="robot",
        nouns=("robot", "android", "droid"),
        build=_build_robot,
        styles=(build_wheeled_robot,),
        natural=("metal", "grey", "blue", "red"),
        parts=(
            Part("limbs", ("arms and legs", "limbs"), ("grey", "black", "metal")),
            Part("eyes", ("eyes",), ("cyan", "yellow", "black")),
            Part("panel", (), ("white", "black", "yellow")),
            Part("antenna", (), ("red", "orange")),
        ),
    ),
    Kind(
        name="fish",
        nouns=("fish", "goldfish"),
        build=_build_fish,
        natural=("orange", "blue", "golden"),
        parts=(
            Part("fins", ("fins", "a tail"), (SAME, "red", "yellow", "orange")),
            Part("stripes", ("stripes",), ("white", "black")),
            Part("mouth", (), ("pink",)),
            Part("eyes", (), _DARK),
        ),
    ),
    Kind(
        name="duck",
        nouns=("duck", "rubber duck", "duckling", "bird"),
        build=_build_duck,
        natural=("yellow", "white"),
        parts=(
            Part("beak", ("a beak", "a bill"), ("orange",)),
            Part("wings", ("wings",), (SAME, SAME, "white")),
            Part("eyes", (), _DARK),
        ),
    ),
    Kind(
        name="cat",
        nouns=("cat", "kitten", "kitty"),
        build=_build_cat,
        styles=(build_sitting_cat,),
        natural=("orange", "black", "grey", "white"),
        parts=(
            Part("paws", ("paws", "feet"), ("white", SAME)),
            Part("muzzle", (), ("white",)),
            Part("nose", (), ("pink",)),
            Part("eyes", (), _DARK),
        ),
    ),
    Kind(
        name="ghost",
        nouns=("ghost", "spook", "phantom"),
        build=_build_ghost,
        natural=("white",),
        parts=(Part("eyes", ("eyes",), ("black",)),),
    ),
)
