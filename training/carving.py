# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distances of meshes that are open: how far the surface is, and who sees behind a point.

A point is outside where some view looks past it: at background, or at a surface that lies farther.
What no view looks past is inside (Kutulakos and Seitz, 2000, "A theory of shape by space carving").
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.asset import Views

_POINTS_AT_ONCE = 1024
_TIE = 1e-3
"""A surface must lie farther behind a point than that; more than the steps of stored depths."""


def nearest_points(points: Tensor, cloud: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distance to the nearest point of a cloud [N, 6], [P], and its colour, [P, 3]."""
    distances, colors = [], []
    for part in torch.split(points, _POINTS_AT_ONCE):
        distance, nearest = torch.cdist(part, cloud[:, :3]).min(dim=1)
        distances.append(distance)
        colors.append(cloud[nearest, 3:])
    return torch.cat(distances), torch.cat(colors)


def seen_through(points: Tensor, views: Views) -> Tensor:
    """Return whether some view looks past each point [P, 3], bool [P].

    A view that does not show a point says nothing of it, nor do pixels that are only partly
    covered. A surface between pixels is taken for as near as the nearest around.
    """
    is_outside = torch.zeros(len(points), dtype=torch.bool)
    behind = _nearest_around(views)  # [V, H, W]
    height, width = behind.shape[1:]
    for index, depths in enumerate(behind):
        axes = torch.from_numpy(views.cameras.axes[index])
        seen = (points - torch.from_numpy(views.cameras.origins[index])) @ axes.T
        plane = seen[:, :2] / seen[:, 2:].clamp(min=1e-6) / math.tan(views.cameras.fov / 2)
        column = (((plane[:, 0] + 1) * width - 1) / 2).round().long()
        row = (((plane[:, 1] + 1) * height - 1) / 2).round().long()
        in_view = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        in_view &= seen[:, 2] > 0
        depth = depths[row.clamp(0, height - 1), column.clamp(0, width - 1)]
        is_outside |= in_view & (depth > seen[:, 2] + _TIE)
    return is_outside


def _nearest_around(views: Views) -> Tensor:
    """Return the least depth among the neighbours of each pixel, [V, H, W].

    Infinite means that nothing is near this pixel, minus infinite that nobody knows.
    """
    depth = np.where(views.rgba[..., 3] > 0, views.depth, np.float32(1e30))
    depth = np.where(np.isinf(depth), np.float32(-1e30), depth)
    return -F.max_pool2d(-torch.from_numpy(depth)[:, None], 3, stride=1, padding=1)[:, 0]
