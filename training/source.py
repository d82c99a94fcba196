# SPDX-License-Identifier: GPL-3.0-or-later
"""What stage 1 asks of its data, whether assets or generated shapes.

Everything random is drawn from the generator that is handed in, so that a step depends on its
number alone. Tensors are on the CPU; `to` moves them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ..core.encoder.patches import ViewTensors
from .dataset import Queries
from .stage1_config import DistillConfig, RayLossConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What an encoder reads of B assets."""

    points: Tensor
    """Positions in [-1, 1]^3, the farthest from one another first, and sRGB, [B, N, 6]."""
    views: tuple[ViewTensors, ...]
    """Of each asset; none for an encoder that reads points alone."""

    def to(self, device: torch.device) -> Inputs:
        """Return the same on a device."""
        views = tuple(_views_to(each, device) for each in self.views)
        return Inputs(points=self.points.to(device), views=views)


class Rays(NamedTuple):
    """Rays of B assets and what they should collect."""

    origins: Tensor
    """[B, R, 3]."""
    directions: Tensor
    """Unit vectors, [B, R, 3]."""
    color: Tensor
    """sRGB over black, [B, R, 3]."""
    transmittance: Tensor
    """1 where nothing is hit, [B, R, 1]."""

    def to(self, device: torch.device) -> Rays:
        """Return the same on a device."""
        return Rays(*(each.to(device) for each in self))


class Pictures(NamedTuple):
    """Square pictures of B assets and the pinhole cameras that took them."""

    rgba: Tensor
    """sRGB over black and coverage, [B, V, S, S, 4]."""
    origins: Tensor
    """[B, V, 3]."""
    axes: Tensor
    """Right, down and forward, [B, V, 3, 3]."""
    fov: float
    """Full opening angle; rays run through the centres of pixels."""

    def to(self, device: torch.device) -> Pictures:
        """Return the same on a device."""
        rgba, origins, axes = (each.to(device) for each in (self.rgba, self.origins, self.axes))
        return Pictures(rgba, origins, axes, self.fov)


class StfTargets(NamedTuple):
    """Signed distances and base colours to regress."""

    queries: Queries
    is_known: Tensor
    """Whether an asset's signs are exact rather than seen from its views, [B]."""

    def to(self, device: torch.device) -> StfTargets:
        """Return the same on a device."""
        return StfTargets(self.queries.to(device), self.is_known.to(device))


class Stage1Source(Protocol):
    """Assets by number."""

    half_extent: float
    """Half of an asset's longest side in the box from -1 to 1."""

    def __len__(self) -> int:
        """How many there are."""
        ...

    def inputs(self, indices: Tensor, generator: torch.Generator) -> Inputs:
        """Return what the encoder reads of assets [B]."""
        ...

    def rays(self, indices: Tensor, config: RayLossConfig, generator: torch.Generator) -> Rays:
        """Draw rays from the views that are trained on."""
        ...

    def stf_targets(
        self, indices: Tensor, config: DistillConfig, generator: torch.Generator
    ) -> StfTargets:
        """Draw points with signed distance and base colour."""
        ...

    def pictures(
        self, indices: Tensor, num_views: int, size: int, generator: torch.Generator
    ) -> Pictures:
        """Draw views that are trained on, shrunk to `size` pixels per side."""
        ...

    def held_out(self, index: int, size: int) -> Pictures | None:
        """Return the views of one asset that are not trained on, B = 1; None if there are none."""
        ...


def pixel_directions(axes: Tensor, columns: Tensor, rows: Tensor, size: int, fov: float) -> Tensor:
    """Return unit directions through the centres of pixels.

    Args:
        axes: right, down and forward of each camera, [..., 3, 3].
        columns: from the left, [...].
        rows: from the top, [...].
        size: pixels per side.
        fov: full opening angle in radians.
    """
    slope = torch.tan(torch.tensor(fov / 2, dtype=axes.dtype))
    across, down = (((2 * each.to(axes) + 1) / size - 1) * slope for each in (columns, rows))
    x, y, z = axes.unbind(-2)
    directions: Tensor = z + x * across[..., None] + y * down[..., None]
    directions = directions / directions.norm(dim=-1, keepdim=True)
    return directions


def _views_to(views: ViewTensors, device: torch.device) -> ViewTensors:
    rgba, depth = views.rgba.to(device), views.depth.to(device)
    origins, axes = views.origins.to(device), views.axes.to(device)
    return ViewTensors(rgba=rgba, depth=depth, origins=origins, axes=axes, fov=views.fov)
