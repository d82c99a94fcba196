# SPDX-License-Identifier: GPL-3.0-or-later
"""A field near its surface, kept on a grid, so that looking again costs no query.

A texture has several hundred thousand texels, and to follow the field from each would take some
ten queries a texel. The nodes around the surface are a third as many as the texels, and what lies
between them is as smooth as the surface that was extracted at this resolution.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..errors import NonFiniteError
from ..interrupt import Check, ignore

MAX_RESOLUTION = 128
"""Nodes per axis beyond which there is memory to lose and no shape to gain."""

_LAYERS = 2
"""Cells around those of the surface that are kept too."""

_SATURATED = 8.0
"""Largest atanh of the field that float32 values resolve."""

_NEWTON_STEPS = 4
_LONGEST_STEP = 1.0
"""Of one step, in cells."""
_REACH = 2.5
"""Farthest that a point is moved, in cells."""
_ON_SURFACE = 0.01
"""Distance in cells below which a point need not move."""
_ARRIVED = 0.1
"""Distance in cells below which a point counts as arrived."""


class SurfaceBand:
    """Distance and gradient of a field at the nodes of a grid, NaN away from the surface."""

    def __init__(self, distance: Tensor) -> None:
        """Keep the unsquashed distance, positive inside, float32 [R, R, R], nodes [x, y, z]."""
        self.cell = 2.0 / (len(distance) - 1)
        volume = torch.stack([distance, *_differences(distance, self.cell)])
        self._volume = volume[None]

    def project(self, points: Tensor) -> Tensor:
        """Return the places on the surface nearest to points, [P, 3].

        Newton's method along the gradient. A point that does not arrive, or would go farther than
        a few cells, stays where it is.
        """
        start = points.to(self._volume.device, torch.float32)
        moved = start.clone()
        active = torch.arange(len(start), device=start.device)
        for _ in range(_NEWTON_STEPS):
            distance, gradient = self._look_up(moved[active])
            squared = gradient.square().sum(dim=1)
            # A comparison with NaN is false: what left the band stays, without having arrived.
            goes_on = distance.square() > (_ON_SURFACE * self.cell) ** 2 * squared
            active, share = active[goes_on], -distance[goes_on] / squared[goes_on].clamp(min=1e-12)
            step = gradient[goes_on] * share[:, None]
            length = step.norm(dim=1, keepdim=True).clamp(min=1e-12)
            moved[active] += step * (_LONGEST_STEP * self.cell / length).clamp(max=1.0)
        distance, gradient = self._look_up(moved)
        arrived = distance.abs() <= _ARRIVED * self.cell * gradient.norm(dim=1)
        arrived &= (moved - start).norm(dim=1) <= _REACH * self.cell
        ends: Tensor = torch.where(arrived[:, None], moved, start)
        return ends.to(points.device)

    def normals(self, points: Tensor) -> Tensor:
        """Return outward unit normals at points [P, 3]; NaN away from the surface, [P, 3]."""
        gradient = self._look_up(points.to(self._volume.device, torch.float32))[1]
        # Positive inside: the distance falls outward.
        normals: Tensor = -gradient / gradient.norm(dim=1, keepdim=True)
        return normals.to(points.device)

    def _look_up(self, points: Tensor) -> tuple[Tensor, Tensor]:
        """Interpolate distance [P] and gradient [P, 3] between the nodes."""
        # grid_sample counts the last axis of the volume first.
        places = points.flip(1)[None, None, None]
        values = F.grid_sample(self._volume, places, padding_mode="border", align_corners=True)
        channels = values.view(4, -1)
        return channels[0], channels[1:].T


def sample_band(
    signed_distance: Callable[[Tensor], Tensor],
    vertices: NDArray[np.float32],
    resolution: int,
    *,
    device: torch.device,
    chunk_size: int | None = None,
    check: Check = ignore,
) -> SurfaceBand:
    """Evaluate a field at the nodes around its surface.

    Args:
        signed_distance: the field, points [P, 3] to [P], positive inside, in (-1, 1).
        vertices: the surface before its triangles became fewer, [V, 3] in [-1, 1]^3.
        resolution: nodes per axis, no more than the surface was extracted at.
        device: where the field takes its points.
        chunk_size: points per query of the field.
        check: called before each query; may raise to stop.
    Raises:
        NonFiniteError: the field returned NaN or infinity.
    """
    check()
    resolution = min(resolution, MAX_RESOLUTION)
    nodes = np.flatnonzero(_nodes_near(vertices, resolution))
    axis = torch.linspace(-1.0, 1.0, resolution)
    places = np.stack(np.unravel_index(nodes, (resolution,) * 3), axis=1)
    values = np.empty(len(nodes), dtype=np.float32)
    chunk_size = chunk_size or (16384 if device.type == "cpu" else 262144)
    for start in range(0, len(nodes), chunk_size):
        check()
        points = axis[torch.from_numpy(places[start : start + chunk_size])].to(device)
        with torch.no_grad():
            values[start : start + chunk_size] = signed_distance(points).float().cpu().numpy()
    if not np.isfinite(values).all():
        raise NonFiniteError("the signed distance")
    distance = torch.full((resolution**3,), torch.nan)
    unsquashed = torch.from_numpy(values).atanh().clamp(-_SATURATED, _SATURATED)
    distance[torch.from_numpy(nodes)] = unsquashed
    kept_on = device if device.type == "cuda" else torch.device("cpu")
    return SurfaceBand(distance.view((resolution,) * 3).to(kept_on))


def _nodes_near(vertices: NDArray[np.float32], resolution: int) -> NDArray[np.bool_]:
    """Return which nodes belong to the cells of vertices or to those around them, [R, R, R]."""
    cells = np.floor((vertices + 1.0) / 2.0 * (resolution - 1)).astype(np.int64)
    cells = cells.clip(0, resolution - 2)
    near = np.zeros((resolution,) * 3, dtype=bool)
    near[tuple(cells.T)] = True
    for axis in range(3):
        lines = np.moveaxis(near, axis, 0)
        spread = lines.copy()
        # The last node of a cell is one on, so that the band reaches one farther up than down.
        for step in range(1, _LAYERS + 2):
            spread[step:] |= lines[:-step]
            if step <= _LAYERS:
                spread[:-step] |= lines[step:]
        near = np.moveaxis(spread, 0, axis)
    return near


def _differences(distance: Tensor, cell: float) -> list[Tensor]:
    """Return the central differences of a volume along its axes; one-sided at its faces."""
    found = []
    for axis in range(3):
        first, last = distance.narrow(axis, 0, 1), distance.narrow(axis, -1, 1)
        before = 2 * first - distance.narrow(axis, 1, 1)
        after = 2 * last - distance.narrow(axis, -2, 1)
        padded = torch.cat([before, distance, after], dim=axis)
        size = distance.shape[axis]
        found.append((padded.narrow(axis, 2, size) - padded.narrow(axis, 0, size)) / (2 * cell))
    return found
