# SPDX-License-Identifier: GPL-3.0-or-later
"""Finished shapes as arrays of primitives, and how they are put into the cube.

Z is up and the front faces -Y. The longest half extent of a finished shape is `HALF_EXTENT`, be it
one object or several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from .attributes import ShapeAttributes
from .labels import SceneLabels
from .placement import Vector, half_extents, inflate_thin
from .primitives import NUM_PARAMS, Solid

HALF_EXTENT = 0.85
MIN_RADIUS = 0.045
SOLID_ROLE, CARVED_ROLE, CUTTER_ROLE = 0, 1, 2

Point = Vector | NDArray[np.float64]
_ORIGIN = (0.0, 0.0, 0.0)
_IS_ANGLE = np.arange(NUM_PARAMS) == 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """P primitives, anywhere and in any unit."""

    solids: NDArray[np.int64]  # [P], values of Solid
    params: NDArray[np.float64]  # [P, NUM_PARAMS]
    rotations: NDArray[np.float64]  # [P, 3, 3], columns are the solid's axes
    centres: NDArray[np.float64]  # [P, 3]
    colours: NDArray[np.float32]  # [P, 3], sRGB in [0, 1]
    roles: NDArray[np.int64]  # [P]: solid, carved by the cutters of its object, or cutter
    floors: NDArray[np.float64]  # [P]: a cutter takes away what lies below; -inf if none does
    groups: NDArray[np.int64]  # [P]: which object of a scene it belongs to, ascending from 0
    parts: tuple[str, ...]
    """Part name of every primitive."""

    def bounds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return lower and upper corner of the visible pieces' bounding box, [3] each."""
        low, high = half_extents(self.solids, self.params, self.rotations, self.centres)
        is_carved, is_visible = self.roles == CARVED_ROLE, self.roles != CUTTER_ROLE
        low[is_carved, 2] = np.maximum(low[is_carved, 2], self.floors[is_carved])
        return low[is_visible].min(axis=0), high[is_visible].max(axis=0)

    def moved(self, scale: float, about: Point, to: Point) -> Pieces:
        """Return the pieces scaled about a point, which then lies at `to`."""
        angle = (self.solids == Solid.TORUS)[:, None] & _IS_ANGLE
        return replace(
            self,
            params=self.params * np.where(angle, 1.0, scale),
            centres=(self.centres - about) * scale + to,
            floors=(self.floors - about[2]) * scale + to[2],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A finished object or scene: its primitives inside [-1, 1]^3, and what may be said of it."""

    attributes: ShapeAttributes
    """Of the first object."""
    solids: NDArray[np.int64]  # [P], values of Solid
    params: NDArray[np.float32]  # [P, NUM_PARAMS]
    rotations: NDArray[np.float32]  # [P, 3, 3], columns are the solid's axes
    centres: NDArray[np.float32]  # [P, 3]
    colours: NDArray[np.float32]  # [P, 3], sRGB in [0, 1]
    roles: NDArray[np.int64]  # [P]: solid, carved by the cutters of its object, or cutter
    groups: NDArray[np.int64]  # [P]: which object of a scene it belongs to
    parts: tuple[str, ...]
    """Part name of every primitive."""
    labels: SceneLabels | None = None
    """Of a scene."""


def join(objects: Sequence[Pieces]) -> Pieces:
    """Return the pieces of several objects as those of one scene."""

    def stack(name: str) -> NDArray[np.generic]:
        joined: NDArray[np.generic] = np.concatenate([getattr(each, name) for each in objects])
        return joined

    counts = [len(each.solids) for each in objects]
    names = ("solids", "params", "rotations", "centres", "colours", "roles", "floors")
    arrays = {name: stack(name) for name in names}
    return Pieces(
        **arrays,  # type: ignore[arg-type] # Every array keeps the type of its field.
        groups=np.repeat(np.arange(len(objects)), counts),
        parts=tuple(part for each in objects for part in each.parts),
    )


def settle(pieces: Pieces) -> Pieces:
    """Return the pieces centred, scaled to `HALF_EXTENT` and without too thin ones."""
    is_visible = pieces.roles != CUTTER_ROLE
    # Thickening moves the bounding box a little, so the last round only centres and scales.
    for is_last in (False, False, True):
        low, high = pieces.bounds()
        scale = HALF_EXTENT / (0.5 * (high - low).max())
        middle: NDArray[np.float64] = 0.5 * (low + high)
        pieces = pieces.moved(scale, middle, _ORIGIN)
        if not is_last:
            inflate_thin(pieces.solids[is_visible], pieces.params, is_visible, MIN_RADIUS)
    return pieces


def finished(
    pieces: Pieces, attributes: ShapeAttributes, labels: SceneLabels | None = None
) -> Shape:
    """Return settled pieces as a shape, in single precision."""
    return Shape(
        attributes=attributes,
        solids=pieces.solids,
        params=pieces.params.astype(np.float32),
        rotations=pieces.rotations.astype(np.float32),
        centres=pieces.centres.astype(np.float32),
        colours=pieces.colours,
        roles=pieces.roles,
        groups=pieces.groups,
        parts=pieces.parts,
        labels=labels,
    )
