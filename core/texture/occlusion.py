# SPDX-License-Identifier: GPL-3.0-or-later
"""Ambient occlusion: how much of the hemisphere above each place is open, weighted by cosine.

Rays are sphere-traced (Hart, 1996) on a grid of distances. Occlusion varies slowly, so that rays
start from one texel in a block of a few, and the others take the mean of those around them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..interrupt import Check, ignore
from .raster import Texels
from .voxels import ClearanceGrid

NUM_RAYS = 48
BLOCKS = 128
"""Blocks of texels along a side of the image."""

_START = 2.0
"""Cells above the surface where rays start, so that they do not meet it."""
_SHORTEST_STEP = 0.5
_NUM_STEPS = 40
_NEAR_HIT, _FAR_HIT, _HIT_GROWTH = -0.3, 0.6, 0.06
"""Clearance in cells that counts as a hit: at the start, at most, and more for each cell between.

Thin parts have no node inside, so that rays must stop short of them; close to where they start
they run along the surfaces that they start from.
"""
_POINTS_AT_ONCE = 4096
_GOLDEN_ANGLE = np.pi * (3.0 - 5.0**0.5)


def openness(
    grid: ClearanceGrid,
    points: NDArray[np.float32],
    normals: NDArray[np.float32],
    *,
    check: Check = ignore,
) -> NDArray[np.float32]:
    """Return the share of the hemisphere that is open at points on the mesh, [P].

    Args:
        grid: the distance to the mesh.
        points: positions, [P, 3].
        normals: unit and outward, [P, 3].
        check: called every few thousand points; may raise to stop.
    """
    places = grid.places(points)
    directions = torch.from_numpy(np.ascontiguousarray(normals, dtype=np.float32))
    found = torch.empty(len(places))
    for start in range(0, len(places), _POINTS_AT_ONCE):
        check()
        part = slice(start, start + _POINTS_AT_ONCE)
        numbers = torch.arange(start, start + len(places[part]))
        rays = _hemisphere(directions[part], numbers)  # [P, K, 3]
        origins = places[part] + _START * directions[part]
        blocked = _blocked(grid, origins[:, None].expand_as(rays).reshape(-1, 3), rays.view(-1, 3))
        found[part] = 1.0 - blocked.view(-1, NUM_RAYS).float().mean(dim=1)
    return found.numpy()


def texel_openness(
    grid: ClearanceGrid,
    texels: Texels,
    islands: NDArray[np.int32],
    normals: NDArray[np.float32],
    size: int,
    *,
    check: Check = ignore,
) -> NDArray[np.float32]:
    """Return the openness at all texels of an image, [N].

    Args:
        grid: the distance to the mesh.
        texels: of the image.
        islands: of each face, [F].
        normals: unit and outward, of each texel, [N, 3].
        size: texels per side.
        check: called every few thousand rays; may raise to stop.
    """
    check()
    blocks = _Blocks(texels, islands, size)
    found = openness(grid, texels.positions[blocks.chosen], normals[blocks.chosen], check=check)
    return blocks.blend(found, check)


def _hemisphere(normals: Tensor, numbers: Tensor) -> Tensor:
    """Return unit directions around normals, as many for equal parts of the cosine, [P, K, 3]."""
    ray = torch.arange(NUM_RAYS)
    radius = ((ray + 0.5) / NUM_RAYS).sqrt()
    # Each point turns its rays by another angle: what one set misses becomes noise, not stripes.
    turn = (numbers * 0.6180339887498949 % 1.0) * (2 * torch.pi)
    angle = (ray * _GOLDEN_ANGLE + turn[:, None]).float()
    right, up = _frames(normals)
    across = radius[:, None] * angle.cos()[..., None] * right[:, None]
    across += radius[:, None] * angle.sin()[..., None] * up[:, None]
    rays: Tensor = across + (1.0 - radius.square()).sqrt()[:, None] * normals[:, None]
    return rays


def _frames(normals: Tensor) -> tuple[Tensor, Tensor]:
    """Return two unit vectors square to each normal and to one another, [P, 3]."""
    helper = torch.eye(3)[normals.abs().argmin(dim=1)]
    right = torch.nn.functional.normalize(torch.linalg.cross(helper, normals), dim=1)
    return right, torch.linalg.cross(normals, right)


def _blocked(grid: ClearanceGrid, places: Tensor, directions: Tensor) -> Tensor:
    """Return which rays meet the mesh before they leave the grid, [N]."""
    blocked = torch.zeros(len(places), dtype=torch.bool)
    active = torch.arange(len(places))
    travelled = torch.zeros(len(places))
    last = grid.values.shape[-1] - 1.0
    for _ in range(_NUM_STEPS):
        clearance = grid.at(places)
        hit = clearance < (_NEAR_HIT + _HIT_GROWTH * travelled).clamp(max=_FAR_HIT)
        blocked[active[hit]] = True
        step = clearance.clamp(min=_SHORTEST_STEP)
        travelled = travelled + step
        places = places + directions * step[:, None]
        goes_on = ~hit & ((places >= 0) & (places <= last)).all(dim=1)
        active, travelled = active[goes_on], travelled[goes_on]
        places, directions = places[goes_on], directions[goes_on]
        if not len(active):
            break
    return blocked


@dataclass(frozen=True, slots=True)
class _Neighbor:
    number: NDArray[np.int64]
    is_there: NDArray[np.bool_]


class _Blocks:
    """Square blocks of texels, those of each island apart."""

    def __init__(self, texels: Texels, islands: NDArray[np.int32], size: int) -> None:
        self._side = max(1, size // BLOCKS)
        self._row, self._column = np.divmod(texels.index, size)
        width = -(-size // self._side) + 2  # with a free block at each end
        row, column = self._row // self._side + 1, self._column // self._side + 1
        key = (islands[texels.face].astype(np.int64) * width + row) * width + column
        keys, self._block = np.unique(key, return_inverse=True)
        middle = (self._side - 1) / 2
        off = (self._row % self._side - middle) ** 2 + (self._column % self._side - middle) ** 2
        rank = (off * 4).astype(np.int64) * len(key) + np.arange(len(key))
        best = np.full(len(keys), np.iinfo(np.int64).max)
        np.minimum.at(best, self._block, rank)
        self.chosen: NDArray[np.int64] = best % len(key)
        """The texel nearest to the middle of each block."""
        steps = [up * width + right for up in (-1, 0, 1) for right in (-1, 0, 1)]
        self._around = [_find(keys, keys + step) for step in steps]

    def blend(self, values: NDArray[np.float32], check: Check) -> NDArray[np.float32]:
        """Return for each texel the mean of the values of the blocks around it, [N]."""
        total, weights = np.zeros((2, len(self._block)), dtype=np.float32)
        reach = 1.5 * self._side
        for neighbor in self._around:
            check()
            chosen = self.chosen[neighbor.number]
            x = (self._column - self._column[chosen][self._block]).astype(np.float32)
            y = (self._row - self._row[chosen][self._block]).astype(np.float32)
            weight = (1.0 - (x * x + y * y) / np.float32(reach**2)).clip(0.0) ** 2
            weight *= neighbor.is_there[self._block]
            total += weight * values[neighbor.number][self._block]
            weights += weight
        blended: NDArray[np.float32] = total / weights
        return blended


def _find(keys: NDArray[np.int64], wanted: NDArray[np.int64]) -> _Neighbor:
    place = np.searchsorted(keys, wanted).clip(max=len(keys) - 1)
    return _Neighbor(place, keys[place] == wanted)
