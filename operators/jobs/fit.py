# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a placeholder is and which way it faces, and how a result is made to fit it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import bpy
from mathutils import Matrix, Vector

_FLAT = 1e-6
"""Metres below which a side counts as none: a plane says nothing about height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An upright box, turned about the vertical only."""

    base: tuple[float, float, float]
    """Middle of its bottom, in metres."""
    size: tuple[float, float, float]
    """Along its own X, Y and Z; 0 where the placeholder says nothing."""
    yaw: float
    """Turn about Z, in radians."""

    def scale_for(self, extent: Sequence[float]) -> float:
        """Return the factor at which something just fits inside; 1 where nothing limits it."""
        sides = zip(self.size, extent, strict=True)
        factors = [side / length for side, length in sides if side > _FLAT and length > _FLAT]
        return min(factors, default=1.0)


def box_of(placeholder: bpy.types.Object, depsgraph: bpy.types.Depsgraph) -> Box:
    """Return the smallest box around an object as it is seen, modifiers included.

    The box is turned as the object is about Z. A tilt is not followed: results stand upright.
    """
    seen = placeholder.evaluated_get(depsgraph)
    yaw = _yaw(seen.matrix_world)
    turn = Matrix.Rotation(yaw, 3, "Z")
    points = [turn.transposed() @ point for point in _corners(seen)]
    low = Vector(map(min, *points)) if points else Vector()
    high = Vector(map(max, *points)) if points else Vector()
    middle = (low + high) / 2
    base = turn @ Vector((middle.x, middle.y, low.z))
    if not points:
        base = seen.matrix_world.translation
    return Box(base=tuple(base), size=tuple(high - low), yaw=yaw)


def _yaw(matrix: Matrix) -> float:
    """Return how far an object is turned about Z, whatever its tilt, scale and mirroring."""
    right = matrix.to_quaternion() @ Vector((1.0, 0.0, 0.0))
    if math.hypot(right.x, right.y) < 1e-3:  # It points up or down.
        front = matrix.to_quaternion() @ Vector((0.0, -1.0, 0.0))
        return math.atan2(front.x, -front.y)
    return math.atan2(right.y, right.x)


def _corners(seen: bpy.types.Object) -> Iterator[Vector]:
    """Yield points in world space around all that an object shows."""
    if seen.type != "EMPTY":
        local: Sequence[Sequence[float]] = seen.bound_box
        if len({tuple(corner) for corner in local}) > 1:  # Lights and cameras have none.
            yield from (seen.matrix_world @ Vector(corner) for corner in local)
    elif seen.instance_type == "COLLECTION" and seen.instance_collection is not None:
        yield from _instance_corners(seen)
    else:
        # Cubes and spheres are drawn around their middle; other Empties mark where to stand.
        reach = seen.empty_display_size
        floor = -reach if seen.empty_display_type in {"CUBE", "SPHERE"} else 0.0
        for x in (-reach, reach):
            for y in (-reach, reach):
                for z in (floor, floor + 2 * reach):
                    yield seen.matrix_world @ Vector((x, y, z))


def _instance_corners(seen: bpy.types.Object) -> Iterator[Vector]:
    collection = seen.instance_collection
    place = seen.matrix_world @ Matrix.Translation(-collection.instance_offset)
    for member in collection.all_objects:
        if member.type != "EMPTY":
            for corner in member.bound_box:
                yield place @ member.matrix_world @ Vector(corner)
