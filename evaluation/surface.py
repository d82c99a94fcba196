# SPDX-License-Identifier: GPL-3.0-or-later
"""Coloured points spread evenly over a surface: what the judge sees, of meshes and of truth.

One surface is sampled by the area of its triangles, so ground truth is sampled evenly, too.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.mesh import MeshData
from ..training.shapes.builder import HALF_EXTENT
from ..training.shapes.field import ShapeBatch
from ..training.shapes.sampling import primitive_areas, sample_surface

_SPARE = 2.5


def mesh_cloud(
    mesh: MeshData, num_points: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return `surface_cloud` of a mesh in any unit, standing anywhere."""
    colors = linear_to_srgb(mesh.vertex_colors)
    return surface_cloud(mesh.vertices, mesh.faces, colors, num_points, generator)


def surface_cloud(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    colors: NDArray[np.float32],
    num_points: int,
    generator: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Return points drawn uniformly by area, placed as the generator would place the shape.

    Args:
        vertices: in any unit, anywhere, [V, 3].
        faces: [F, 3].
        colors: sRGB of the vertices in [0, 1], [V, 3].
        num_points: how many, N.
        generator: chooses them, on the CPU.

    Returns:
        Points centred and scaled as ground truth is, [N, 3], and their sRGB in [0, 1], [N, 3].
    """
    rows = torch.from_numpy(faces).long()
    corners = torch.from_numpy(normalise(vertices))[rows]  # [F, 3, 3]
    sides = corners[:, 1:] - corners[:, :1]
    areas = torch.linalg.cross(sides[:, 0], sides[:, 1]).norm(dim=1)
    # Not torch.multinomial: it takes at most 2^24 faces, and sums areas in single precision.
    edges = areas.double().cumsum(0)
    draws = torch.rand(num_points, generator=generator, dtype=torch.float64) * edges[-1]
    chosen = torch.searchsorted(edges, draws, right=True).clamp_max(len(rows) - 1)
    weights = _barycentric(num_points, generator)[..., None]
    painted = torch.from_numpy(colors)[rows[chosen]]
    return (corners[chosen] * weights).sum(1), (painted * weights).sum(1)


def _barycentric(count: int, generator: torch.Generator) -> Tensor:
    """Return uniformly drawn barycentric coordinates, [count, 3]."""
    root, along = torch.rand(2, count, generator=generator).unbind(0)
    root = root.sqrt()
    return torch.stack([1 - root, root * (1 - along), root * along], dim=1)


def normalise(vertices: NDArray[np.float32]) -> NDArray[np.float32]:
    """Centre the bounding box and scale its longest half extent to the generator's, [V, 3]."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    longest = 0.5 * float((high - low).max())
    centred: NDArray[np.float32] = vertices - 0.5 * (low + high)
    return centred * np.float32(HALF_EXTENT / max(longest, 1e-12))


def linear_to_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the sRGB encoding (IEC 61966-2-1) of linear values in [0, 1]."""
    linear = np.clip(linear, 0.0, 1.0)
    curve = 1.055 * np.power(linear, 1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curve).astype(np.float32)


def ground_truth_clouds(
    batch: ShapeBatch, num_points: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return points spread evenly over shapes and their sRGB, [B, N, 3] each."""
    points, owners = ground_truth_points(batch, num_points, generator)
    return points, batch.colours[owners]


def ground_truth_points(
    batch: ShapeBatch, num_points: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return points spread evenly over shapes [B, N, 3] and the primitive of each [B, N].

    The generator deals its points out by the square root of each piece's area; a second draw,
    weighted with that root, makes the density even, as it is on points drawn from a mesh.
    """
    points, owners = sample_surface(batch, int(num_points * _SPARE), generator)
    weights = primitive_areas(batch).sqrt()[owners]
    chosen = torch.multinomial(weights, num_points, replacement=True, generator=generator)
    return points.gather(1, chosen[..., None].expand(-1, -1, 3)), owners.gather(1, chosen)
