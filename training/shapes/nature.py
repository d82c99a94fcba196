# SPDX-License-Identifier: GPL-3.0-or-later
"""Plants, and the mushroom."""

from __future__ import annotations

import math

from .attributes import Kind, Part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder
from .restyled import build_round_cactus, build_tulip


def _build_tree(b: ShapeBuilder) -> None:
    trunk, r = 0.75 * b.height * b.uniform(0.85, 1.15), 0.14 * b.thick
    b.cone("trunk", (0, 0, 0), (0, 0, trunk + 0.15), 1.25 * r, 0.9 * r)
    crown, style = 0.58 * b.width * b.uniform(0.9, 1.1), b.count(0, 2)
    tall = crown * b.height**0.4
    z = trunk + 0.7 * tall
    if style == 0:
        b.ball("main", (0, 0, z), (crown, crown, tall))
        return
    if style == 1:
        b.ball("main", (0, 0, z + 0.2 * tall), (0.75 * crown, 0.75 * crown, 0.75 * tall))
        turn, blobs = b.uniform(0.0, 6.28), b.count(3, 5)
        for index in range(blobs):
            angle = turn + 2.0 * math.pi * index / blobs
            x, y = 0.5 * crown * math.cos(angle), 0.5 * crown * math.sin(angle)
            size = 0.55 * crown * b.uniform(0.9, 1.15)
            b.ball("main", (x, y, z + b.uniform(-0.25, 0.05) * tall), (size, size, 0.9 * size))
        return
    for x, y, up, size in ((-0.4, 0.1, 0.0, 0.66), (0.42, -0.05, 0.1, 0.6), (0.0, 0.0, 0.55, 0.68)):
        centre = (x * crown, y * crown, z + (up - 0.2) * tall)
        b.ball("main", centre, (size * crown, size * crown, 0.9 * size * tall))
    for side in (-1.0, 1.0):
        b.limb(
            "trunk", (0, 0, 0.75 * trunk), (side * 0.4 * crown, 0, z - 0.2 * tall), 0.6 * r, 0.4 * r
        )


def _build_pine(b: ShapeBuilder) -> None:
    trunk, layers = 0.36, b.count(2, 4)
    high, r = 1.5 * b.height * b.uniform(0.9, 1.1), 0.56 * b.width * b.uniform(0.9, 1.1)
    b.cone("trunk", (0, 0, 0), (0, 0, trunk + 0.2), 0.15 * b.thick, 0.13 * b.thick)
    step = high / (layers + 0.6)
    for index in range(layers):
        z, size = trunk + index * step, r * (1.0 - 0.72 * index / layers)
        b.cone("main", (0, 0, z), (0, 0, z + 1.6 * step), size, 0.05, rounding=0.05)
    if b.wants("star", 0.2):
        b.ball("star", (0, 0, trunk + high), 0.13)


def _build_mushroom(b: ShapeBuilder) -> None:
    h, r = 0.8 * b.height * b.uniform(0.85, 1.15), 0.72 * b.width * b.uniform(0.9, 1.1)
    stem = 0.24 * b.thick * b.uniform(0.85, 1.15)
    b.cone("stem", (0, 0, 0), (0, 0, h + 0.12), 1.25 * stem, 0.9 * stem, rounding=0.08)
    high = 0.62 * b.uniform(0.75, 1.2)
    b.ball("main", (0, 0, h), (r, r, high), role=CARVED_ROLE)
    b.box(
        "main",
        (0, 0, h - 0.58 * high),
        (1.05 * r, 1.05 * r, 0.5 * high + 0.02),
        rounding=0.02,
        role=CUTTER_ROLE,
    )
    b.cone("stem", (0, 0, h - 0.14), (0, 0, h), 0.75 * r, 0.85 * r, rounding=0.05)
    if not b.wants("spots", 0.75):
        return
    turn, around = b.uniform(0.0, 6.28), b.count(4, 6)
    for ring, number in ((0.72, around), (0.0, 1)):
        for index in range(number):
            angle = turn + 2.0 * math.pi * index / number
            rise = math.sqrt(1.0 - ring**2)
            centre = (ring * r * math.cos(angle), ring * r * math.sin(angle), h + rise * high)
            size = 0.13 * b.uniform(0.85, 1.25)
            tilt = math.degrees(math.asin(ring)) if ring else 0.0
            b.ball("spots", centre, (size, size, 0.06), turn=(0, tilt, math.degrees(angle)))


