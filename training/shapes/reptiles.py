# SPDX-License-Identifier: GPL-3.0-or-later
"""Turtles, dinosaurs and butterflies; they look towards -Y."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part, named_part
from .builder import CARVED_ROLE, ShapeBuilder
from .synonyms import KIND_NOUNS


def _eyes(b: ShapeBuilder, half_gap: float, y: float, z: float, size: float = 0.06) -> None:
    for side in (-1.0, 1.0):
        b.ball("eyes", (side * half_gap, y, z), size)


def _four_legs(
    b: ShapeBuilder, half_x: float, front: float, back: float, top: float, radius: float
) -> None:
    for side in (-1.0, 1.0):
        for y in (front, back):
            b.limb("main", (side * half_x, y, top), (side * half_x, y, radius), radius)


def _build_turtle(b: ShapeBuilder) -> None:
    w, long = 0.56 * b.width, 0.66 * b.uniform(0.9, 1.1)
    high = 0.46 * b.height * b.uniform(0.9, 1.15)
    b.ball("shell", (0, 0, 0), (w, long, high), role=CARVED_ROLE)
    b.cut_below(-0.02)
    b.ball("main", (0, 0, 0), (0.95 * w, 0.95 * long, 0.14))
    if b.wants("spots", 0.6):
        for x, y in ((0, 0), (0.5, 0.3), (-0.5, 0.3), (0.5, -0.35), (-0.5, -0.35)):
            up = high * math.sqrt(1 - x * x - y * y)
            b.ball("spots", (x * w, y * long, up), (0.14, 0.14, 0.06), turn=(-60 * y, 60 * x, 0))
    r = 0.12 * b.thick
    for side in (-1.0, 1.0):
        for y, out in ((-0.62 * long, -0.2), (0.62 * long, 0.14)):
            b.limb(
                "main", (side * 0.62 * w, y, -0.04), (side * 1.1 * w, y + out, -0.14), r, 1.1 * r
            )
    b.limb("main", (0, -0.8 * long, 0), (0, -long - 0.18, 0.14), 0.12)
    b.ball("main", (0, -long - 0.26, 0.2), (0.18, 0.22, 0.18))
    _eyes(b, 0.12, -long - 0.4, 0.28, 0.05)
    b.limb("main", (0, 0.95 * long, -0.02), (0, long + 0.2, -0.06), 0.08, 0.04)


def _build_butterfly(b: ShapeBuilder) -> None:
    span, h = 0.5 * b.width * b.uniform(0.9, 1.1), 0.5 * b.height
    t, has_spots = 0.045 * b.thick, b.wants("spots", 0.6)
    for side in (-1.0, 1.0):
        top, low = (side * (0.1 + span), 0, 0.62 * h), (side * (0.08 + 0.8 * span), 0, -0.5 * h)
        b.ball("main", top, (1.05 * span, t, 0.62 * h), turn=(0, -35 * side, 0))
        b.ball("main", low, (0.8 * span, t, 0.48 * h), turn=(0, 30 * side, 0))
        if has_spots:
            for centre, size in ((top, 0.16), (low, 0.12)):
                x, z = 1.15 * centre[0], 1.15 * centre[2]
                b.cone("spots", (x, -t - 0.01, z), (x, t + 0.01, z), size, rounding=0.02)
        b.limb("body", (0, 0, 0.5 * h), (side * 0.24, -0.02, h + 0.3), 0.03)
        b.ball("body", (side * 0.24, -0.02, h + 0.3), 0.05)
    b.limb("body", (0, 0, -0.7 * h), (0, 0, 0.5 * h), 0.055, 0.095)
    b.ball("body", (0, 0, 0.62 * h), 0.13)


def _build_dinosaur(b: ShapeBuilder) -> None:
    w, r = 0.3 * b.width * b.thick**0.3, 0.12 * b.thick
    legs = 0.4 * b.height
    z = legs + 0.14
    b.ball("main", (0, 0.1, z), (w, 0.55, 0.34))
    b.limb("main", (0, 0.4, z), (0, 0.95, z - 0.1), 0.2, 0.11)
    b.limb("main", (0, 0.95, z - 0.1), (0, 1.35, z + 0.02), 0.11, 0.04)
    _four_legs(b, 0.62 * w, -0.2, 0.42, z, r)
    rise, lean = 0.72 * b.height * b.uniform(0.8, 1.15), b.uniform(0.2, 0.4)
    neck, head = (0, -0.42 - 0.5 * lean, z + 0.5 * rise), (0, -0.5 - lean, z + rise)
    b.limb("main", (0, -0.25, z + 0.08), neck, 0.2, 0.13)
    b.limb("main", neck, head, 0.13, 0.12)
    b.limb("main", head, (0, head[1] - 0.24, head[2] - 0.05), 0.16, 0.11)
    _eyes(b, 0.13, head[1] - 0.06, head[2] + 0.09, 0.05)
    b.ball("belly", (0, 0.06, z - 0.09), (0.85 * w, 0.46, 0.29))
    if not b.wants("spikes", 0.75):
        return
    number = b.count(4, 6)
    for index in range(number):
        share = index / (number - 1)
        y, size = -0.3 + 1.1 * share, 0.2 * (1.0 - 0.5 * share)
        up = z + 0.34 * math.sqrt(max(0.05, 1 - ((y - 0.1) / 0.6) ** 2)) - 0.02
        b.frustum("spikes", (0, y, up + 0.5 * size), (0.05, 0.13), (0.04, 0.03), 0.8 * size)


_DARK = Part("eyes", (), ("black",))

KINDS = (
    Kind(
        name="turtle",
        nouns=KIND_NOUNS["turtle"],
        build=_build_turtle,
        natural=("green", "cyan"),
        parts=(
            named_part("shell", "brown", "red", "orange"),
            named_part("spots", "yellow", "white", "black"),
            _DARK,
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="butterfly",
        nouns=KIND_NOUNS["butterfly"],
        build=_build_butterfly,
        natural=("orange", "blue", "yellow", "purple"),
        parts=(
            named_part("body", "black", "brown"),
            named_part("spots", "white", "black", "yellow"),
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="dinosaur",
        nouns=KIND_NOUNS["dinosaur"],
        build=_build_dinosaur,
        natural=("green", "purple", "orange"),
        parts=(
            named_part("spikes", "orange", "red", "yellow"),
            named_part("belly", SAME, "yellow", "white"),
            _DARK,
        ),
    ),
)
