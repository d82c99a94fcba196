# SPDX-License-Identifier: GPL-3.0-or-later
"""Buildings; their doors face -Y."""

from __future__ import annotations

import math

from .attributes import Kind, Part
from .builder import ShapeBuilder
from .restyled import build_town_house


def _door(b: ShapeBuilder, x: float, y: float, half: float, height: float) -> None:
    b.box("door", (x, y, 0.5 * height), (half, 0.06, 0.5 * height), rounding=0.05)
    b.cone("door", (x, y - 0.06, height), (x, y + 0.06, height), half, rounding=0.04)


def _battlements(b: ShapeBuilder, part: str, radius: float, z: float, number: int) -> None:
    for index in range(number):
        angle = 2.0 * math.pi * index / number
        x, y = radius * math.cos(angle), radius * math.sin(angle)
        b.box(part, (x, y, z), (0.075, 0.1, 0.1), rounding=0.03, turn=(0, 0, math.degrees(angle)))


def _build_house(b: ShapeBuilder) -> None:
    x, y = 0.66 * b.width * b.uniform(0.9, 1.1), 0.55 * b.width**0.5 * b.uniform(0.9, 1.1)
    h = 0.66 * b.height * b.uniform(0.9, 1.1)
    b.box("main", (0, 0, 0.5 * h), (x, y, 0.5 * h), rounding=0.03)
    roof, eaves = 0.34 * b.uniform(0.85, 1.2), 0.11
    top = (x + eaves, 0.0) if b.chance(0.6) else (0.35 * x, 0.0)
    b.frustum("roof", (0, 0, h + roof), (x + eaves, y + eaves), top, roof, rounding=0.05)
    front = -y
    shift = 0.0 if b.chance(0.5) else 0.36 * x
    _door(b, shift, front, 0.16, min(0.36, 0.55 * h))
    places = (-0.6 * x, 0.6 * x) if shift == 0.0 else (-0.42 * x,)
    for px in places:
        b.box("windows", (px, front, 0.55 * h), (0.14, 0.05, 0.14), rounding=0.03)
    for side in (-1.0, 1.0):
        b.box("windows", (side * x, 0, 0.55 * h), (0.05, 0.16, 0.14), rounding=0.03)
    if b.wants("chimney", 0.65):
        z = h + 1.3 * roof
        b.box("chimney", (0.5 * x, 0.25 * y, z), (0.12, 0.12, roof + 0.08), rounding=0.03)


def _build_tower(b: ShapeBuilder) -> None:
    r, h = 0.4 * b.width * b.thick**0.4, 1.35 * b.height * b.uniform(0.9, 1.1)
    b.cone("main", (0, 0, 0), (0, 0, h), 1.1 * r, 0.9 * r, rounding=0.03)
    b.cone("main", (0, 0, h - 0.05), (0, 0, h + 0.2), r, 1.16 * r, rounding=0.04)
    _door(b, 0, -1.05 * r, 0.15, 0.3)
    for z, angle in ((0.5 * h, -90.0), (0.74 * h, -20.0), (0.6 * h, 150.0)):
        x, y = r * math.cos(math.radians(angle)), r * math.sin(math.radians(angle))
        b.box("windows", (x, y, z), (0.09, 0.09, 0.13), rounding=0.05, turn=(0, 0, angle))
    if b.wants("roof", 0.7):
        high = 0.62 * b.uniform(0.85, 1.25)
        b.cone("roof", (0, 0, h + 0.18), (0, 0, h + 0.18 + high), 1.34 * r, 0.04, rounding=0.04)
        return
    _battlements(b, "main", 1.05 * r, h + 0.26, 8)


def _build_castle(b: ShapeBuilder) -> None:
    w, h = 0.62 * b.width, 0.52 * b.height * b.uniform(0.9, 1.1)
    r, tower = 0.21 * b.thick**0.6, 0.86 * b.height * b.uniform(0.9, 1.1)
    b.box("main", (0, 0, 0.5 * h), (w, w, 0.5 * h), rounding=0.03)
    for share in (-0.56, -0.19, 0.19, 0.56):
        for side in (-1.0, 1.0):
            b.box("main", (share * w, side * (w - 0.07), h), (0.08, 0.07, 0.09), rounding=0.03)
            b.box("main", (side * (w - 0.07), share * w, h), (0.07, 0.08, 0.09), rounding=0.03)
    has_roofs = b.wants("roofs", 0.75)
    for x in (-w, w):
        for y in (-w, w):
            b.cone("main", (x, y, 0), (x, y, tower), r, rounding=0.03)
            if has_roofs:
                b.cone("roofs", (x, y, tower - 0.03), (x, y, tower + 0.42), 1.3 * r, 0.04)
            else:
                b.cone("main", (x, y, tower - 0.05), (x, y, tower + 0.12), 1.18 * r)
    if b.chance(0.6):
        keep = tower + 0.2
        b.box("main", (0, 0.1, 0.5 * keep), (0.4 * w, 0.4 * w, 0.5 * keep), rounding=0.03)
        b.frustum("roofs", (0, 0.1, keep + 0.22), (0.5 * w, 0.5 * w), (0.0, 0.0), 0.24)
        b.box("windows", (0, 0.1 - 0.4 * w, keep - 0.22), (0.08, 0.05, 0.11), rounding=0.04)
    _door(b, 0, -w, 0.18, 0.5 * h)


