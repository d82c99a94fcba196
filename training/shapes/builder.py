# SPDX-License-Identifier: GPL-3.0-or-later
"""Put primitives together to a shape, then centre it and scale it to the cube.

Z is up and the front faces -Y. Builders work in any unit they like: `finish` scales the result so
that the longest half extent of its bounding box is `HALF_EXTENT`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .attributes import ShapeAttributes
from .placement import Vector, frame_along, frame_from_degrees, half_extents, inflate_thin
from .primitives import NUM_PARAMS, Solid

HALF_EXTENT = 0.85
MIN_RADIUS = 0.03
SOLID_ROLE, CARVED_ROLE, CUTTER_ROLE = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Factors on the proportions of one object; 1 is the usual."""

    height: float = 1.0
    width: float = 1.0
    thickness: float = 1.0
    """Of legs, walls, poles and other members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A finished object: its primitives inside [-1, 1]^3 and what captions may say about it."""

    attributes: ShapeAttributes
    solids: NDArray[np.int64]  # [P], values of Solid
    params: NDArray[np.float32]  # [P, NUM_PARAMS]
    rotations: NDArray[np.float32]  # [P, 3, 3], columns are the solid's axes
    centres: NDArray[np.float32]  # [P, 3]
    colours: NDArray[np.float32]  # [P, 3], sRGB in [0, 1]
    roles: NDArray[np.int64]  # [P]: solid, carved by the cutters, or cutter
    parts: tuple[str, ...]
    """Part name of every primitive."""


class ShapeBuilder:
    """Collects the primitives of one shape.

    Args:
        rng: source of all variation of this shape.
        style: proportions asked for.
        colours: sRGB of every part by name, "main" among them.
        grains: how much the pieces of a part vary in brightness.
        named_parts: parts that captions name, which therefore must be built.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        style: Style,
        colours: Mapping[str, Sequence[float]],
        grains: Mapping[str, float],
        named_parts: Collection[str] = (),
    ) -> None:
        self.height, self.width, self.thick = style.height, style.width, style.thickness
        self._rng = rng
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

    def finish(self, attributes: ShapeAttributes) -> Shape:
        """Return the shape, centred, scaled to `HALF_EXTENT` and without too thin parts."""
        solids = np.array([row[0] for row in self._rows], dtype=np.int64)
        params = np.array([row[1] for row in self._rows], dtype=np.float64)
        rotations = np.array([row[2] for row in self._rows], dtype=np.float64)
        centres = np.array([row[3] for row in self._rows], dtype=np.float64)
        roles = np.array([row[4] for row in self._rows], dtype=np.int64)
        parts = tuple(row[5] for row in self._rows)
        is_visible, is_carved = roles != CUTTER_ROLE, roles == CARVED_ROLE
        floor = -np.inf if self._floor is None else self._floor
        # Thickening moves the bounding box a little, so the last round only centres and scales.
        for is_last in (False, False, True):
            low, high = half_extents(solids, params, rotations, centres)
            low[is_carved, 2] = np.maximum(low[is_carved, 2], floor)
            low, high = low[is_visible].min(axis=0), high[is_visible].max(axis=0)
            scale = HALF_EXTENT / (0.5 * (high - low).max())
            centres = (centres - 0.5 * (low + high)) * scale
            floor = (floor - 0.5 * float(low[2] + high[2])) * scale
            params *= np.where((solids == Solid.TORUS)[:, None] & _IS_ANGLE, 1.0, scale)
            if not is_last:
                inflate_thin(solids[is_visible], params, is_visible, MIN_RADIUS)
        return Shape(
            attributes=attributes,
            solids=solids,
            params=params.astype(np.float32),
            rotations=rotations.astype(np.float32),
            centres=centres.astype(np.float32),
            colours=self._piece_colours(parts),
            roles=roles,
            parts=parts,
        )

    def _piece_colours(self, parts: tuple[str, ...]) -> NDArray[np.float32]:
        colours = np.array([self._colours[part] for part in parts])
        grains = np.array([self._grains[part] for part in parts])
        brightness = grains * self._rng.uniform(-1.0, 1.0, len(parts))
        return np.clip(colours + brightness[:, None], 0.0, 1.0).astype(np.float32)


_IS_ANGLE = np.arange(NUM_PARAMS) == 2
