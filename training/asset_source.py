# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 1's data from shards of one's own assets: rays and pictures of their views, distances."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ..core.encode import view_tensors
from ..core.specs import EncoderSpec
from .assets import AssetLibrary
from .carving import nearest_points, seen_through
from .config import EncoderConfig
from .dataset import Queries
from .source import Inputs, Pictures, Rays, StfTargets, pixel_directions
from .stage1_config import DistillConfig, RayLossConfig, SourceConfig
from .values import ConfigError

_READERS = 8
"""Threads that decode pictures."""
_NEAR_SPREADS = (0.01, 0.05)
"""Of points near the surface of an open mesh, as where `maquette dataset build` asks."""


class AssetSource:
    """Assets of a data set; satisfies `Stage1Source`."""

    half_extent = 1.0

    def __init__(
        self, folder: Path, encoder: EncoderConfig | EncoderSpec, config: SourceConfig
    ) -> None:
        """Read the headers of the shards.

        Raises:
            ConfigError: the assets do not have what the encoder reads, or all views are held out.
        """
        self.library = AssetLibrary(folder, cache_bytes=int(config.cache_gib * 2**30))
        self._encoder = encoder
        self._held_out = config.held_out_views
        self._readers = ThreadPoolExecutor(_READERS)
        views, points = self.library.views(0), self.library.cloud(0)
        self.num_views, self.view_size = views.rgba.shape[:2]
        self._require(len(points), folder)

    def __len__(self) -> int:
        return len(self.library)

    def inputs(self, indices: Tensor, generator: torch.Generator) -> Inputs:
        """Return what the encoder reads; the small one gets a random part of the cloud."""
        clouds = [torch.from_numpy(self.library.cloud(i)) for i in indices.tolist()]
        points = torch.stack(clouds)
        if isinstance(self._encoder, EncoderConfig):
            chosen = torch.randperm(points.shape[1], generator=generator)
            return Inputs(points=points[:, chosen[: self._encoder.num_points]], views=())
        self._read_ahead([(i, v) for i in indices.tolist() for v in range(self.num_views)], True)
        views = tuple(view_tensors(self.library.views(i)) for i in indices.tolist())
        return Inputs(points=points, views=views)

    def rays(self, indices: Tensor, config: RayLossConfig, generator: torch.Generator) -> Rays:
        """Draw rays through the centres of pixels."""
        chosen = self._choose_views(indices, config.num_views, generator)
        parts = [
            self._rays_of(index, views, config, generator)
            for index, views in zip(indices.tolist(), chosen, strict=True)
        ]
        return Rays(*(torch.stack(each) for each in zip(*parts, strict=True)))

    def stf_targets(
        self, indices: Tensor, config: DistillConfig, generator: torch.Generator
    ) -> StfTargets:
        """Draw known distances, or for open meshes distances to the nearest point of the cloud."""
        rows, is_known = [], []
        for index in indices.tolist():
            known = self.library.distances(index)
            is_known.append(known is not None)
            if known is None:
                rows.append(self._estimate(index, config.num_points, generator))
            else:
                picked = torch.randint(len(known), (config.num_points,), generator=generator)
                rows.append(torch.from_numpy(known[picked.numpy()]))
        stacked = torch.stack(rows)
        queries = Queries(stacked[..., :3], stacked[..., 3], stacked[..., 4:])
        return StfTargets(queries, torch.tensor(is_known))

    def pictures(
        self, indices: Tensor, num_views: int, size: int, generator: torch.Generator
    ) -> Pictures:
        """Draw views that are trained on."""
        chosen = self._choose_views(indices, num_views, generator)
        return self._pictures(indices.tolist(), chosen, size)

    def held_out(self, index: int, size: int) -> Pictures | None:
        """Return the last views of an asset."""
        numbers = list(range(self.num_views - self._held_out, self.num_views))
        return self._pictures([index], [numbers], size) if numbers else None

    def _require(self, num_points: int, folder: Path) -> None:
        if self._held_out >= self.num_views:
            raise ConfigError(f"{folder} has {self.num_views} views: hold out fewer of them")
        encoder = self._encoder
        if isinstance(encoder, EncoderConfig):
            if encoder.num_points > num_points:
                raise ConfigError(f"{folder} has {num_points} points: lower num_points")
            return
        sizes = (encoder.num_points, encoder.num_views, encoder.image_size)
        if sizes != (num_points, self.num_views, self.view_size):
            raise ConfigError(
                f"{folder} must have {sizes[0]} points and {sizes[1]} views of {sizes[2]} pixels"
                " for this encoder: build it anew, or change [views_encoder]"
            )

    def _choose_views(
        self, indices: Tensor, count: int, generator: torch.Generator
    ) -> list[list[int]]:
        """Draw views of each asset, and have them read side by side."""
        usable = self.num_views - self._held_out
        chosen = [
            [int(v) % usable for v in torch.randperm(max(usable, count), generator=generator)][
                :count
            ]
            for _ in indices
        ]
        numbered = zip(indices.tolist(), chosen, strict=True)
        self._read_ahead([(i, v) for i, views in numbered for v in views], False)
        return chosen

    def _read_ahead(self, pictures: Sequence[tuple[int, int]], with_depth: bool) -> None:
        """Decode pictures by several threads; the cache keeps them."""

        def read(place: tuple[int, int]) -> None:
            self.library.picture(*place)
            if with_depth:
                self.library.depth(*place)

        for _ in self._readers.map(read, pictures):
            pass

    def _rays_of(
        self, index: int, views: list[int], config: RayLossConfig, generator: torch.Generator
    ) -> tuple[Tensor, ...]:
        """Return origins, directions, colours and transmittances of one asset's rays."""
        cameras = self.library.cameras(index)
        shares = [len(part) for part in np.array_split(np.arange(config.num_rays), len(views))]
        parts = []
        for view, count in zip(views, shares, strict=True):
            rgba = _over_black(self.library.picture(index, view)).view(-1, 4)
            pixels = _draw_pixels(rgba[:, 3], count, config.covered_share, generator)
            rows = torch.div(pixels, self.view_size, rounding_mode="floor")
            axes = torch.from_numpy(cameras.axes[view])
            columns = pixels % self.view_size
            directions = pixel_directions(
                axes.expand(count, 3, 3), columns, rows, self.view_size, cameras.fov
            )
            origins = torch.from_numpy(cameras.origins[view]).expand(count, 3)
            seen = rgba[pixels]
            parts.append((origins, directions, seen[:, :3], 1 - seen[:, 3:]))
        return tuple(torch.cat(each) for each in zip(*parts, strict=True))

    def _estimate(self, index: int, count: int, generator: torch.Generator) -> Tensor:
        """Return position, distance and colour at points around an open mesh, [P, 7]."""
        cloud = torch.from_numpy(self.library.cloud(index))
        picked = cloud[torch.randint(len(cloud), (count // 2,), generator=generator), :3]
        spread = torch.tensor(_NEAR_SPREADS)[torch.arange(len(picked)) % 2, None]
        near = picked + spread * torch.randn(picked.shape, generator=generator)
        anywhere = torch.rand(count - len(near), 3, generator=generator) * 2 - 1
        points = torch.cat([near.clamp(-1, 1), anywhere])
        distance, colors = nearest_points(points, cloud)
        is_outside = seen_through(points, self.library.views(index))
        signed = torch.where(is_outside, -distance, distance)
        return torch.cat([points, signed[:, None], colors], dim=1)

    def _pictures(self, indices: list[int], views: list[list[int]], size: int) -> Pictures:
        if self.view_size % size:
            raise ConfigError(f"views of {self.view_size} pixels cannot be shrunk to {size} evenly")
        cameras = [self.library.cameras(i) for i in indices]
        rgba = [
            torch.stack([_over_black(self.library.picture(i, v)) for v in chosen])
            for i, chosen in zip(indices, views, strict=True)
        ]
        shrunk = [
            F.avg_pool2d(each.movedim(-1, 1), self.view_size // size).movedim(1, -1)
            for each in rgba
        ]
        pairs = list(zip(cameras, views, strict=True))
        origins = np.stack([each.origins[chosen] for each, chosen in pairs])
        axes = np.stack([each.axes[chosen] for each, chosen in pairs])
        fov = cameras[0].fov
        return Pictures(torch.stack(shrunk), torch.from_numpy(origins), torch.from_numpy(axes), fov)


def _over_black(rgba: NDArray[np.uint8]) -> Tensor:
    """Return a picture with straight alpha as colours over black and coverage, [H, W, 4]."""
    values = torch.from_numpy(rgba).float() / 255
    return torch.cat([values[..., :3] * values[..., 3:], values[..., 3:]], dim=-1)


def _draw_pixels(
    coverage: Tensor, count: int, covered_share: float, generator: torch.Generator
) -> Tensor:
    """Draw pixels, so many of them among the covered ones, [count]."""
    pixels = torch.randint(len(coverage), (count,), generator=generator)
    covered = coverage.nonzero()[:, 0]
    num_covered = int(count * covered_share) if len(covered) else 0
    if num_covered:
        picked = torch.randint(len(covered), (num_covered,), generator=generator)
        pixels[:num_covered] = covered[picked]
    return pixels
