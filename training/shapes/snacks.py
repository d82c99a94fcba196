# SPDX-License-Identifier: GPL-3.0-or-later
"""More things to eat."""

from __future__ import annotations

import math

from .attributes import Kind, Part, named_part
from .builder import CARVED_ROLE, ShapeBuilder
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
)
