# SPDX-License-Identifier: GPL-3.0-or-later
"""Things to hold in a hand."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder

_HANDLE_COLOURS = ("wooden", "brown", "black")


def _build_sword(b: ShapeBuilder) -> None:
    long, w = 1.35 * b.height * b.uniform(0.9, 1.1), 0.14 * b.width * b.thick
    flat = 0.06 * b.thick
    tip = 0.26
    b.box("main", (0, 0, 0.5 * long), (w, flat, 0.5 * long), rounding=0.04)
    b.frustum("main", (0, 0, long + 0.5 * tip), (w, flat), (0.0, 0.6 * flat), 0.5 * tip)
    reach = 0.4 * b.width * b.uniform(0.85, 1.15)
    b.box("guard", (0, 0, 0), (reach, 0.1 * b.thick, 0.075), rounding=0.06)
    for side in (-1.0, 1.0):
        b.ball("guard", (side * reach, 0, 0.02), 0.11)
    grip = 0.42 * b.uniform(0.9, 1.2)
    b.cone("handle", (0, 0, -grip), (0, 0, 0), 0.085 * b.thick)
    b.ball("guard", (0, 0, -grip - 0.06), 0.13)


def _build_hammer(b: ShapeBuilder) -> None:
    long, r = 1.4 * b.height * b.uniform(0.9, 1.1), 0.085 * b.thick
    b.cone("handle", (0, 0, 0), (0, 0, long), 1.15 * r, r, rounding=0.05)
    half, size = 0.44 * b.width * b.uniform(0.9, 1.1), 0.19 * b.thick
    z = long - 0.05
    if b.chance(0.5):
        b.box("main", (0, 0, z), (half, size, size), rounding=0.06)
        return
    b.cone("main", (-half, 0, z), (0.15 * half, 0, z), size, 0.9 * size, rounding=0.05)
    b.cone("main", (0, 0, z), (0.4 * half, 0, z), 0.72 * size)
    for side in (-1.0, 1.0):
        start, end = (0.3 * half, 0.4 * side * size, z), (1.1 * half, 0.62 * side * size, z - 0.16)
        b.limb("main", start, end, 0.55 * size, 0.2 * size)


def _build_axe(b: ShapeBuilder) -> None:
    long, r = 1.5 * b.height * b.uniform(0.9, 1.1), 0.08 * b.thick
    b.cone("handle", (0, 0, 0), (0, 0, long), 1.1 * r, r, rounding=0.05)
    z, reach = long - 0.28, 0.52 * b.width * b.uniform(0.9, 1.1)
    sides = (-1.0, 1.0) if b.chance(0.3) else (1.0,)
    for side in sides:
        centre = (side * 0.5 * reach, 0, z)
        b.frustum(
            "main",
            centre,
            (0.4, 0.055),
            (0.13, 0.12 * b.thick),
            0.5 * reach,
            turn=(0, -90 * side, 0),
        )
    b.box("main", (0, 0, z), (0.15, 0.14 * b.thick, 0.16), rounding=0.05)


def _build_key(b: ShapeBuilder) -> None:
    r, tube = 0.36 * b.width, 0.095 * b.thick
    long = 1.25 * b.height * b.uniform(0.85, 1.1)
    if b.chance(0.6):
        b.ring("head", (0, 0, 0), r, tube, turn=(90, 0, 0))
    else:
        for x, z in ((-0.62 * r, 0.1), (0.62 * r, 0.1), (0.0, 0.72 * r + 0.1)):
            b.ring("head", (x, 0, z), 0.58 * r, 0.9 * tube, turn=(90, 0, 0))
    b.cone("main", (0, 0, -r + 0.05), (0, 0, -r - long), 0.9 * tube)
    b.cone("main", (0, 0, -r - 0.06), (0, 0, -r - 0.18), 1.5 * tube)
    for index in range(b.count(2, 3)):
        reach = b.uniform(0.2, 0.34)
        z = -r - long + 0.08 + 0.25 * index
        b.box(
            "main",
            (0.5 * reach + 0.03, 0, z),
            (0.5 * reach + 0.03, 0.7 * tube, 0.08),
            rounding=0.03,
        )


def _build_shield(b: ShapeBuilder) -> None:
    w, h, t = 0.72 * b.width, 0.85 * b.height, 0.1 * b.thick
    if b.chance(0.5):
        b.cone("main", (0, t, 0), (0, -t, 0), w, 0.94 * w)
        b.ring("rim", (0, 0, 0), w, 0.1 * b.thick, turn=(90, 0, 0))
        b.ball("rim", (0, -t, 0), (0.24, 0.16, 0.24))
        return
    depth = 0.75
    b.box("main", (0, 0, 0.4 * h), (w, t, 0.45 * h), rounding=0.05)
    b.frustum("main", (0, 0, -0.5 * depth * h), (0.1, t), (w, t), 0.5 * depth * h + 0.05)
    for side in (-1.0, 1.0):
        x = side * (w - 0.02)
        b.limb("rim", (x, 0, 0.85 * h), (x, 0, 0.0), 0.1 * b.thick)
        b.limb("rim", (x, 0, 0.0), (0, 0, -depth * h), 0.1 * b.thick)
    b.limb("rim", (-w, 0, 0.85 * h), (w, 0, 0.85 * h), 0.1 * b.thick)
    b.ball("rim", (0, -t, 0.15 * h), (0.22, 0.12, 0.22))


def _build_trophy(b: ShapeBuilder) -> None:
    r, h = 0.46 * b.width, 0.72 * b.height * b.uniform(0.9, 1.1)
    b.box("base", (0, 0, 0.12), (0.42 * b.width, 0.42 * b.width, 0.12), rounding=0.04)
    b.cone("main", (0, 0, 0.22), (0, 0, 0.36), 0.26 * b.width, 0.16 * b.width)
    b.cone("main", (0, 0, 0.3), (0, 0, 0.72), 0.1 * b.thick)
    low, top = 0.62, 0.62 + h
    b.cone("main", (0, 0, low), (0, 0, top), 0.4 * r, r, rounding=0.05, role=CARVED_ROLE)
    b.cone("main", (0, 0, low + 0.3), (0, 0, top + 0.2), 0.4 * r, 1.02 * r, role=CUTTER_ROLE)
    b.ring("main", (0, 0, top - 0.03), r - 0.02, 0.065)
    for side in (-1.0, 1.0):
        b.ring(
            "main",
            (side * 0.85 * r, 0, 0.5 * (low + top) + 0.06),
            0.36 * h,
            0.065 * b.thick,
            half_angle=112,
            turn=(90, 0 if side > 0.0 else 180, 0),
        )


def _build_bell(b: ShapeBuilder) -> None:
    r, h = 0.56 * b.width, 0.9 * b.height
    b.cone("main", (0, 0, 0), (0, 0, 0.16), 1.2 * r, 1.05 * r, rounding=0.06)
    b.cone("main", (0, 0, 0.08), (0, 0, 0.7 * h), 1.02 * r, 0.6 * r, rounding=0.05)
    b.ball("main", (0, 0, 0.66 * h), (0.62 * r, 0.62 * r, 0.42 * h))
    b.ball("clapper", (0, 0, -0.06), 0.17 * math.sqrt(b.thick))
    if b.wants("handle", 0.5):
        b.cone("handle", (0, 0, h), (0, 0, 1.75 * h), 0.09 * b.thick, 0.12 * b.thick)
    else:
        b.ring("main", (0, 0, 1.15 * h), 0.15, 0.06 * b.thick, turn=(90, 0, 0))


KINDS = (
    Kind(
        name="sword",
        nouns=("sword", "blade", "longsword"),
        build=_build_sword,
        natural=("metal", "grey", "golden"),
        parts=(
            Part("handle", ("a handle", "a hilt", "a grip"), ("brown", "black", "red")),
            Part("guard", ("a guard", "a crossguard"), ("golden", "brown", "metal")),
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky", "small"),
    ),
    Kind(
        name="hammer",
        nouns=("hammer", "mallet", "sledgehammer"),
        build=_build_hammer,
        natural=("metal", "grey", "black"),
        parts=(Part("handle", ("a handle", "a grip", "a shaft"), _HANDLE_COLOURS),),
    ),
    Kind(
        name="axe",
        nouns=("axe", "ax", "hatchet"),
        build=_build_axe,
        natural=("metal", "grey", "red"),
        parts=(Part("handle", ("a handle", "a grip", "a shaft"), _HANDLE_COLOURS),),
    ),
    Kind(
        name="key",
        nouns=("key", "door key"),
        build=_build_key,
        natural=("golden", "metal"),
        parts=(Part("head", ("a head", "a bow"), (SAME,)),),
    ),
    Kind(
        name="shield",
        nouns=("shield", "buckler"),
        build=_build_shield,
        natural=("blue", "red", "wooden", "metal"),
        parts=(Part("rim", ("a rim", "a border", "an edge"), ("metal", "golden", "grey")),),
    ),
    Kind(
        name="trophy",
        nouns=("trophy", "goblet", "chalice"),
        build=_build_trophy,
        natural=("golden", "metal"),
        parts=(Part("base", ("a base", "a stand", "a foot"), ("black", "brown", "wooden")),),
    ),
    Kind(
        name="bell",
        nouns=("bell", "handbell"),
        build=_build_bell,
        natural=("golden", "metal"),
        parts=(
            Part("handle", ("a handle", "a grip"), ("wooden", "black", "red")),
            Part("clapper", (), ("black", "brown")),
        ),
    ),
)
