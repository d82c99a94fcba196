# SPDX-License-Identifier: GPL-3.0-or-later
"""More animals; they look towards -Y."""

from __future__ import annotations

from .attributes import SAME, Kind, Part, named_part
from .builder import ShapeBuilder
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


def _build_dog(b: ShapeBuilder) -> None:
    w, long = 0.27 * b.width * b.thick**0.4, 0.52 * b.uniform(0.9, 1.15)
    legs, r = 0.46 * b.height * b.uniform(0.85, 1.1), 0.1 * b.thick
    z = legs + 0.12
    b.limb("main", (0, -0.5 * long, z + 0.03), (0, 0.6 * long, z), w, 0.85 * w)
    _four_legs(b, 0.6 * w, -0.65 * long, 0.7 * long, z, r)
    head = 0.27 * b.uniform(0.95, 1.1)
    up, front = z + w + 0.3, -0.5 * long - 0.3
    b.limb("main", (0, -0.5 * long, z + 0.1), (0, front + 0.08, up - 0.05), 0.8 * w, 0.7 * head)
    b.ball("main", (0, front, up), head)
    b.limb("main", (0, front, up - 0.06), (0, front - 0.42, up - 0.12), 0.17, 0.13)
    b.ball("nose", (0, front - 0.54, up - 0.06), 0.075)
    _eyes(b, 0.5 * head, front - 0.78 * head, up + 0.1)
    for side in (-1.0, 1.0):
        if b.chance(0.75):
            ear = (side * (head + 0.03), front + 0.06, up - 0.08)
            b.ball("ears", ear, (0.08, 0.15, 0.26), turn=(0, -14 * side, 0))
        else:
            tip = (side * 0.75 * head, front + 0.08, up + head + 0.18)
            b.cone("ears", (side * 0.6 * head, front + 0.05, up + 0.5 * head), tip, 0.13, 0.03)
    b.limb("main", (0, 0.6 * long + 0.7 * w, z + 0.1), (0, 0.6 * long + 0.5, z + 0.5), 0.085, 0.06)
    if b.wants("collar", 0.5):
        b.ring("collar", (0, front + 0.14, up - 0.24), 0.75 * head, 0.065, turn=(40, 0, 0))


def _build_rabbit(b: ShapeBuilder) -> None:
    w, h = 0.4 * b.width * b.thick**0.3, 0.48 * b.height * b.uniform(0.9, 1.1)
    b.ball("main", (0, 0.08, 0), (w, 0.95 * w + 0.04, h))
    head = 0.3 * b.uniform(0.95, 1.1)
    z = h + 0.55 * head
    b.ball("main", (0, -0.12, z), (head, 0.95 * head, 0.95 * head))
    long = 0.62 * b.uniform(0.85, 1.2)
    bend = b.uniform(0.0, 0.22)
    for side in (-1.0, 1.0):
        foot, tip = (side * 0.12, -0.05, z + 0.7 * head), (side * 0.2, bend, z + head + long)
        b.limb("ears", foot, tip, 0.095 * b.thick**0.5, 0.075)
        b.ball("main", (side * 0.6 * w, -0.3, -0.9 * h), (0.15, 0.28, 0.13))
        b.limb("main", (side * 0.45 * w, -0.3, -0.1 * h), (side * 0.3 * w, -0.5, -0.45 * h), 0.1)
    b.ball("tail", (0, w + 0.16, -0.5 * h), 0.16)
    b.ball("nose", (0, -0.12 - head, z - 0.02), 0.055)
    _eyes(b, 0.5 * head, -0.12 - 0.8 * head, z + 0.1)


