# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames and bounding boxes of primitives, in numpy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .primitives import Solid

Vector = tuple[float, float, float]
_ARC_STEPS = 65


def frame_from_degrees(turn: Vector) -> NDArray[np.float64]:
    """Return the rotation by `turn` degrees about X, then Y, then Z, [3, 3]."""
    frame = np.eye(3)
    for axis, angle in enumerate(np.radians(turn)):
        if angle == 0.0:
            continue
        step = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        step[first, first] = step[second, second] = np.cos(angle)
        step[first, second], step[second, first] = -np.sin(angle), np.sin(angle)
        frame = step @ frame
    return frame


def frame_along(axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a rotation whose third column points along `axis`, [3, 3]."""
    third = axis / np.linalg.norm(axis)
    helper = np.eye(3)[0 if abs(third[0]) < 0.9 else 1]
    second = np.cross(third, helper)
    second /= np.linalg.norm(second)
    return np.stack([np.cross(second, third), second, third], axis=1)


def half_extents(
    solids: NDArray[np.int64],
    params: NDArray[np.float64],
    rotations: NDArray[np.float64],
    centres: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return lower and upper corner of the bounding box of every primitive, [P, 3] each."""
    low, high = np.empty_like(centres), np.empty_like(centres)
    for index, solid in enumerate(solids):
        points, reach = _skeleton(Solid(solid), params[index], rotations[index])
        points = points @ rotations[index].T + centres[index]
        low[index], high[index] = (points - reach).min(axis=0), (points + reach).max(axis=0)
    return low, high


def _skeleton(
    solid: Solid, params: NDArray[np.float64], rotation: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return local points and the world half sizes of what is rolled along them, [K, 3] each."""
    if solid is Solid.BOX:
        reach = np.abs(rotation) @ params[:3] + params[3]
        return np.zeros((1, 3)), reach[None]
    if solid is Solid.FRUSTUM:
        corners = [(i * params[0], j * params[1], -params[4]) for i in (-1, 1) for j in (-1, 1)] + [
            (i * params[2], j * params[3], params[4]) for i in (-1, 1) for j in (-1, 1)
        ]
        return np.array(corners), np.full((1, 3), params[5])
    if solid is Solid.CONE:
        disc = np.sqrt(np.clip(1.0 - rotation[:, 2] ** 2, 0.0, None))
        ends = np.array([(0.0, 0.0, -params[2]), (0.0, 0.0, params[2])])
        return ends, np.array([params[0] * disc, params[1] * disc]) + params[3]
    if solid is Solid.ELLIPSOID:
        return np.zeros((1, 3)), np.linalg.norm(rotation * params[:3], axis=1)[None]
    if solid is Solid.TORUS:
        angles = np.linspace(-params[2], params[2], _ARC_STEPS)
        arc = np.stack([np.cos(angles), np.sin(angles), 0.0 * angles], axis=1)
        return params[0] * arc, np.full((1, 3), params[1])
    ends = np.array([(0.0, 0.0, 0.0), (0.0, 0.0, params[2])])
    return ends, np.stack([np.full(3, params[0]), np.full(3, params[1])])


def inflate_thin(
    solids: NDArray[np.int64],
    params: NDArray[np.float64],
    is_visible: NDArray[np.bool_],
    min_radius: float,
) -> None:
    """Thicken, in place, whatever is thinner than twice `min_radius`."""
    visible = params[is_visible]
    for index, solid in enumerate(solids):
        sizes = visible[index]
        if solid in (Solid.BOX, Solid.CONE, Solid.FRUSTUM):
            rounding_at, kept = {
                Solid.BOX: (3, slice(0, 3)),
                Solid.CONE: (3, slice(0, 3)),
                Solid.FRUSTUM: (5, slice(0, 5)),
            }[Solid(solid)]
            sizes[kept] = np.maximum(sizes[kept], min_radius - sizes[rounding_at])
        elif solid == Solid.TORUS:
            sizes[1] = max(sizes[1], min_radius)
        else:
            last = 3 if solid == Solid.ELLIPSOID else 2
            sizes[:last] = np.maximum(sizes[:last], min_radius)
    params[is_visible] = visible
