# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture shows, told from a background of one colour, and what is wrong with it.

Arrays only: no file formats, no Blender.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

BORDER_SHARE = 0.01
"""Width of the border that is looked at, as a share of the shorter side."""
MIN_UNIFORM_SHARE = 0.8
"""Of the border; the rest may be the object, where it is cut off by the edge."""
COLOR_TOLERANCE = 20
"""Largest difference of a channel, of 255, that noise and compression may make."""

PLAIN_BORDER_SHARE, PLAIN_TOLERANCE, PLAIN_SHARE = 0.03, 12, 0.98
"""The same of a background that is of one colour beyond doubt: a floor of two shades is not."""
MAX_FLOODS = 100
"""Bends that a background may have; the rest of a maze counts as the object."""

CUT_SHARE = 0.2
"""Of an object's extent along an edge, from which it is cut off; a round one may touch the edge."""
CLEAR_SIDE = 96
"""Pixels of an object that shows its details; image models look at 224."""
RIVAL_SHARE = 0.25
"""Of the largest thing, from which another one beside it is an object of its own."""

_MAX_THINGS = 12
"""A picture with more things than that is known by its largest ones."""
_GRID_SIDE = 96
"""Cells of the coarse picture in which things are counted; nearer than two cells they are one."""

Fault = Literal["busy background", "cut off", "small", "several"]
"""Why a picture may not work well as a reference."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of pixels; bottom and right lie outside."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def longest(self) -> int:
        """The longer side in pixels."""
        return max(self.bottom - self.top, self.right - self.left)


def find_background(rgb: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Return where the background is, [H, W], or None if the border is not of one colour.

    Only what hangs together with the border counts: a white stem before white stays whole.

    Args:
        rgb: sRGB, [H, W, 3].
    """
    height, width = rgb.shape[:2]
    ring = max(1, round(BORDER_SHARE * min(height, width)))
    is_border = np.ones((height, width), dtype=np.bool_)
    is_border[ring:-ring, ring:-ring] = False
    color = np.median(rgb[is_border], axis=0)
    is_similar = np.abs(rgb.astype(np.float32) - color).max(axis=2) <= COLOR_TOLERANCE
    if is_similar[is_border].mean() < MIN_UNIFORM_SHARE:
        return None
    return flood(is_similar, is_similar & is_border)


def is_plain(rgb: NDArray[np.uint8]) -> bool:
    """Return whether a background is beyond doubt of one colour, as far as the border tells.

    Args:
        rgb: sRGB, [H, W, 3].
    """
    ring = max(1, round(PLAIN_BORDER_SHARE * min(rgb.shape[:2])))
    is_border = np.ones(rgb.shape[:2], dtype=np.bool_)
    is_border[ring:-ring, ring:-ring] = False
    border = rgb[is_border].astype(np.float32)
    is_alike = np.abs(border - np.median(border, axis=0)).max(axis=1) <= PLAIN_TOLERANCE
    return bool(is_alike.mean() >= PLAIN_SHARE)


def bounding_box(is_subject: NDArray[np.bool_]) -> Box | None:
    """Return the smallest box around everything that is more than specks, None for nothing.

    Args:
        is_subject: [H, W].
    """
    # Thin parts stay if they hang on something that is not thin; a line drawing is all thin.
    cores = _squares(is_subject)
    kept = flood(is_subject, cores) if cores.any() else is_subject
    rows, columns = np.flatnonzero(kept.any(axis=1)), np.flatnonzero(kept.any(axis=0))
    if not len(rows):
        return None
    return Box(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1)


def find_faults(is_subject: NDArray[np.bool_], box: Box, *, scale: int = 1) -> tuple[Fault, ...]:
    """Return what is wrong with an object that was told from its background.

    Args:
        is_subject: [H, W].
        box: its `bounding_box`.
        scale: how many pixels of the picture were made one of these.
    """
    faults: list[Fault] = []
    if _is_cut_off(is_subject, box):
        faults.append("cut off")
    if box.longest * scale < CLEAR_SIDE:
        faults.append("small")
    if _count_things(is_subject[box.top : box.bottom, box.left : box.right]) > 1:
        faults.append("several")
    return tuple(faults)


def _is_cut_off(is_subject: NDArray[np.bool_], box: Box) -> bool:
    height, width = is_subject.shape
    rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
    edges = (
        (box.top == 0, is_subject[0, columns]),
        (box.bottom == height, is_subject[-1, columns]),
        (box.left == 0, is_subject[rows, 0]),
        (box.right == width, is_subject[rows, -1]),
    )
    # A cut-out that touches all four edges was cropped to its own size.
    if all(is_touched for is_touched, _ in edges):
        return False
    return any(is_touched and edge.mean() >= CUT_SHARE for is_touched, edge in edges)


def _count_things(is_subject: NDArray[np.bool_]) -> int:
    """Count what does not hang together, leaving out what is small beside the largest."""
    cells = _cells(is_subject)
    areas: list[float] = []
    rest = grown(cells > 0.0)  # Steps go along the axes, and what is thin may be diagonal.
    while rest.any() and len(areas) < _MAX_THINGS:
        seed = np.zeros_like(rest)
        seed.flat[int(np.argmax(rest))] = True
        thing = flood(rest, seed)
        areas.append(float(cells[thing].sum()))
        rest = rest & ~thing
    return sum(area >= RIVAL_SHARE * max(areas) for area in areas)


def _cells(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return how much of each cell of a coarse grid is set, [<= 96, <= 96]."""
    step = -(-max(mask.shape) // _GRID_SIDE)
    sums = mask.astype(np.float32)
    for axis in (0, 1):
        sums = np.add.reduceat(sums, np.arange(0, mask.shape[axis], step), axis=axis)
    return sums


def grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask with all neighbours of what is set."""
    grown = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), dtype=np.bool_)
    for row in range(3):
        for column in range(3):
            grown[row : row + mask.shape[0], column : column + mask.shape[1]] |= mask
    return grown[1:-1, 1:-1]


def _squares(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Keep the pixels that are the upper left one of four, which a speck has not."""
    kept = np.zeros_like(mask)
    kept[:-1, :-1] = mask[:-1, :-1] & mask[1:, :-1] & mask[:-1, 1:] & mask[1:, 1:]
    return kept


def flood(is_open: NDArray[np.bool_], seeds: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the open pixels that can be reached from the seeds in steps along the axes.

    Whole rows and columns at a time: a sweep reaches everything in a straight line, and a
    picture needs about as many sweeps as its background has bends.
    """
    reached = seeds
    for _ in range(MAX_FLOODS):
        before = int(reached.sum())
        for axis in (0, 1):
            for is_reversed in (False, True):
                reached = reached | _sweep(is_open, reached, axis, is_reversed)
        if int(reached.sum()) == before:
            break
    return reached


def _sweep(
    is_open: NDArray[np.bool_], reached: NDArray[np.bool_], axis: int, is_reversed: bool
) -> NDArray[np.bool_]:
    """Let what is reached run on along an axis until something closed is in the way."""
    if is_reversed:
        return np.flip(_sweep(np.flip(is_open, axis), np.flip(reached, axis), axis, False), axis)
    shape = (-1, 1) if axis == 0 else (1, -1)
    index = np.arange(is_open.shape[axis], dtype=np.int32).reshape(shape)
    last_reached = np.maximum.accumulate(np.where(reached, index, -1), axis=axis)
    last_closed = np.maximum.accumulate(np.where(is_open, -1, index), axis=axis)
    return is_open & (last_reached > last_closed)