def _build_cactus(b: ShapeBuilder) -> None:
    h, r = 1.2 * b.height * b.uniform(0.85, 1.15), 0.2 * b.thick * b.uniform(0.9, 1.1)
    base = 0.0
    if b.wants("pot", 0.7):
        b.cone("pot", (0, 0, -0.5), (0, 0, 0.0), 0.3 * b.width, 0.42 * b.width, rounding=0.03)
        b.cone("pot", (0, 0, -0.12), (0, 0, 0.04), 0.48 * b.width, rounding=0.04)
        base = -0.05
    b.limb("main", (0, 0, base), (0, 0, h), 1.05 * r, r)
    for side in (-1.0, 1.0) if b.chance(0.75) else (1.0,):
        z, reach = h * b.uniform(0.35, 0.58), (0.46 * b.width) * b.uniform(0.9, 1.15)
        top = z + h * b.uniform(0.22, 0.42)
        b.limb("main", (0, 0, z), (side * reach, 0, z + 0.05), 0.72 * r)
        b.limb("main", (side * reach, 0, z + 0.05), (side * reach, 0, top), 0.72 * r, 0.66 * r)
    if b.wants("flower", 0.4):
        b.ball("flower", (0, 0, h + r), (0.15, 0.15, 0.1))


def _build_flower(b: ShapeBuilder) -> None:
    h, core = 1.05 * b.height * b.uniform(0.9, 1.15), 0.2 * b.thick
    b.limb("stem", (0, 0, 0), (0, 0.03, h), 0.07 * b.thick, 0.06 * b.thick)
    for side in (-1.0, 1.0) if b.chance(0.6) else (1.0,):
        centre = (side * 0.26, 0, h * b.uniform(0.25, 0.42))
        b.ball("stem", centre, (0.27, 0.12, 0.06), turn=(0, -35 * side, 0))
    petals, reach = b.count(5, 8), 0.42 * b.width
    size = min(0.3, 1.25 * reach * math.sin(math.pi / petals))
    for index in range(petals):
        angle = 2.0 * math.pi * index / petals
        petal = (reach * math.cos(angle), 0.0, h + reach * math.sin(angle))
        b.ball("main", petal, (0.27, 0.09, size), turn=(0, -math.degrees(angle), 0))
    b.ball("centre", (0, -0.04, h), (core, 0.15, core))


KINDS = (
    Kind(
        name="tree",
        nouns=("tree", "oak tree", "oak"),
        build=_build_tree,
        natural=("green",),
        parts=(Part("trunk", ("a trunk", "a stem"), ("brown", "wooden", "brown")),),
    ),
    Kind(
        name="pine",
        nouns=("pine", "pine tree", "fir", "fir tree", "christmas tree", "conifer"),
        build=_build_pine,
        natural=("green",),
        parts=(
            Part("trunk", ("a trunk", "a stem"), ("brown", "wooden")),
            Part("star", ("a star",), ("yellow", "golden")),
        ),
    ),
    Kind(
        name="mushroom",
        nouns=("mushroom", "toadstool", "fungus"),
        build=_build_mushroom,
        natural=("red", "brown"),
        parts=(
            Part("stem", ("a stem", "a stalk"), ("white", "white", "wooden")),
            Part("spots", ("spots", "dots"), ("white", "white", "yellow")),
        ),
    ),
    Kind(
        name="cactus",
        nouns=("cactus", "saguaro"),
        build=_build_cactus,
        styles=(build_round_cactus,),
        natural=("green",),
        parts=(
            Part("pot", ("a pot", "a planter"), ("orange", "brown", "white")),
            Part("flower", ("a flower", "a blossom"), ("pink", "red", "yellow")),
        ),
    ),
    Kind(
        name="flower",
        nouns=("flower", "daisy", "blossom", "bloom"),
        build=_build_flower,
        styles=(build_tulip,),
        natural=("red", "pink", "white", "purple", "yellow"),
        parts=(
            Part("centre", ("a centre", "a center", "a middle"), ("yellow", "brown", "orange")),
            Part("stem", ("a stem", "a stalk"), ("green",)),
        ),
    ),
)
