# SPDX-License-Identifier: GPL-3.0-or-later
"""Things to eat."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part
from .builder import ShapeBuilder


def _build_donut(b: ShapeBuilder) -> None:
    ring, tube = 0.55 * b.width**0.5, 0.27 * b.thick**0.6 * b.uniform(0.9, 1.1)
    b.ring("dough", (0, 0, 0), ring, tube)
    b.ring("main", (0, 0, 0.16 * tube), ring, 0.95 * tube)
    b.ring("main", (0, 0, 0.3 * tube), ring, 0.85 * tube)
    if not b.wants("sprinkles", 0.6):
        return
    number = b.count(7, 11)
    for index in range(number):
        angle = 2.0 * math.pi * (index + b.uniform(-0.3, 0.3)) / number
        reach = ring + b.uniform(-0.5, 0.5) * tube
        z = 0.22 * tube + math.sqrt(max(0.0, (0.93 * tube) ** 2 - (reach - ring) ** 2))
        x, y, turn = reach * math.cos(angle), reach * math.sin(angle), b.uniform(0.0, 3.14)
        dx, dy = 0.07 * math.cos(turn), 0.07 * math.sin(turn)
        part = "sprinkles" if index % 2 == 0 else "sprinkles_two"
        b.limb(part, (x - dx, y - dy, z), (x + dx, y + dy, z), 0.045)


def _build_icecream(b: ShapeBuilder) -> None:
    r, h = 0.42 * b.width, 1.1 * b.height * b.uniform(0.9, 1.1)
    b.cone("cone", (0, 0, 0), (0, 0, h), 0.06, 0.95 * r, rounding=0.04)
    b.cone("cone", (0, 0, h - 0.12), (0, 0, h + 0.05), r, 1.06 * r, rounding=0.05)
    z = h + 0.55 * r
    b.ball("main", (0, 0, z), (1.12 * r, 1.12 * r, r))
    for index in range(7):
        angle = 2.0 * math.pi * index / 7
        b.ball("main", (0.92 * r * math.cos(angle), 0.92 * r * math.sin(angle), h + 0.1), 0.15)
    if b.chance(0.45):
        z += 0.95 * r
        b.ball("main", (0, 0, z), (0.88 * r, 0.88 * r, 0.84 * r))
    if b.wants("cherry", 0.5):
        b.ball("cherry", (0, 0, z + r), 0.14)


def _build_apple(b: ShapeBuilder) -> None:
    r, h = 0.5 * b.width, 0.52 * b.height
    for index in range(5):
        angle = 2.0 * math.pi * index / 5
        x, y = 0.26 * r * math.cos(angle), 0.26 * r * math.sin(angle)
        b.ball("main", (x, y, 0.04), (0.8 * r, 0.8 * r, 0.96 * h))
    b.ball("main", (0, 0, 0.12 * h), (1.02 * r, 1.02 * r, 0.75 * h))
    b.limb("stem", (0, 0, 0.75 * h), (0.06, 0, 1.4 * h), 0.05 * b.thick, 0.065 * b.thick)
    if b.wants("leaf", 0.8):
        b.ball("leaf", (0.26, 0, 1.22 * h), (0.22, 0.12, 0.06), turn=(0, -25, 0))


def _build_cake(b: ShapeBuilder) -> None:
    r, layers = 0.72 * b.width, b.count(1, 3)
    z, each = 0.0, 0.46 * b.height
    for index in range(layers):
        size = r * (1.0 - 0.26 * index)
        b.cone("main", (0, 0, z), (0, 0, z + each), size, rounding=0.06)
        z += each
        b.cone("icing", (0, 0, z - 0.13), (0, 0, z + 0.04), size + 0.04, rounding=0.07)
        drips = 9
        for drip in range(drips):
            angle = 2.0 * math.pi * drip / drips
            x, y = (size + 0.01) * math.cos(angle), (size + 0.01) * math.sin(angle)
            b.limb("icing", (x, y, z - 0.08), (x, y, z - each * b.uniform(0.3, 0.62)), 0.065)
    if b.chance(0.5):
        b.ball("cherry", (0, 0, z + 0.13), 0.16)
    else:
        b.cone("candle", (0, 0, z), (0, 0, z + 0.34), 0.07, rounding=0.03)
        b.limb("flame", (0, 0, z + 0.42), (0, 0, z + 0.54), 0.08, 0.035)


def _build_carrot(b: ShapeBuilder) -> None:
    r, h = 0.32 * b.width * b.thick**0.5, 1.35 * b.height
    b.limb("main", (0, 0, 0.0), (0, 0, h), 0.06, r)
    for index in range(b.count(3, 5)):
        angle = 2.4 * index
        x, y = 0.24 * math.cos(angle), 0.24 * math.sin(angle)
        high = b.uniform(0.5, 0.7)
        b.limb("leaves", (0.3 * x, 0.3 * y, h + 0.6 * r), (x, y, h + high), 0.06, 0.085)
    b.limb("leaves", (0, 0, h + 0.6 * r), (0, 0, h + 0.75), 0.06, 0.09)


KINDS = (
    Kind(
        name="donut",
        nouns=("donut", "doughnut"),
        build=_build_donut,
        natural=("pink", "brown", "white"),
        parts=(
            Part("sprinkles", ("sprinkles",), ("white", "yellow", "blue")),
            Part("dough", ("dough",), ("wooden",)),
            Part("sprinkles_two", (), (SAME, "cyan", "yellow")),
        ),
        adjectives=("wide", "slim", "chunky"),
    ),
    Kind(
        name="icecream",
        nouns=("ice cream", "icecream", "ice cream cone", "gelato"),
        build=_build_icecream,
        natural=("pink", "white", "brown"),
        parts=(
            Part("cone", ("a cone", "a waffle cone"), ("wooden",)),
            Part("cherry", ("a cherry",), ("red",)),
        ),
    ),
    Kind(
        name="apple",
        nouns=("apple",),
        build=_build_apple,
        natural=("red", "green", "yellow"),
        parts=(
            Part("leaf", ("a leaf",), ("green",)),
            Part("stem", ("a stem", "a stalk"), ("brown",)),
        ),
        adjectives=("tall", "short", "wide", "small"),
    ),
    Kind(
        name="cake",
        nouns=("cake", "birthday cake", "gateau"),
        build=_build_cake,
        natural=("brown", "pink", "white"),
        parts=(
            Part("icing", ("icing", "frosting"), ("white", "pink", "brown")),
            Part("cherry", (), ("red",)),
            Part("candle", (), ("cyan", "red", "yellow")),
            Part("flame", (), ("orange",)),
        ),
        adjectives=("tall", "short", "wide", "slim"),
    ),
    Kind(
        name="carrot",
        nouns=("carrot",),
        build=_build_carrot,
        natural=("orange",),
        parts=(Part("leaves", ("leaves", "greens"), ("green",)),),
        adjectives=("tall", "short", "slim", "chunky"),
    ),
)
