# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 1's data from generated shapes: exact rays, pictures and distances, nothing stored.

Rays are traced through the exact field (Hart, 1996, "Sphere tracing"), under the light of the
views that `maquette dataset build` renders, so that one recipe serves both.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.assets_in.cameras import FOV, sphere_cameras
from ..core.specs import EncoderSpec
from .config import EncoderConfig
from .dataset import Queries
from .mesh_pictures import lit, srgb_to_linear
from .shapes.builder import HALF_EXTENT, Shape
from .shapes.field import ShapeBatch
from .shapes.generate import shape_at
from .shapes.sampling import sample_surface
from .source import Inputs, Pictures, Rays, StfTargets, pixel_directions
from .stage1_config import DistillConfig, RayLossConfig, SourceConfig
from .values import ConfigError

_STEPS = 64
_HIT, _FAR = 1e-3, 6.0
_SLOPE = 2e-3
_SPREADS = (0.01, 0.05)
_SIZE = 256
"""Pixels per side that rays are drawn from, as many as views of assets have."""


class ShapeSource:
    """Shapes of an endless data set; satisfies `Stage1Source`."""

    half_extent = HALF_EXTENT

    def __init__(
        self, seed: int, encoder: EncoderConfig | EncoderSpec, config: SourceConfig
    ) -> None:
        """Make nothing yet.

        Raises:
            ConfigError: the encoder reads views, or no shapes are asked for.
        """
        if isinstance(encoder, EncoderSpec):
            raise ConfigError("generated shapes have no stored views: give [points_encoder]")
        if not config.num_shapes:
            raise ConfigError("give --data, or num_shapes in [source] to generate shapes")
        self._seed = seed
        self._num_points = encoder.num_points
        self._config = config
        self._shape = lru_cache(maxsize=4096)(self._make)

    def __len__(self) -> int:
        return self._config.num_shapes

    def inputs(self, indices: Tensor, generator: torch.Generator) -> Inputs:
        """Return random surface points."""
        batch = self._batch(indices)
        points, nearest = sample_surface(batch, self._num_points, generator)
        return Inputs(points=torch.cat([points, batch.colours[nearest]], dim=-1), views=())

    def rays(self, indices: Tensor, config: RayLossConfig, generator: torch.Generator) -> Rays:
        """Draw rays of random cameras all around."""
        origins, axes = self._cameras(len(indices), config.num_rays, config.num_views, generator)
        shape = (len(indices), config.num_rays)
        columns, rows = torch.randint(_SIZE, (2, *shape), generator=generator)
        directions = pixel_directions(axes, columns, rows, _SIZE, FOV)
        seen = trace(self._batch(indices), origins, directions)
        return Rays(origins, directions, seen[..., :3], 1 - seen[..., 3:])

    def stf_targets(
        self, indices: Tensor, config: DistillConfig, generator: torch.Generator
    ) -> StfTargets:
        """Draw points, half of them near the surface, with exact distances."""
        batch = self._batch(indices)
        near, _ = sample_surface(batch, config.num_points // 2, generator)
        spread = torch.tensor(_SPREADS)[torch.arange(near.shape[1]) % 2, None]
        near = (near + spread * torch.randn(near.shape, generator=generator)).clamp(-1, 1)
        count = (len(indices), config.num_points - near.shape[1], 3)
        points = torch.cat([near, torch.rand(count, generator=generator) * 2 - 1], dim=1)
        distance, colors = batch.distance_and_colour(points)
        return StfTargets(Queries(points, distance, colors), torch.ones(len(indices)).bool())

    def pictures(
        self, indices: Tensor, num_views: int, size: int, generator: torch.Generator
    ) -> Pictures:
        """Draw pictures by random cameras all around."""
        origins, axes = self._cameras(len(indices), num_views, num_views, generator)
        return self._pictures(indices, origins, axes, size)

    def held_out(self, index: int, size: int) -> Pictures | None:
        """Return pictures of one shape by cameras of its own."""
        if not self._config.held_out_views:
            return None
        cameras = sphere_cameras(self._config.held_out_views, index)
        origins, axes = (torch.from_numpy(each)[None] for each in (cameras.origins, cameras.axes))
        return self._pictures(torch.tensor([index]), origins, axes, size)

    def _make(self, index: int) -> Shape:
        return shape_at(self._seed, index)

    def _batch(self, indices: Tensor) -> ShapeBatch:
        return ShapeBatch([self._shape(index) for index in indices.tolist()])

    def _cameras(
        self, count: int, num_rays: int, num_views: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Draw cameras and deal them out, origins [B, R, 3] and axes [B, R, 3, 3]."""
        seed = int(torch.randint(2**31, (), generator=generator))
        cameras = sphere_cameras(count * num_views, seed)
        turn = np.arange(num_rays) * num_views // num_rays
        origins = cameras.origins.reshape(count, num_views, 3)[:, turn]
        axes = cameras.axes.reshape(count, num_views, 3, 3)[:, turn]
        return torch.from_numpy(origins), torch.from_numpy(axes)

    def _pictures(self, indices: Tensor, origins: Tensor, axes: Tensor, size: int) -> Pictures:
        """Trace pictures with four rays per pixel."""
        fine = 2 * size
        pixels = torch.arange(fine * fine)
        columns, rows = pixels % fine, torch.div(pixels, fine, rounding_mode="floor")
        directions = pixel_directions(axes[:, :, None], columns, rows, fine, FOV)
        starts = origins[:, :, None].expand_as(directions)
        seen = trace(self._batch(indices), starts.flatten(1, 2), directions.flatten(1, 2))
        squares = seen.view(-1, fine, fine, 4).movedim(-1, 1)
        shrunk = F.avg_pool2d(squares, 2).movedim(1, -1)
        return Pictures(shrunk.view(*origins.shape[:2], size, size, 4), origins, axes, FOV)


@torch.no_grad()
def trace(batch: ShapeBatch, origins: Tensor, directions: Tensor) -> Tensor:
    """Return what rays of B shapes hit, lit sRGB over black and coverage, [B, R, 4].

    Args:
        batch: the shapes.
        origins: outside of them, [B, R, 3].
        directions: unit vectors, [B, R, 3].
    """
    depth = origins.new_zeros(origins.shape[:2])
    gap = torch.full_like(depth, torch.inf)
    for _ in range(_STEPS):
        points = origins + depth[..., None] * directions
        gap = -batch.signed_distance(points)
        depth = (depth + gap.clamp(min=0)).clamp(max=_FAR)
    is_hit = (gap < _HIT)[..., None]
    points = origins + depth[..., None] * directions
    colors = batch.distance_and_colour(points)[1]
    slopes = [
        batch.signed_distance(points - step) - batch.signed_distance(points + step)
        for step in _SLOPE * torch.eye(3, device=origins.device)
    ]
    color = lit(srgb_to_linear(colors.clamp(0, 1)), torch.stack(slopes, dim=-1))
    return torch.cat([color, torch.ones_like(color[..., :1])], dim=-1) * is_hit
