# SPDX-License-Identifier: GPL-3.0-or-later
"""Vessels and other things found about the house."""

from __future__ import annotations

import math

from .attributes import SAME, Kind, Part
from .builder import CARVED_ROLE, CUTTER_ROLE, ShapeBuilder


def _build_mug(b: ShapeBuilder) -> None:
    r, h = 0.5 * b.width * b.uniform(0.9, 1.1), 1.05 * b.height * b.uniform(0.9, 1.1)
    flare, wall = b.uniform(0.82, 1.08), 0.1 * b.thick
    b.cone("main", (0, 0, 0), (0, 0, h), flare * r, r, rounding=0.07, role=CARVED_ROLE)
    inner = r - wall
    b.cone(
        "main", (0, 0, 0.16), (0, 0, h + 0.4), inner * flare, inner, rounding=0.03, role=CUTTER_ROLE
    )
    if b.wants("filling", 0.5):
        b.cone("filling", (0, 0, 0.1), (0, 0, 0.8 * h), flare * r - 0.5 * wall, r - 0.5 * wall)
    ring = 0.3 * h * b.uniform(0.9, 1.1)
    tube = 0.075 * b.thick
    x = 0.5 * (1.0 + flare) * r - 0.03
    b.ring("handle", (x, 0, 0.5 * h), ring, tube, half_angle=100.0, turn=(90, 0, 0))


def _build_bottle(b: ShapeBuilder) -> None:
    r, h = 0.34 * b.width * b.uniform(0.9, 1.1), 1.0 * b.height * b.uniform(0.85, 1.15)
    neck, shoulder = 0.13 * b.thick, b.uniform(0.22, 0.4)
    neck_top = h + shoulder + 0.34 * b.height
    b.cone("main", (0, 0, 0), (0, 0, h), r, rounding=0.09)
    b.cone("main", (0, 0, h - 0.1), (0, 0, h + shoulder), r - 0.01, neck, rounding=0.06)
    b.cone("main", (0, 0, h), (0, 0, neck_top), neck, rounding=0.03)
    b.cone("cap", (0, 0, neck_top - 0.08), (0, 0, neck_top + 0.12), 1.3 * neck, rounding=0.04)
    if b.wants("label", 0.5):
        middle, half = 0.48 * h, 0.24 * h
        b.cone("label", (0, 0, middle - half), (0, 0, middle + half), r + 0.025, rounding=0.02)


def _build_vase(b: ShapeBuilder) -> None:
    r, h = 0.42 * b.width * b.uniform(0.9, 1.1), 0.5 * b.height * b.uniform(0.9, 1.15)
    neck = r * b.uniform(0.4, 0.6)
    b.cone("main", (0, 0, 0), (0, 0, 0.2), 0.62 * r, 0.5 * r)
    b.ball(
        "main",
        (0, 0, h + 0.05),
        (r, r, h),
    )
    top = 2.0 * h + b.uniform(0.15, 0.4) * b.height
    b.cone("main", (0, 0, 1.5 * h), (0, 0, top), neck, rounding=0.03, role=CARVED_ROLE)
    b.cone("rim", (0, 0, top - 0.1), (0, 0, top + 0.1), 0.9 * neck, 1.5 * neck, role=CARVED_ROLE)
    hole = 0.72 * neck
    b.cone("main", (0, 0, 1.9 * h), (0, 0, top + 0.3), hole, 1.9 * hole, role=CUTTER_ROLE)
    if b.wants("band", 0.35):
        b.cone("band", (0, 0, h - 0.04), (0, 0, h + 0.14), r + 0.02, rounding=0.03)


def _build_bucket(b: ShapeBuilder) -> None:
    r, h, wall = 0.56 * b.width, 0.92 * b.height * b.uniform(0.9, 1.1), 0.09 * b.thick
    low = r * b.uniform(0.68, 0.8)
    b.cone("main", (0, 0, 0), (0, 0, h), low, r, rounding=0.04, role=CARVED_ROLE)
    b.cone("main", (0, 0, 0.14), (0, 0, h + 0.3), low - wall, r + 0.06 - wall, role=CUTTER_ROLE)
    b.ring("main", (0, 0, h - 0.02), r - 0.02, 0.06)
    b.ring("handle", (0, 0, h - 0.04), r, 0.045 * b.thick, half_angle=90.0, turn=(90, -90, 0))
    if b.wants("water", 0.45):
        b.cone("water", (0, 0, 0.1), (0, 0, 0.8 * h), low - 0.4 * wall, r - 0.5 * wall)


