# SPDX-License-Identifier: GPL-3.0-or-later
"""Which triangle each pixel shows, and what its corners say there, differentiable in plain torch.

Visibility is found without gradients; weights of corners are then computed again from projected
vertices, which carry them (Laine et al., 2020, arXiv:2011.03277, section 3, likewise). What happens
at outlines is outlines.py. Any floating dtype, any device, no loop over triangles or pixels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_PIXELS_AT_ONCE = 1 << 21


class Projection(NamedTuple):
    """Vertices as a square picture has them."""

    screen: Tensor
    """Column and row; centres of pixels are whole numbers, [V, 2]."""
    depth: Tensor
    """Along the camera's axis, [V]."""


class Fragments(NamedTuple):
    """What covered pixels show."""

    pixels: Tensor
    """Row * size + column, ascending, [P]."""
    faces: Tensor
    """The nearest triangle behind each pixel's centre, [P]."""
    depth: Tensor
    """Of every pixel, infinite where nothing is, [size * size]."""


def project(vertices: Tensor, origin: Tensor, axes: Tensor, fov: float, size: int) -> Projection:
    """Project vertices [V, 3], all in front of the camera.

    Args:
        vertices: positions.
        origin: of the camera, [3].
        axes: right, down and forward, [3, 3].
        fov: full opening angle in radians.
        size: pixels per side.
    """
    seen = (vertices - origin) @ axes.T
    plane = seen[:, :2] / seen[:, 2:] / math.tan(fov / 2)
    return Projection((plane + 1) * (size / 2) - 0.5, seen[:, 2])


@torch.no_grad()
def visible_faces(projection: Projection, faces: Tensor, size: int) -> Fragments:
    """Find the nearest of triangles [F, 3] behind each pixel's centre; both sides are seen."""
    corners = projection.screen[faces]  # [F, 3, 2]
    inverse = 1 / projection.depth[faces]  # [F, 3]
    low = corners.amin(1).ceil().clamp(0, size).long()
    high = corners.amax(1).floor().clamp(-1, size - 1).long()
    sides = (high - low + 1).clamp(min=0) * (_twice_area(corners) != 0)[:, None]
    counts = sides.prod(1)
    drawn = counts.nonzero()[:, 0]
    depth = corners.new_full((size * size,), math.inf)
    nearest = torch.full((size * size,), len(faces), device=faces.device)
    for part in _portions(drawn, counts):
        owners = part.repeat_interleave(counts[part])
        starts = (counts[part].cumsum(0) - counts[part]).repeat_interleave(counts[part])
        local = torch.arange(len(owners), device=faces.device) - starts
        columns = low[owners, 0] + local % sides[owners, 0]
        rows = low[owners, 1] + torch.div(local, sides[owners, 0], rounding_mode="floor")
        centers = torch.stack([columns, rows], dim=1).to(corners)
        weights = barycentric(corners[owners], centers)
        is_in = (weights >= 0).all(1)
        pixels, owners = (rows * size + columns)[is_in], owners[is_in]
        behind = 1 / (weights[is_in] * inverse[owners]).sum(1)
        _keep_nearest(depth, nearest, pixels, owners, behind)
    pixels = (nearest < len(faces)).nonzero()[:, 0]
    return Fragments(pixels, nearest[pixels], depth)


def barycentric(corners: Tensor, points: Tensor) -> Tensor:
    """Return the weights on the picture of points [P, 2] in triangles [P, 3, 2], [P, 3]."""
    first, second = (corners[:, k] - corners[:, 0] for k in (1, 2))
    inner = points - corners[:, 0]
    area = _twice_area(corners)
    v = (inner[:, 0] * second[:, 1] - inner[:, 1] * second[:, 0]) / area
    w = (first[:, 0] * inner[:, 1] - first[:, 1] * inner[:, 0]) / area
    return torch.stack([1 - v - w, v, w], dim=1)


def interpolate(
    projection: Projection, faces: Tensor, fragments: Fragments, values: Tensor, size: int
) -> Tensor:
    """Return values of vertices [V, C] at the covered pixels, perspective undone, [P, C]."""
    corners = faces[fragments.faces]  # [P, 3]
    rows = torch.div(fragments.pixels, size, rounding_mode="floor")
    centers = torch.stack([fragments.pixels % size, rows], dim=1).to(projection.screen)
    weights = barycentric(projection.screen[corners], centers) / projection.depth[corners]
    weights = weights / weights.sum(1, keepdim=True)
    return (weights[..., None] * values[corners]).sum(1)


def _twice_area(corners: Tensor) -> Tensor:
    """Return twice the signed area of triangles [F, 3, 2], [F]."""
    first, second = (corners[:, k] - corners[:, 0] for k in (1, 2))
    return first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]


def _portions(drawn: Tensor, counts: Tensor) -> list[Tensor]:
    """Split the triangles that may have pixels into groups with not too many of them."""
    if not len(drawn):
        return []
    before = counts[drawn].cumsum(0) - counts[drawn]
    group = torch.div(before, _PIXELS_AT_ONCE, rounding_mode="floor")
    sizes = torch.unique_consecutive(group, return_counts=True)[1].tolist()
    return list(torch.split(drawn, sizes))


def _keep_nearest(
    depth: Tensor, nearest: Tensor, pixels: Tensor, owners: Tensor, behind: Tensor
) -> None:
    """Draw some triangles into both buffers, [size * size]; of equals the first triangle wins."""
    before = depth.clone()
    depth.scatter_reduce_(0, pixels, behind, "amin")
    nearest[depth < before] = torch.iinfo(torch.long).max
    wins = behind == depth[pixels]
    nearest.scatter_reduce_(0, pixels[wins], owners[wins], "amin")