def _build_windmill(b: ShapeBuilder) -> None:
    r, h = 0.38 * b.width * b.thick**0.4, 1.05 * b.height
    b.cone("main", (0, 0, 0), (0, 0, h), 1.15 * r, 0.75 * r, rounding=0.04)
    b.cone("roof", (0, 0, h - 0.03), (0, 0, h + 0.4), 0.95 * r, 0.05, rounding=0.05)
    _door(b, 0, -1.08 * r, 0.14, 0.26)
    b.box("windows", (0, -0.95 * r, 0.55 * h), (0.09, 0.06, 0.1), rounding=0.03)
    hub, y = h + 0.02, -0.8 * r - 0.16
    b.cone("blades", (0, 0, hub), (0, y - 0.08, hub), 0.09)
    turn, long = b.uniform(0.0, 90.0), 0.78 * b.uniform(0.9, 1.1)
    for index in range(4):
        angle = math.radians(turn + 90.0 * index)
        x, z = math.sin(angle), math.cos(angle)
        middle = (0.56 * long * x, y, hub + 0.56 * long * z)
        degrees = turn + 90.0 * index
        b.box("blades", middle, (0.13, 0.045, 0.46 * long), rounding=0.03, turn=(0, degrees, 0))
        b.limb("blades", (0, y, hub), (0.3 * long * x, y, hub + 0.3 * long * z), 0.05)


def _build_lighthouse(b: ShapeBuilder) -> None:
    r, h, bands = 0.36 * b.width * b.thick**0.4, 1.4 * b.height * b.uniform(0.9, 1.1), 5
    b.cone("rock", (0, 0, -0.14), (0, 0, 0.06), 0.64 * b.width, 0.5 * b.width, rounding=0.06)
    for index in range(bands):
        low, high = index / bands, (index + 1) / bands
        part = "main" if index % 2 == 0 else "stripes"
        start, end = r * (1.1 - 0.4 * low), r * (1.1 - 0.4 * high)
        b.cone(part, (0, 0, low * h), (0, 0, high * h + 0.02), start, end, rounding=0.015)
    b.cone("rock", (0, 0, h - 0.03), (0, 0, h + 0.07), 1.05 * r, rounding=0.04)
    b.cone("light", (0, 0, h), (0, 0, h + 0.32), 0.55 * r)
    b.cone("main", (0, 0, h + 0.28), (0, 0, h + 0.56), 0.85 * r, 0.06, rounding=0.05)
    _door(b, 0, -1.05 * r, 0.12, 0.24)


_GLASS = ("cyan", "yellow", "white")
_DOOR = Part("door", ("a door", "a gate"), ("brown", "wooden", "blue", "red"))

KINDS = (
    Kind(
        name="house",
        nouns=("house", "cottage", "home", "hut"),
        build=_build_house,
        styles=(build_town_house,),
        natural=("white", "yellow", "wooden", "stone", "red"),
        parts=(
            Part("roof", ("a roof",), ("red", "brown", "orange", "grey")),
            _DOOR,
            Part("windows", (), _GLASS),
            Part("chimney", ("a chimney", "a smokestack"), ("stone", "brown", "grey")),
        ),
    ),
    Kind(
        name="tower",
        nouns=("tower", "turret", "watchtower"),
        build=_build_tower,
        natural=("stone", "grey", "white"),
        parts=(
            Part("roof", ("a roof",), ("red", "blue", "brown")),
            _DOOR,
            Part("windows", (), ("black", "cyan")),
        ),
    ),
    Kind(
        name="castle",
        nouns=("castle", "fortress", "palace"),
        build=_build_castle,
        natural=("stone", "grey", "white", "pink"),
        parts=(
            Part("roofs", ("roofs", "tower roofs"), ("blue", "red", "purple")),
            _DOOR,
            Part("windows", (), ("black", "cyan")),
        ),
        adjectives=("tall", "short", "wide", "slim"),
    ),
    Kind(
        name="windmill",
        nouns=("windmill", "mill"),
        build=_build_windmill,
        natural=("white", "stone", "wooden"),
        parts=(
            Part("blades", ("blades", "sails", "wings"), ("wooden", "white", "brown")),
            Part("roof", ("a roof",), ("red", "brown", "orange")),
            Part("door", (), ("brown", "wooden")),
            Part("windows", (), ("cyan",)),
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
    Kind(
        name="lighthouse",
        nouns=("lighthouse", "beacon"),
        build=_build_lighthouse,
        natural=("red", "white", "blue"),
        parts=(
            Part("stripes", ("stripes", "bands"), ("white", "white", "red")),
            Part("light", ("a light", "a lantern"), ("yellow",)),
            Part("door", (), ("brown",)),
            Part("rock", (), ("grey", "stone")),
        ),
        adjectives=("tall", "short", "wide", "slim", "chunky"),
    ),
)