def _build_bear(b: ShapeBuilder) -> None:
    w, h = 0.44 * b.width * b.thick**0.3, 0.5 * b.height
    b.ball("main", (0, 0, 0), (w, 0.9 * w, h))
    b.ball("belly", (0, -0.42 * w, -0.04), (0.68 * w, 0.55 * w, 0.68 * h))
    head = 0.38 * b.uniform(0.95, 1.1)
    z = h + 0.62 * head
    b.ball("main", (0, -0.03, z), (1.08 * head, head, head))
    b.ball("muzzle", (0, -0.95 * head, z - 0.12), (0.18, 0.13, 0.14))
    b.ball("nose", (0, -0.95 * head - 0.12, z - 0.07), 0.06)
    _eyes(b, 0.4 * head, -0.9 * head, z + 0.14 * head)
    r = 0.14 * b.thick
    for side in (-1.0, 1.0):
        b.ball("ears", (side * 0.82 * head, 0, z + 0.75 * head), (0.17, 0.09, 0.17))
        b.limb("main", (side * 0.8 * w, -0.1, 0.5 * h), (side * (w + 0.16), -0.36, -0.1), r)
        foot = (side * 0.75 * w, -0.62 * b.uniform(0.9, 1.1), -0.78 * h)
        b.limb("main", (side * 0.6 * w, -0.1, -0.7 * h), foot, 1.2 * r)
        b.ball("paws", (foot[0], foot[1] - 1.0 * r, foot[2]), (0.95 * r, 0.08, 0.95 * r))
    if b.wants("scarf", 0.25):
        b.ring("scarf", (0, -0.02, h + 0.02), 0.62 * head, 0.1)


def _build_penguin(b: ShapeBuilder) -> None:
    w, h = 0.4 * b.width * b.thick**0.3, 0.62 * b.height
    b.ball("main", (0, 0, 0), (w, 0.92 * w, h))
    b.ball("belly", (0, -0.2 * w, -0.1 * h), (0.78 * w, 0.82 * w, 0.8 * h))
    head = 0.29 * b.uniform(0.95, 1.1)
    z = h + 0.35 * head
    b.ball("main", (0, -0.02, z), head)
    b.limb("beak", (0, -0.85 * head, z - 0.02), (0, -head - 0.2, z - 0.06), 0.085, 0.035)
    _eyes(b, 0.42 * head, -0.9 * head, z + 0.1)
    lift = b.uniform(10.0, 40.0)
    for side in (-1.0, 1.0):
        centre = (side * (w + 0.1 + 0.002 * lift), 0, 0.05 * h)
        b.ball("main", centre, (0.075, 0.17, 0.42 * b.height), turn=(0, -lift * side, 0))
        b.ball("feet", (side * 0.45 * w, -0.28, -h + 0.02), (0.16, 0.26, 0.075))
    if b.wants("scarf", 0.3):
        b.ring("scarf", (0, -0.02, h - 0.04), 0.3, 0.1)


def _build_elephant(b: ShapeBuilder) -> None:
    w, r = 0.4 * b.width, 0.15 * b.thick
    legs = 0.46 * b.height * b.uniform(0.9, 1.1)
    z = legs + 0.24
    b.ball("main", (0, 0.1, z), (w, 0.62, 0.42))
    _four_legs(b, 0.62 * w, -0.22, 0.45, z, r)
    head, front, up = 0.32, -0.58, z + 0.24
    b.ball("main", (0, front, up), (head, head, 1.05 * head))
    y, reach = front - 0.8 * head, b.uniform(0.1, 0.3)
    b.limb("main", (0, y, up - 0.06), (0, y - 0.18, up - 0.46), 0.15, 0.115)
    b.limb("main", (0, y - 0.18, up - 0.46), (0, y - 0.2 - reach, up - 0.72), 0.115, 0.09)
    for side in (-1.0, 1.0):
        ear = (side * (head + 0.16), front + 0.14, up + 0.02)
        b.ball("ears", ear, (0.27, 0.065, 0.33), turn=(0, 0, -24 * side))
        tusk = (side * 0.18, y + 0.02, up - 0.22)
        b.limb("tusks", tusk, (side * 0.22, y - 0.3, up - 0.34), 0.055, 0.035)
    _eyes(b, 0.62 * head, front - 0.74 * head, up + 0.14)
    b.limb("main", (0, 0.7, z + 0.1), (0, 0.82, z - 0.3), 0.05)


