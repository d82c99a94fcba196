# SPDX-License-Identifier: GPL-3.0-or-later
"""Put primitives together to an object.

Z is up and the front faces -Y. Builders work in any unit they like: `finish` scales the result so
that the longest half extent of its bounding box is `HALF_EXTENT`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .attributes import ShapeAttributes
from .pieces import (
    CARVED_ROLE,
    CUTTER_ROLE,
    HALF_EXTENT,
    MIN_RADIUS,
    SOLID_ROLE,
    Pieces,
    Shape,
    finished,
    settle,
)
from .placement import Vector, frame_along, frame_from_degrees
from .primitives import NUM_PARAMS, Solid

__all__ = [
    "CARVED_ROLE",
    "CUTTER_ROLE",
    "HALF_EXTENT",
    "MIN_RADIUS",
    "SOLID_ROLE",
    "Shape",
    "ShapeBuilder",
    "Style",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Factors on the proportions of one object; 1 is the usual."""

    height: float = 1.0
    width: float = 1.0
    thickness: float = 1.0
    """Of legs, walls, poles and other members."""


class ShapeBuilder:
    """Collects the primitives of one shape.

    Args:
        rng: source of all variation of this shape.
        style: proportions asked for.
        colours: sRGB of every part by name, "main" among them.
        grains: how much the pieces of a part vary in brightness.
        named_parts: parts that captions name, which therefore must be built.
        paint: source of what varies in color; None for that of all else.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        style: Style,
        colours: Mapping[str, Sequence[float]],
        grains: Mapping[str, float],
        named_parts: Collection[str] = (),
        paint: np.random.Generator | None = None,
    ) -> None:
        self.height, self.width, self.thick = style.height, style.width, style.thickness
        self._rng = rng
        self._paint = paint or rng
        self._colours = colours
        self._grains = grains
        self._named_parts = named_parts
        self._floor: float | None = None
        self._rows: list[tuple[Solid, list[float], NDArray[np.float64], Vector, int, str]] = []

    def uniform(self, low: float, high: float) -> float:
        """Draw a number."""
        return float(self._rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return int(self._rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """Draw a decision."""
        return bool(self._rng.random() < probability)

    def wants(self, part: str, probability: float) -> bool:
        """Decide about an optional part; one that captions name is always built."""
        return self.chance(probability) or part in self._named_parts

    def is_named(self, part: str) -> bool:
        """Return True for a part that captions name; draws nothing."""
        return part in self._named_parts

    def box(
        self,
        part: str,
        centre: Vector,
        half: Vector,
        *,
        rounding: float = 0.05,
        turn: Vector = (0.0, 0.0, 0.0),
        role: int = SOLID_ROLE,
    ) -> None:
        """Add a box of outer half sizes `half`, turned by degrees about X, then Y, then Z."""
        rounding = min(rounding, *half)
        sizes = [size - rounding for size in half]
        self._add(Solid.BOX, [*sizes, rounding], frame_from_degrees(turn), centre, role, part)

    def frustum(
        self,
        part: str,
        centre: Vector,
        bottom: tuple[float, float],
        top: tuple[float, float],
        half_z: float,
        *,
        rounding: float = 0.04,
        turn: Vector = (0.0, 0.0, 0.0),
        role: int = SOLID_ROLE,
    ) -> None:
        """Add a box whose half sizes change from `bottom` to `top`; (0, y) makes a gable."""
        rounding = min(rounding, half_z, *bottom)
        ends = [max(size - rounding, 0.0) for size in (*bottom, *top)]
        sizes = [*ends, max(half_z - rounding, 1e-3), rounding]
        self._add(Solid.FRUSTUM, sizes, frame_from_degrees(turn), centre, role, part)

    def cone(
        self,
        part: str,
        start: Vector,
        end: Vector,
        start_radius: float,
        end_radius: float | None = None,
        *,
        rounding: float = 0.04,
        role: int = SOLID_ROLE,
    ) -> None:
        """Add a cylinder or a cone between two points."""
        end_radius = start_radius if end_radius is None else end_radius
        axis = np.subtract(end, start)
        length = float(np.linalg.norm(axis))
        rounding = min(rounding, 0.49 * length, max(start_radius, end_radius))
        radii = [max(radius - rounding, 0.0) for radius in (start_radius, end_radius)]
        centre = tuple(0.5 * np.add(start, end))
        sizes = [*radii, 0.5 * length - rounding, rounding]
        self._add(Solid.CONE, sizes, frame_along(axis), centre, role, part)

    def ball(
        self,
        part: str,
        centre: Vector,
        radii: float | Vector,
        *,
        turn: Vector = (0.0, 0.0, 0.0),
        role: int = SOLID_ROLE,
    ) -> None:
        """Add a ball or an ellipsoid."""
        sizes = [radii] * 3 if isinstance(radii, float) else [float(radius) for radius in radii]
        self._add(Solid.ELLIPSOID, sizes, frame_from_degrees(turn), centre, role, part)

    def ring(
        self,
        part: str,
        centre: Vector,
        ring_radius: float,
        tube_radius: float,
        *,
        half_angle: float = 180.0,
        turn: Vector = (0.0, 0.0, 0.0),
    ) -> None:
        """Add a torus around local Z; an arc of it reaches `half_angle` degrees round local +X."""
        sizes = [ring_radius, tube_radius, float(np.radians(half_angle))]
        self._add(Solid.TORUS, sizes, frame_from_degrees(turn), centre, SOLID_ROLE, part)

    def limb(
        self,
        part: str,
        start: Vector,
        end: Vector,
        start_radius: float,
        end_radius: float | None = None,
    ) -> None:
        """Add a capsule or round cone whose end balls sit at the two points."""
        end_radius = start_radius if end_radius is None else end_radius
        axis = np.subtract(end, start)
        length = max(float(np.linalg.norm(axis)), abs(start_radius - end_radius) + 1e-3)
        sizes = [start_radius, end_radius, length]
        self._add(Solid.ROUND_CONE, sizes, frame_along(axis), start, SOLID_ROLE, part)

    def cut_below(self, height: float) -> None:
        """Cut all carved pieces off below a height, the lowest that they then reach."""
        self.box("main", (0, 0, height - 4.0), (4.0, 4.0, 4.0), rounding=0.0, role=CUTTER_ROLE)
        self._floor = height

    def _add(
        self,
        solid: Solid,
        sizes: list[float],
        frame: NDArray[np.float64],
        centre: Vector,
        role: int,
        part: str,
    ) -> None:
        padded = sizes + [0.0] * (NUM_PARAMS - len(sizes))
        self._rows.append((solid, padded, frame, centre, role, part))

    def pieces(self) -> Pieces:
        """Return what was built, in the builder's own unit."""
        parts = tuple(row[5] for row in self._rows)
        count = len(parts)
        return Pieces(
            solids=np.array([row[0] for row in self._rows], dtype=np.int64),
            params=np.array([row[1] for row in self._rows], dtype=np.float64),
            rotations=np.array([row[2] for row in self._rows], dtype=np.float64),
            centres=np.array([row[3] for row in self._rows], dtype=np.float64),
            colours=self._piece_colours(parts),
            roles=np.array([row[4] for row in self._rows], dtype=np.int64),
            floors=np.full(count, -np.inf if self._floor is None else self._floor),
            groups=np.zeros(count, dtype=np.int64),
            parts=parts,
        )

    def finish(self, attributes: ShapeAttributes) -> Shape:
        """Return the shape, centred, scaled to `HALF_EXTENT` and without too thin parts."""
        return finished(settle(self.pieces()), attributes)

    def _piece_colours(self, parts: tuple[str, ...]) -> NDArray[np.float32]:
        colours = np.array([self._colours[part] for part in parts])
        grains = np.array([self._grains[part] for part in parts])
        brightness = grains * self._paint.uniform(-1.0, 1.0, len(parts))
        painted: NDArray[np.float32] = np.clip(colours + brightness[:, None], 0.0, 1.0)
        return painted.astype(np.float32)