def _build_candle(b: ShapeBuilder) -> None:
    r, h = 0.26 * b.width * b.uniform(0.85, 1.1), 0.95 * b.height * b.uniform(0.8, 1.15)
    b.cone("main", (0, 0, 0.1), (0, 0, h), r, 0.94 * r, rounding=0.06)
    for _ in range(b.count(1, 3)):
        angle, long = b.uniform(0.0, 6.28), b.uniform(0.15, 0.4) * h
        x, y = 0.93 * r * math.cos(angle), 0.93 * r * math.sin(angle)
        b.limb("main", (x, y, h - long), (x, y, h - 0.06), 0.06)
    b.limb("wick", (0, 0, h - 0.05), (0, 0, h + 0.1), 0.035)
    b.limb("flame", (0, 0, h + 0.2), (0, 0, h + 0.44), 0.115, 0.035)
    if b.wants("holder", 0.75):
        b.cone("holder", (0, 0, 0), (0, 0, 0.1), 0.52 * b.width, 0.58 * b.width, rounding=0.04)
        b.cone("holder", (0, 0, 0.05), (0, 0, 0.22), r + 0.07)
        if b.chance(0.5):
            x = 0.66 * b.width
            b.ring("holder", (x, 0, 0.1), 0.15, 0.045, turn=(90, 0, 0))


def _build_teapot(b: ShapeBuilder) -> None:
    r, h = 0.55 * b.width, 0.46 * b.height * b.uniform(0.9, 1.1)
    b.ball("main", (0, 0, h), (r, r, h))
    b.cone("main", (0, 0, 0), (0, 0, 0.14), 0.6 * r, 0.55 * r)
    spout = 0.13 * b.thick
    b.limb("main", (0.7 * r, 0, 0.75 * h), (1.35 * r, 0, 1.3 * h), spout, 0.7 * spout)
    b.limb("main", (1.35 * r, 0, 1.3 * h), (1.55 * r, 0, 1.75 * h), 0.7 * spout, 0.6 * spout)
    b.ring(
        "handle",
        (-0.86 * r, 0, 1.08 * h),
        0.62 * h,
        0.07 * b.thick,
        half_angle=120,
        turn=(90, 180, 0),
    )
    b.ball("lid", (0, 0, 1.84 * h), (0.55 * r, 0.55 * r, 0.2 * h + 0.06))
    b.ball("lid", (0, 0, 2.15 * h + 0.08), 0.1)


def _build_umbrella(b: ShapeBuilder) -> None:
    r, h = 0.9 * b.width, 1.35 * b.height * b.uniform(0.9, 1.1)
    high = 0.52 * b.uniform(0.85, 1.15)
    b.ball("main", (0, 0, h), (r, r, high), role=CARVED_ROLE)
    b.ball("main", (0, 0, h - 0.13), (0.93 * r, 0.93 * r, high - 0.02), role=CUTTER_ROLE)
    b.box("main", (0, 0, h - 0.55 * high), (1.05 * r, 1.05 * r, 0.55 * high), role=CUTTER_ROLE)
    ribs = 8
    for index in range(ribs):
        angle = 2.0 * math.pi * (index + 0.5) / ribs
        x, y = 0.965 * r * math.cos(angle), 0.965 * r * math.sin(angle)
        b.ball("main", (x, y, h + 0.03), 0.07)
    pole = 0.05 * b.thick
    b.cone("handle", (0, 0, 0.2), (0, 0, h + high), pole, rounding=0.02)
    b.limb("handle", (0, 0, h + high), (0, 0, h + high + 0.1), 0.05, 0.03)
    hook = 0.17
    b.ring("handle", (hook, 0, 0.2), hook, 1.3 * pole, half_angle=90.0, turn=(90, 90, 0))


def _build_barrel(b: ShapeBuilder) -> None:
    r, h = 0.56 * b.width, 0.72 * b.height * b.uniform(0.9, 1.1)
    ends, lid = r * b.uniform(0.74, 0.84), 0.06
    b.cone("main", (0, 0, -h), (0, 0, 0), ends, r, rounding=0.02)
    b.cone("main", (0, 0, 0), (0, 0, h), r, ends, rounding=0.02)
    for share in (-0.82, -0.3, 0.3, 0.82):
        z = share * h
        around = r + (ends - r) * abs(share) + 0.035
        b.cone("bands", (0, 0, z - 0.075), (0, 0, z + 0.075), around, rounding=0.03)
    b.cone("main", (0, 0, h - lid), (0, 0, h + 0.02), 0.9 * ends, rounding=0.02)


def _build_crate(b: ShapeBuilder) -> None:
    x, y, z = 0.7 * b.width, 0.7 * b.width * b.uniform(0.8, 1.0), 0.62 * b.height
    beam = 0.1 * b.thick
    b.box("main", (0, 0, 0), (x - 0.04, y - 0.04, z - 0.04), rounding=0.02)
    for i in (-1.0, 1.0):
        for j in (-1.0, 1.0):
            b.box("bands", (i * (x - beam), j * (y - beam), 0), (beam, beam, z), rounding=0.03)
            b.box("bands", (i * (x - beam), 0, j * (z - beam)), (beam, y, beam), rounding=0.03)
            b.box("bands", (0, i * (y - beam), j * (z - beam)), (x, beam, beam), rounding=0.03)
    if b.chance(0.6):
        tilt = math.degrees(math.atan2(z - beam, x - beam))
        long = math.hypot(x - beam, z - beam)
        for face in (-1.0, 1.0):
            b.box(
                "bands",
                (0, face * (y - 0.05), 0),
                (long, 0.05, beam),
                rounding=0.02,
                turn=(0, tilt, 0),
            )


