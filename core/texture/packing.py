# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack shapes into a square, holes and all, at the largest common scale found.

Shapes become bitmaps of cells of a few texels. The occupied cells of the square are one long
Python integer, so that "where does this row of cells not collide" is a shift of all positions
at once; each shape, largest first, takes the lowest place that is free in any of its four
orientations. Which order is best is luck, so two are tried at every scale.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from .cells import Bitmaps, Outlines, cover_cells
from .shelves import fill_shelves

_CELLS = 128
"""Most cells per side of the square."""

_ANGLES = np.deg2rad(np.arange(0.0, 90.0, 7.5))
_FIRST_FILL = 0.75
"""Share of the square that the shapes cover at the scale tried first."""

_MANY_SHAPES = 250
"""Beyond these, shapes are packed by their boxes: the surface is noise, and time matters more."""

_FULL = 0.92
"""Share of the cells beyond which packing is not even tried."""

_SOLID = 0.75
"""Share of its box beyond which turning a shape by half is no other orientation."""

_SCALE_STEP = 1.03
"""Between the scales that are tried until one fits."""

_SMALLEST_GAIN = 1.012
"""How much larger the shapes must become for another try."""


@dataclass(frozen=True, slots=True)
class Packing:
    """Where shapes go: texels = scale * turn @ point + offset."""

    turns: NDArray[np.float64]  # rotations, [N, 2, 2]
    scale: float  # texels per unit of length
    offsets: NDArray[np.float64]  # texels, [N, 2]


def pack(
    outlines: Outlines, area: float, size: int, padding: int, check: Check = ignore
) -> Packing:
    """Pack shapes as large as possible, all at one scale.

    Args:
        outlines: closed outlines; shape numbers 0 to N - 1 all occur.
        area: what all shapes cover together, in the units of the outlines.
        size: texels per side of the square.
        padding: free texels between shapes; half as many stay free at the border.
        check: called before each shape that is placed.
    """
    check()
    upright = _least_boxes(outlines)
    turned = _turn(outlines, upright)
    scale, offsets, quarters = fill_shelves(turned, size, padding)
    best = Packing(quarters @ upright, scale, offsets)
    if len(upright) > _MANY_SHAPES:
        return best
    cell = -(-size // _CELLS)
    too_large = np.inf
    scale = max(float(np.sqrt(_FIRST_FILL / area)) * size, best.scale * _SCALE_STEP)
    while scale > best.scale * _SMALLEST_GAIN:
        shapes = cover_cells(turned.scaled(scale), cell, padding)
        places = _place_all(shapes, size // cell, check)
        if places is not None:
            best = _finish(places, shapes, upright, scale)
            scale = min(scale * _SCALE_STEP, (scale + too_large) / 2)
        else:
            too_large = scale
            # Step by step downward, as a smaller scale may fit where a still smaller one does not.
            scale = max(scale / _SCALE_STEP, (scale + best.scale) / 2)
    return best


def _turn(outlines: Outlines, turns: NDArray[np.float64]) -> Outlines:
    """Rotate each shape."""
    x, y = outlines.points.transpose(2, 0, 1)
    # Plain arithmetic: an einsum may round equal ends differently, depending on their place.
    turn = turns[outlines.shape][:, None]
    points = [x * turn[..., row, 0] + y * turn[..., row, 1] for row in (0, 1)]
    return Outlines(outlines.shape, np.stack(points, axis=2))


def _least_boxes(outlines: Outlines) -> NDArray[np.float64]:
    """Return the rotation that gives each shape the smallest upright box, [N, 2, 2]."""
    cosine, sine = np.cos(_ANGLES), np.sin(_ANGLES)
    turns = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], 1)
    order = np.argsort(outlines.shape, kind="stable")
    starts = np.flatnonzero(np.diff(outlines.shape[order], prepend=-1))
    # Outlines are closed, so the first ends of their edges are all the ends there are.
    turned = np.einsum("aij,ej->eai", turns, outlines.points[order, 0])
    sides = np.maximum.reduceat(turned, starts) - np.minimum.reduceat(turned, starts)
    smallest = (sides[..., 0] * sides[..., 1]).argmin(axis=1)
    upright: NDArray[np.float64] = turns[smallest]
    return upright


