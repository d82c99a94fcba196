# SPDX-License-Identifier: GPL-3.0-or-later
"""How far it is to a mesh, at the nodes of a grid around it: for rays that ask very often."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..interrupt import Check, ignore
from .raster import cross_columns

RESOLUTION = 96
"""Nodes along the longest side of the mesh, margins included."""

_MARGIN = 3
"""Cells around the mesh."""
_SEED = 0.5
"""Cells from the mesh within which nodes stand for it: each cell that it cuts has one."""
_SPACING = 0.4
"""Cells around a sample in which there may be no other."""
_FARTHEST = 20
"""Cells beyond which distances are not told apart."""


@dataclass(frozen=True, slots=True)
class ClearanceGrid:
    """Distance to a mesh, negative inside, in cells; distances are cut off at some cells."""

    origin: NDArray[np.float64]  # where node (0, 0, 0) lies, [3]
    cell: float
    values: Tensor  # nodes [x, y, z], float32 [1, 1, R, R, R]

    def places(self, points: NDArray[np.float32]) -> Tensor:
        """Return points in cells from the first node, [N, 3]."""
        return torch.from_numpy(((points - self.origin) / self.cell).astype(np.float32))

    def at(self, places: Tensor) -> Tensor:
        """Interpolate the clearance at places in cells, [N]."""
        scaled = places.flip(1) * (2.0 / (self.values.shape[-1] - 1)) - 1.0
        found = F.grid_sample(
            self.values, scaled[None, None, None], padding_mode="border", align_corners=True
        )
        return found.view(-1)


def measure_clearance(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    samples: NDArray[np.float32],
    sample_normals: NDArray[np.float32],
    *,
    resolution: int = RESOLUTION,
    check: Check = ignore,
) -> ClearanceGrid:
    """Measure the distance to a closed mesh.

    Args:
        vertices: positions, [V, 3].
        faces: vertex indices, counter-clockwise seen from outside, [F, 3].
        samples: places on the mesh, several in each cell of the grid that it runs through, [N, 3].
        sample_normals: of the faces that they lie on, [N, 3].
        resolution: nodes per axis.
        check: called between the steps; may raise to stop.
    """
    low, high = vertices.min(axis=0).astype(np.float64), vertices.max(axis=0).astype(np.float64)
    cell = float((high - low).max()) / (resolution - 1 - 2 * _MARGIN)
    origin = (low + high) / 2 - cell * (resolution - 1) / 2
    check()
    inside = _inside(((vertices - origin) / cell)[faces], resolution, check)
    check()
    near = _near_distance((samples - origin) / cell, sample_normals, resolution)
    seeds = torch.where(near <= _SEED, near.square(), float(_FARTHEST**2))
    distance = torch.where(near.isfinite(), near, _spread(seeds, check).sqrt())
    values = torch.where(torch.from_numpy(inside), -distance, distance)
    return ClearanceGrid(origin, cell, values[None, None])


def _inside(corners: NDArray[np.float64], resolution: int, check: Check) -> NDArray[np.bool_]:
    """Return which nodes the mesh winds around, [R, R, R]."""
    line, height, face = cross_columns(corners, resolution, check)
    (ax, ay), (bx, by) = (corners[:, 1:, :2] - corners[:, :1, :2]).transpose(1, 2, 0)
    # Upward through a face that looks up is out of the mesh.
    leaves = ax * by - bx * ay > 0
    above = np.ceil(height).clip(0, resolution).astype(np.int64)
    changes = np.zeros((resolution + 1) * resolution**2, dtype=np.int64)
    np.add.at(changes, line * (resolution + 1) + above, np.where(leaves[face], -1, 1))
    winding = np.cumsum(changes.reshape(resolution, resolution, -1), axis=2)[..., :-1]
    inside: NDArray[np.bool_] = winding.transpose(1, 0, 2) > 0  # lines are numbered by y, then x
    return np.ascontiguousarray(inside)


def _near_distance(
    places: NDArray[np.float64], normals: NDArray[np.float32], resolution: int
) -> Tensor:
    """Return the distance to the mesh of the nodes around samples, inf elsewhere, [R, R, R]."""
    base = np.floor(places).astype(np.int64)
    corner = np.stack(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij"), axis=-1).reshape(-1, 3)
    nodes = base[:, None] + corner  # [N, 8, 3]
    away = nodes - places[:, None]
    squared = np.einsum("nki,nki->nk", away, away)
    above = np.einsum("nki,ni->nk", away, normals.astype(np.float64))
    # The plane of a sample holds around it alone: beyond an edge there is nothing of it.
    beside = np.sqrt((squared - above**2).clip(0.0)) - _SPACING
    distance = np.sqrt(above**2 + beside.clip(0.0) ** 2)
    index = np.ravel_multi_index(
        tuple(nodes.clip(0, resolution - 1).transpose(2, 0, 1)), (resolution,) * 3
    )
    # The nearest sample decides; its distance takes the lower bits along.
    key = (squared * 2**20).astype(np.int64) << 32 | (distance * 2**20).astype(np.int64)
    best = torch.full((resolution**3,), torch.iinfo(torch.int64).max)
    best.scatter_reduce_(
        0, torch.from_numpy(index.reshape(-1)), torch.from_numpy(key.reshape(-1)), "amin"
    )
    is_near = best < torch.iinfo(torch.int64).max
    found = (best & 0xFFFFFFFF).float() / 2**20
    return torch.where(is_near, found, torch.inf).view((resolution,) * 3)


def _spread(squared: Tensor, check: Check) -> Tensor:
    """Carry squared distances on to all nodes, one axis after the other."""
    for axis in range(3):
        check()
        size = squared.shape[axis]
        spread = squared.clone()
        for step in range(1, _FARTHEST):
            far = squared + float(step**2)
            upper, lower = (
                spread.narrow(axis, step, size - step),
                spread.narrow(axis, 0, size - step),
            )
            torch.minimum(upper, far.narrow(axis, 0, size - step), out=upper)
            torch.minimum(lower, far.narrow(axis, step, size - step), out=lower)
        squared = spread
    return squared