def _build_pig(b: ShapeBuilder) -> None:
    w, legs = 0.4 * b.width * b.thick**0.3, 0.24 * b.height
    z = legs + 0.3
    b.ball("main", (0, 0.12, z), (w, 0.6, 0.4 * b.height**0.5))
    _four_legs(b, 0.55 * w, -0.2, 0.45, z, 0.115 * b.thick)
    head, front, up = 0.32, -0.5, z + 0.12
    b.ball("main", (0, front, up), (1.05 * head, 0.9 * head, head))
    b.cone("snout", (0, front - 0.7 * head, up - 0.06), (0, front - head - 0.14, up - 0.06), 0.16)
    for side in (-1.0, 1.0):
        b.ball("eyes", (side * 0.07, front - head - 0.14, up - 0.05), 0.04)
        foot, tip = (
            (side * 0.2, front, up + 0.75 * head),
            (side * 0.3, front - 0.14, up + head + 0.1),
        )
        b.cone("ears", foot, tip, 0.14, 0.03)
    _eyes(b, 0.42 * head, front - 0.78 * head, up + 0.14)
    b.ring("main", (0, 0.76, z + 0.1), 0.09, 0.04, turn=(90, 0, 90))


_DARK = Part("eyes", (), ("black",))
_NOSE = Part("nose", (), ("black", "pink"))

KINDS = (
    Kind(
        name="dog",
        nouns=KIND_NOUNS["dog"],
        build=_build_dog,
        natural=("brown", "wooden", "white", "black"),
        parts=(
            named_part("ears", "brown", "black", SAME),
            named_part("collar", "red", "blue", "green"),
            _NOSE,
            _DARK,
        ),
    ),
    Kind(
        name="rabbit",
        nouns=KIND_NOUNS["rabbit"],
        build=_build_rabbit,
        natural=("white", "grey", "brown"),
        parts=(
            named_part("ears", SAME, SAME, "pink", "grey"),
            named_part("tail", "white", SAME),
            Part("nose", (), ("pink", "black")),
            _DARK,
        ),
    ),
    Kind(
        name="bear",
        nouns=KIND_NOUNS["bear"],
        build=_build_bear,
        natural=("brown", "wooden", "white", "black"),
        parts=(
            named_part("belly", SAME, "white", "yellow", "wooden"),
            named_part("ears", SAME, SAME, "pink"),
            named_part("scarf", "red", "blue", "green"),
            named_part("paws", "wooden", "pink", "white"),
            Part("muzzle", (), ("white", "wooden")),
            _NOSE,
            _DARK,
        ),
    ),
    Kind(
        name="penguin",
        nouns=KIND_NOUNS["penguin"],
        build=_build_penguin,
        natural=("black", "blue", "grey"),
        parts=(
            named_part("belly", "white", "white", "yellow"),
            named_part("beak", "orange", "yellow"),
            named_part("feet", "orange", "yellow"),
            named_part("scarf", "red", "green", "purple"),
            Part("eyes", (), ("white",)),
        ),
    ),
    Kind(
        name="elephant",
        nouns=KIND_NOUNS["elephant"],
        build=_build_elephant,
        natural=("grey", "blue", "pink"),
        parts=(
            named_part("tusks", "white", "white", "golden"),
            named_part("ears", SAME, SAME, "pink"),
            _DARK,
        ),
    ),
    Kind(
        name="pig",
        nouns=KIND_NOUNS["pig"],
        build=_build_pig,
        natural=("pink",),
        parts=(
            named_part("snout", "red", "white", "brown"),
            named_part("ears", SAME, SAME, "red"),
            _DARK,
        ),
    ),
)