def _build_hat(b: ShapeBuilder) -> None:
    r, brim = 0.5 * b.width, 0.92 * b.width * b.uniform(0.85, 1.1)
    style, t = b.count(0, 2), 0.055 * b.thick
    if style == 0:
        high = 0.95 * b.height
        b.cone("main", (0, 0, 0), (0, 0, high), 0.92 * r, r, rounding=0.05)
    elif style == 1:
        high = 1.5 * b.height
        b.cone("main", (0, 0, 0), (0, 0, high), r, 0.06, rounding=0.05)
    else:
        high = 0.62 * b.height
        b.ball("main", (0, 0, 0.05), (r, r, high))
    b.cone("main", (0, 0, -t), (0, 0, t), brim, rounding=0.05)
    slope = {0: 0.0, 1: -0.9 * r / high, 2: -0.05}[style]
    band = 0.26 * (0.7 if style == 2 else 1.0)
    b.cone("band", (0, 0, 0), (0, 0, band), r + 0.04, r + 0.05 + slope * band, rounding=0.03)


KINDS = (
    Kind(
        name="mug",
        nouns=("mug", "cup", "coffee mug", "coffee cup"),
        build=_build_mug,
        natural=("white", "red", "blue"),
        parts=(
            Part("handle", ("a handle", "a grip"), (SAME, SAME, SAME, "white", "black")),
            Part("filling", ("coffee", "tea"), ("brown",)),
        ),
    ),
    Kind(
        name="bottle",
        nouns=("bottle", "flask", "wine bottle"),
        build=_build_bottle,
        natural=("green", "brown", "blue"),
        parts=(
            Part("cap", ("a cap", "a cork", "a lid"), ("wooden", "red", "golden", "white")),
            Part("label", ("a label", "a sticker"), ("white", "yellow")),
        ),
    ),
    Kind(
        name="vase",
        nouns=("vase", "urn", "amphora"),
        build=_build_vase,
        natural=("blue", "white", "orange"),
        parts=(
            Part("rim", ("a rim", "a lip"), (SAME, SAME, "golden", "white")),
            Part("band", ("a band", "a stripe"), ("golden", "white", "red")),
        ),
    ),
    Kind(
        name="bucket",
        nouns=("bucket", "pail"),
        build=_build_bucket,
        natural=("metal", "blue", "red"),
        parts=(
            Part("handle", ("a handle", "a grip"), ("metal", "black", "white")),
            Part("water", ("water", "paint"), ("cyan", "blue")),
        ),
    ),
    Kind(
        name="candle",
        nouns=("candle", "wax candle"),
        build=_build_candle,
        natural=("white", "red"),
        parts=(
            Part("flame", ("a flame", "a fire"), ("orange", "yellow")),
            Part("holder", ("a holder", "a candlestick", "a plate"), ("golden", "metal", "wooden")),
            Part("wick", (), ("black",)),
        ),
    ),
    Kind(
        name="teapot",
        nouns=("teapot", "kettle", "tea kettle"),
        build=_build_teapot,
        natural=("white", "blue", "red", "metal"),
        parts=(
            Part("lid", ("a lid", "a cover"), (SAME, SAME, "white", "golden")),
            Part("handle", ("a handle", "a grip"), (SAME, SAME, "black", "wooden")),
        ),
    ),
    Kind(
        name="umbrella",
        nouns=("umbrella", "parasol", "brolly"),
        build=_build_umbrella,
        natural=("red", "blue", "yellow", "black"),
        parts=(Part("handle", ("a handle", "a pole"), ("wooden", "black", "brown")),),
        adjectives=("tall", "short", "wide", "slim", "small"),
    ),
    Kind(
        name="barrel",
        nouns=("barrel", "cask", "keg"),
        build=_build_barrel,
        natural=("wooden", "brown"),
        parts=(Part("bands", ("bands", "hoops", "rings"), ("metal", "black", "golden")),),
    ),
    Kind(
        name="crate",
        nouns=("crate", "box", "chest"),
        build=_build_crate,
        natural=("wooden", "brown"),
        parts=(Part("bands", ("edges", "beams", "planks"), (SAME, "brown", "metal")),),
    ),
    Kind(
        name="hat",
        nouns=("hat", "bonnet"),
        build=_build_hat,
        natural=("black", "brown", "purple"),
        parts=(Part("band", ("a band", "a ribbon"), ("red", "golden", "white")),),
    ),
)
