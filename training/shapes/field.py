# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distance and colour of whole shapes, many shapes at a time.

The primitives of all shapes of a batch lie in one flat list ordered by shape; each kind of solid
is evaluated in one call for the whole batch, and the union is taken shape by shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from .pieces import CARVED_ROLE, CUTTER_ROLE, Shape
from .primitives import Solid, solid_distance


class ShapeBatch:
    """The primitives of several shapes as tensors.

    Args:
        shapes: B finished shapes with P primitives in all.
        device: where to evaluate.
    """

    def __init__(self, shapes: Sequence[Shape], device: torch.device | str = "cpu") -> None:
        def stack(name: str) -> Tensor:
            joined = np.concatenate([getattr(shape, name) for shape in shapes])
            return torch.from_numpy(joined).to(device)

        counts = [len(shape.solids) for shape in shapes]
        bounds = np.concatenate([[0], np.cumsum(counts)])
        self.num_shapes = len(shapes)
        self.slices = [slice(int(a), int(b)) for a, b in pairwise(bounds)]
        self.shape_of = torch.arange(len(shapes)).repeat_interleave(torch.tensor(counts)).to(device)
        self.solids = stack("solids")
        self.params = stack("params")
        self.rotations = stack("rotations")
        self.centres = stack("centres")
        self.colours = stack("colours")
        self.roles = stack("roles")
        self.members = {
            solid: (self.solids == solid).nonzero()[:, 0]
            for solid in Solid
            if bool((self.solids == solid).any())
        }
        self.carvings = _carvings(shapes)
        """The objects that have cutters, as slices of the list of primitives."""

    @property
    def device(self) -> torch.device:
        """Where the batch lives."""
        return self.params.device

    def signed_distance(self, points: Tensor) -> Tensor:
        """Return the distance to the surface, **positive inside**.

        Args:
            points: [B, N, 3] in [-1, 1]^3.

        Returns:
            [B, N]; exact outside, never more than the true depth inside.
        """
        return self._evaluate(points)[0]

    def distance_and_colour(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Return distances [B, N], positive inside, and sRGB of the nearest piece [B, N, 3]."""
        distance, nearest = self._evaluate(points)
        return distance, self.colours[nearest]

    def nearest_primitive(self, points: Tensor) -> Tensor:
        """Return the index into the flat list of primitives of the nearest piece, [B, N]."""
        return self._evaluate(points)[1]

    def _evaluate(self, points: Tensor) -> tuple[Tensor, Tensor]:
        by_primitive = self._primitive_distances(points)
        for rows in self.carvings:
            by_primitive[rows] = _carve(by_primitive[rows], self.roles[rows])
        distance = points.new_empty(points.shape[:2])
        nearest = torch.empty(points.shape[:2], dtype=torch.long, device=points.device)
        for index, rows in enumerate(self.slices):
            torch.min(by_primitive[rows], dim=0, out=(distance[index], nearest[index]))
            nearest[index] += rows.start
        return distance.neg_(), nearest

    def _primitive_distances(self, points: Tensor) -> Tensor:
        """Return the distance to every primitive by itself, negative inside, [P, N]."""
        columns = points.transpose(1, 2).contiguous()  # [B, 3, N]
        distances = points.new_empty(len(self.solids), points.shape[1])
        for solid, members in self.members.items():
            into_frame = self.rotations[members].transpose(1, 2)  # [K, 3, 3]
            shift = into_frame @ self.centres[members, :, None]
            own_points = columns[self.shape_of[members]]
            local = torch.baddbmm(shift, into_frame, own_points, beta=-1.0)  # [K, 3, N]
            params = self.params[members, None]
            distances[members] = solid_distance(
                solid, local[:, 0], local[:, 1], local[:, 2], params
            )
        return distances


def _carvings(shapes: Sequence[Shape]) -> list[slice]:
    """Return where the objects with cutters lie: cutters leave other objects of a scene alone."""
    slices, start = [], 0
    for shape in shapes:
        edges = np.flatnonzero(np.diff(shape.groups)) + 1
        for low, high in pairwise([0, *edges.tolist(), len(shape.groups)]):
            if (shape.roles[low:high] == CUTTER_ROLE).any():
                slices.append(slice(start + low, start + high))
        start += len(shape.groups)
    return slices


def _carve(distances: Tensor, roles: Tensor) -> Tensor:
    """Subtract the cutters from the carved pieces and take them out of the union."""
    is_cutter = roles == CUTTER_ROLE
    hole = distances[is_cutter].amin(dim=0)
    carved = torch.where(
        (roles == CARVED_ROLE)[:, None], torch.maximum(distances, -hole), distances
    )
    return carved.masked_fill(is_cutter[:, None], float("inf"))
