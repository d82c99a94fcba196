# SPDX-License-Identifier: GPL-3.0-or-later
"""A coloured point cloud of a surface, in the order that the encoder expects."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..asset import ColoredCloud, Places, Surface
from ..interrupt import Check, ignore
from ..pixels import encode_srgb

NUM_POINTS = 16384
"""What the published encoder reads."""
_CANDIDATES = 4
"""Points drawn for each that is kept."""
_POINTS_BETWEEN_CHECKS = 256


def sample_cloud(
    surface: Surface, *, num_points: int = NUM_POINTS, seed: int = 0, check: Check = ignore
) -> ColoredCloud:
    """Return points spread evenly over a surface, the farthest from one another first.

    More points are drawn by area, and the farthest of them kept one after the other, as OpenAI's
    preparation does; its candidates are pixels of 40 renders, so it misses what no camera sees and
    averages colours over neighbours, while these are drawn from the triangles themselves.

    Args:
        surface: in [-1, 1]^3.
        num_points: how many, N.
        seed: chooses them; the same numbers for the same seed.
        check: called between pieces; may raise to stop.

    Raises:
        ValueError: the triangles have no area.
    """
    rng = np.random.default_rng(seed)
    places = sample_places(surface, _CANDIDATES * num_points, rng)
    points = places.at(surface.corners)
    kept = farthest_first(points, num_points, check)
    places = Places(places.faces[kept], places.weights[kept])
    return ColoredCloud(points[kept], encode_srgb(surface.colors(places)))


def sample_places(surface: Surface, count: int, rng: np.random.Generator) -> Places:
    """Draw places in proportion to area, one from each of `count` equal shares of it.

    Raises:
        ValueError: the triangles have no area.
    """
    edges = surface.corners.astype(np.float64)
    sides = edges[:, 1:] - edges[:, :1]
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1).cumsum()
    if not len(areas) or not areas[-1] > 0:
        raise ValueError("its faces have no area")
    wanted = (np.arange(count) + rng.random(count)) / count * areas[-1]
    faces = np.searchsorted(areas, wanted, side="right").clip(max=len(areas) - 1)
    root, other = np.sqrt(rng.random(count)), rng.random(count)
    weights = np.stack([1 - root, root * (1 - other), root * other], axis=1)
    return Places(faces, weights.astype(np.float32))


def farthest_first(
    points: NDArray[np.float32], count: int, check: Check = ignore
) -> NDArray[np.int64]:
    """Return indices of points, each as far as possible from all before it, [count].

    Starts with the first point. Eldar et al. (1997), "The farthest point strategy".

    Args:
        points: [P, 3], P at least `count`.
        count: how many.
        check: called between some hundred of them.
    """
    x, y, z = np.ascontiguousarray(points.T, dtype=np.float32)
    nearest = np.full(len(points), np.inf, dtype=np.float32)
    squared, side = np.empty_like(nearest), np.empty_like(nearest)
    chosen = np.zeros(count, dtype=np.int64)
    # One after the other by nature; each step runs over all points at once.
    for index in range(count):
        if index % _POINTS_BETWEEN_CHECKS == 0:
            check()
        last = int(nearest.argmax()) if index else 0
        chosen[index] = last
        np.subtract(x, x[last], out=squared)
        squared *= squared
        for axis in (y, z):
            np.subtract(axis, axis[last], out=side)
            side *= side
            squared += side
        np.minimum(nearest, squared, out=nearest)
        nearest[last] = -1.0  # Never twice, even where points coincide.
    return chosen
