# SPDX-License-Identifier: GPL-3.0-or-later
"""Occupancy and meshes of generated shapes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..core.geometry.extract import extract_mesh
from ..training.shapes.builder import Shape
from ..training.shapes.field import ShapeBatch

_CHUNK = 32768
_DISTANCE_SCALE = 0.1
"""Distances are squashed as those of a decoded field are, by tanh(d / scale)."""


def cell_centres(resolution: int) -> Tensor:
    """Return the centres of the cells that a cubic grid cuts [-1, 1]^3 into, [R^3, 3]."""
    places = (torch.arange(resolution) + 0.5) * (2.0 / resolution) - 1.0
    return torch.stack(torch.meshgrid(places, places, places, indexing="ij"), dim=-1).view(-1, 3)


@torch.no_grad()
def occupancy(shape: Shape, points: Tensor) -> Tensor:
    """Return which points [P, 3] lie inside a shape, bool [P]."""
    batch = ShapeBatch([shape])
    return torch.cat([batch.signed_distance(each[None])[0] > 0 for each in points.split(_CHUNK)])


@torch.no_grad()
def shape_surface(
    shape: Shape, resolution: int
) -> tuple[NDArray[np.float32], NDArray[np.int32], NDArray[np.float32]]:
    """Return a shape's surface as generated ones are extracted.

    Returns:
        Vertices in [-1, 1]^3, [V, 3]; faces, [F, 3]; sRGB of the vertices in [0, 1], [V, 3].
    """
    batch = ShapeBatch([shape])

    def signed_distance(points: Tensor) -> Tensor:
        return (batch.signed_distance(points[None])[0] / _DISTANCE_SCALE).tanh()

    vertices, faces = extract_mesh(signed_distance, resolution, device=torch.device("cpu"))
    colors = batch.distance_and_colour(torch.from_numpy(vertices)[None])[1][0]
    return vertices, faces, colors.numpy()
