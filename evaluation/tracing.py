# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of ground truth by sphere tracing (Hart, 1996) through its exact distances.

Nothing here knows meshes or networks, so that what a decoder shows is compared with the shape
itself and not with another approximation of it.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.asset import Cameras
from ..core.interrupt import Check, ignore
from ..training.shapes.field import ShapeBatch

SAMPLES = 2
"""Per pixel and axis; pictures of ground truth and of packs are averaged alike."""

_MAX_STEPS = 96
_TOLERANCE = 5e-4
_BOX_DIAGONAL = math.sqrt(3.0)


@torch.no_grad()
def trace_view(
    batch: ShapeBatch, cameras: Cameras, index: int, size: int, check: Check = ignore
) -> NDArray[np.float32]:
    """Look at a shape without light: sRGB of its pieces, and coverage.

    Args:
        batch: of one shape, inside [-1, 1]^3.
        cameras: outside of it.
        index: which camera.
        size: pixels per side.
        check: called before each step of all rays; may raise to stop.

    Returns:
        Colours as seen over black, and alpha, in [0, 1], first row at the top, [size, size, 4].
    """
    fine = SAMPLES * size
    origins, directions = view_rays(cameras, index, fine)
    picture = torch.zeros(fine * fine, 4)
    center = float(np.linalg.norm(cameras.origins[index]))
    reached = torch.full((len(origins),), max(center - _BOX_DIAGONAL, 0.0))
    alive = torch.arange(len(origins))
    for _ in range(_MAX_STEPS):
        check()
        points = origins[alive] + reached[alive, None] * directions[alive]
        distance = -batch.signed_distance(points[None])[0]
        hits = alive[distance < _TOLERANCE]
        if len(hits):
            places = origins[hits] + reached[hits, None] * directions[hits]
            picture[hits, :3] = batch.distance_and_colour(places[None])[1][0]
            picture[hits, 3] = 1.0
        reached[alive] += distance
        alive = alive[(distance >= _TOLERANCE) & (reached[alive] < center + _BOX_DIAGONAL)]
        if not len(alive):
            break
    return shrink_samples(picture.numpy().reshape(fine, fine, 4))


def view_rays(cameras: Cameras, index: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the rays through the centres of a view's pixels, row by row.

    Returns:
        Origins and unit directions, [size**2, 3] each.
    """
    places = (2 * torch.arange(size, dtype=torch.float32) + 1) / size - 1
    slopes = places * math.tan(cameras.fov / 2)
    right, down, forward = torch.from_numpy(cameras.axes[index])
    grid = forward + slopes[None, :, None] * right + slopes[:, None, None] * down
    directions = (grid / grid.norm(dim=-1, keepdim=True)).reshape(-1, 3)
    return torch.from_numpy(cameras.origins[index]).expand_as(directions), directions


def shrink_samples(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the means of each pixel's samples, [S * size, S * size, C] to [size, size, C]."""
    size, channels = len(picture) // SAMPLES, picture.shape[2]
    blocks = picture.reshape(size, SAMPLES, size, SAMPLES, channels)
    means: NDArray[np.float32] = blocks.mean(axis=(1, 3), dtype=np.float32)
    return means


def over(picture: NDArray[np.float32], background: float) -> NDArray[np.float32]:
    """Lay a picture with alpha over a grey ground, [size, size, 4] to [size, size, 3]."""
    laid: NDArray[np.float32] = picture[..., :3] + (1 - picture[..., 3:]) * np.float32(background)
    return laid