@dataclass(frozen=True, slots=True)
class _Pose:
    """A bitmap in one of four orientations, as runs of cells: row, first cell, length, [R]."""

    quarter_turns: int
    width: int
    height: int
    runs: list[tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class _Place:
    pose: _Pose
    column: int
    row: int


def _place_all(shapes: Bitmaps, side: int, check: Check) -> list[_Place] | None:
    """Place all bitmaps on a square of cells; None where one does not fit."""
    if shapes.counts().sum() > _FULL * side * side:
        return None
    poses = [_poses(shapes.bitmap(number)) for number in range(len(shapes.sizes))]
    by_side = np.argsort(-shapes.sizes.max(axis=1), kind="stable").tolist()
    by_cells = np.argsort(-shapes.counts(), kind="stable").tolist()
    return _place_in_order(poses, by_side, side, 0.5, check) or _place_in_order(
        poses, by_cells, side, 0.0, check
    )


def _place_in_order(
    poses: list[list[_Pose]], order: list[int], side: int, height_weight: float, check: Check
) -> list[_Place] | None:
    """Place bitmaps one after the other, each with the least row plus weighted height."""
    places: dict[int, _Place] = {}
    occupied = 0
    for number in order:
        check()
        # Bit k of doubled[j] is set where any of 2**j cells from k on is occupied.
        doubled = [occupied]
        while len(doubled) < side.bit_length():
            doubled.append(doubled[-1] | doubled[-1] >> (1 << len(doubled) - 1))
        found = [
            place
            for pose in poses[number]
            if (place := _lowest_place(doubled, pose, side)) is not None
        ]
        if not found:
            return None
        place = min(found, key=lambda place: place.row + height_weight * place.pose.height)
        places[number] = place
        for row, first, length in place.pose.runs:
            start = (place.row + row) * side + place.column + first
            occupied |= (1 << length) - 1 << start
    return [places[number] for number in range(len(places))]


def _poses(bitmap: NDArray[np.bool_]) -> list[_Pose]:
    poses = []
    is_solid = bitmap.mean() > _SOLID
    for quarter_turns in range(2 if is_solid else 4):
        height, width = bitmap.shape
        # An empty cell ends each row, so that runs begin and end at every second change.
        rows = np.zeros((height, width + 1), dtype=bool)
        rows[:, :width] = bitmap
        changes = np.flatnonzero(np.diff(rows.ravel(), prepend=False))
        row, first = np.divmod(changes[::2], width + 1)
        lengths = changes[1::2] - changes[::2]
        runs = list(zip(row.tolist(), first.tolist(), lengths.tolist(), strict=True))
        poses.append(_Pose(quarter_turns, width, height, runs))
        bitmap = bitmap.T[:, ::-1]  # rows count upward, so this turns left
    return poses


def _lowest_place(doubled: list[int], pose: _Pose, side: int) -> _Place | None:
    if pose.width > side or pose.height > side:
        return None
    collides = 0
    for row, first, length in pose.runs:
        power = length.bit_length() - 1
        cells = doubled[power] >> row * side + first
        collides |= cells | doubled[power] >> row * side + first + length - (1 << power)
    inside_row = (1 << side - pose.width + 1) - 1
    allowed = inside_row * (((1 << side * (side - pose.height + 1)) - 1) // ((1 << side) - 1))
    free = allowed & ~collides
    if not free:
        return None
    row, column = divmod((free & -free).bit_length() - 1, side)
    return _Place(pose, column, row)


def _finish(
    places: list[_Place], shapes: Bitmaps, upright: NDArray[np.float64], scale: float
) -> Packing:
    """Turn places of bitmaps into rotations and offsets of the shapes."""
    left = np.array([[0.0, -1.0], [1.0, 0.0]])
    turns, offsets = np.empty((len(places), 2, 2)), np.empty((len(places), 2))
    for number, place in enumerate(places):
        turn, shift = np.eye(2), -shapes.origin[number]
        height, width = shapes.bitmap(number).shape
        for _ in range(place.pose.quarter_turns):
            turn, shift = left @ turn, left @ shift + (height * shapes.cell, 0)
            height, width = width, height
        turns[number] = turn
        offsets[number] = shift + np.array([place.column, place.row]) * shapes.cell
    return Packing(turns @ upright, scale, offsets)
