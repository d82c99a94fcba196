# SPDX-License-Identifier: GPL-3.0-or-later
"""The generated shapes in memory, and random batches of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from .shapes.attributes import ShapeAttributes
from .shapes.labels import SceneLabels
from .shapes.shards import read_shard

NUM_VALIDATION = 256
"""Shapes at the end of the data set that no stage trains on."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Supervised positions of some shapes."""

    points: Tensor
    """[B, P, 3], in [-1, 1]."""
    distance: Tensor
    """Positive inside, [B, P]."""
    colors: Tensor
    """sRGB in [0, 1], [B, P, 3]."""

    def to(self, device: torch.device) -> Queries:
        """Return the same on a device."""
        points, distance, colors = self.points, self.distance, self.colors
        return Queries(points.to(device), distance.to(device), colors.to(device))


class ShapeDataset:
    """All shards of a folder; half precision in memory."""

    def __init__(self, folder: Path) -> None:
        shards = [read_shard(path) for path in sorted(folder.glob("*.npz"))]
        if not shards:
            raise FileNotFoundError(f"{folder} holds no shards: run `generate` first")
        self.points = torch.cat([torch.from_numpy(s.points) for s in shards])
        self.point_colors = torch.cat([torch.from_numpy(s.point_colors) for s in shards])
        self.query_points = torch.cat([torch.from_numpy(s.query_points) for s in shards])
        self.query_distance = torch.cat([torch.from_numpy(s.query_distance) for s in shards])
        self.query_colors = torch.cat([torch.from_numpy(s.query_colors) for s in shards])
        self.attributes: list[ShapeAttributes] = [a for s in shards for a in s.attributes]
        self.labels: list[SceneLabels] | None = None
        """Of scenes; None where the shapes are single objects without labels."""
        if all(s.labels is not None for s in shards):
            self.labels = [label for s in shards for label in s.labels or ()]
        self.pictures: Tensor | None = None
        """Bytes, sRGB and straight alpha, [N, V, R, R, 4]; None where the shards have none."""
        pictures = [torch.from_numpy(s.pictures) for s in shards if s.pictures is not None]
        if len(pictures) == len(shards):
            self.pictures = torch.cat(pictures)

    def __len__(self) -> int:
        return len(self.attributes)

    @property
    def num_training(self) -> int:
        """Shapes before the validation split."""
        return len(self) - NUM_VALIDATION

    def training_indices(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw training shapes, [count]."""
        return torch.randint(self.num_training, (count,), generator=generator)

    def cloud(
        self, indices: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return random surface points and colours of shapes, each [B, count, 3]."""
        chosen = torch.randint(self.points.shape[1], (count,), generator=generator)
        rows = indices[:, None]
        return self.points[rows, chosen].float(), _colors(self.point_colors[rows, chosen])

    def queries(self, indices: Tensor, count: int, generator: torch.Generator) -> Queries:
        """Return random query points of shapes."""
        chosen = torch.randint(self.query_points.shape[1], (count,), generator=generator)
        rows = indices[:, None]
        return Queries(
            self.query_points[rows, chosen].float(),
            self.query_distance[rows, chosen].float(),
            _colors(self.query_colors[rows, chosen]),
        )


def _colors(stored: Tensor) -> Tensor:
    return stored.float() / 255 if stored.dtype == torch.uint8 else stored.float()
