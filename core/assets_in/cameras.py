# SPDX-License-Identifier: GPL-3.0-or-later
"""Where an asset is looked at from."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ..asset import Cameras

CameraPath = Literal["sphere", "ring"]
"""Cameras all around at random as OpenAI encodes, or evenly around at one elevation."""

NUM_VIEWS = 20
"""What the published encoder reads."""
DISTANCE = 4.0
"""Of the published cameras from the centre, in half sides of the box."""
FOV = 2 * math.atan(0.36)
"""Of the published cameras: Blender's default, 50 mm on a sensor of 36 mm; radians."""
ELEVATION = math.atan(0.2617993878)
"""Of OpenAI's `z-circular-elevated` cameras above the horizon, radians."""


def cameras_on(path: CameraPath, count: int = NUM_VIEWS, seed: int = 0) -> Cameras:
    """Return cameras on a path; only those on the sphere depend on the seed."""
    return ring_cameras(count) if path == "ring" else sphere_cameras(count, seed)


def sphere_cameras(count: int = NUM_VIEWS, seed: int = 0) -> Cameras:
    """Return cameras in directions spread at random over the whole sphere, as OpenAI encodes.

    The same for the same seed.
    """
    directions = np.random.default_rng(seed).standard_normal((count, 3))
    return _looking_inward(directions / np.linalg.norm(directions, axis=1, keepdims=True))


def ring_cameras(
    count: int = NUM_VIEWS, elevation: float = ELEVATION, start: float = 0.0
) -> Cameras:
    """Return cameras evenly around the Z axis, all equally high.

    Args:
        count: how many.
        elevation: above the horizon, radians, less than a quarter turn either way.
        start: azimuth of the first, from the front (-Y) towards +X, radians.
    """
    azimuth = start + np.arange(count) * (2 * math.pi / count)
    flat, high = math.cos(elevation), math.sin(elevation)
    return _looking_inward(
        np.stack([np.sin(azimuth) * flat, -np.cos(azimuth) * flat, np.full(count, high)], axis=1)
    )


def _looking_inward(directions: NDArray[np.float64]) -> Cameras:
    """Return upright cameras that look at the centre from unit directions, [V, 3]."""
    forward = -directions
    right = np.cross(forward, [0.0, 0.0, 1.0])
    length = np.linalg.norm(right, axis=1, keepdims=True)
    # Straight from above or below there is no upright; any will do.
    right = np.where(length > 1e-6, right / np.maximum(length, 1e-12), [1.0, 0.0, 0.0])
    axes = np.stack([right, np.cross(forward, right), forward], axis=1)
    return Cameras((DISTANCE * directions).astype(np.float32), axes.astype(np.float32), FOV)
