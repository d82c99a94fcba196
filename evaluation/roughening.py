# SPDX-License-Identifier: GPL-3.0-or-later
"""How judges are trained, and how clouds of ground truth are made a little worse for that."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .judge_data import JudgeData


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTraining:
    """How a judge is trained."""

    num_shapes: int = 9000
    num_steps: int = 1800
    batch_size: int = 48
    num_points: int = 256
    learning_rate: float = 2e-3
    seed: int = 0
    jitter: float = 0.02
    """Largest standard deviation of the noise on positions; each cloud draws its own."""
    stretch: float = 0.08
    """Each axis is scaled by 1 plus or minus up to this."""
    largest_hole: float = 0.3
    """Radius of the ball whose points may be missing."""
    colour_shift: float = 0.03
    """Standard deviation of the error on all colours of a cloud together, and on each alone."""
    colour_bleed: float = 0.15
    """Share of the points that take on some of another point's colour."""


def optimizer_of(
    judge: nn.Module, config: JudgeTraining
) -> tuple[torch.optim.AdamW, torch.optim.lr_scheduler.OneCycleLR]:
    """Return what trains a judge, and the schedule of its rate."""
    rate = config.learning_rate
    optimizer = torch.optim.AdamW(judge.parameters(), lr=rate, weight_decay=0.02, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rate, total_steps=config.num_steps, pct_start=0.1
    )
    return optimizer, schedule


def roughen(
    config: JudgeTraining, data: JudgeData, rows: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return some points of some clouds as a generated surface might have them, [B, N, 3] each."""
    size, count = len(rows), config.num_points

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    chosen = torch.randint(data.points.shape[1], (count,), generator=generator)
    points, colors = data.points[rows[:, None], chosen], data.colors[rows[:, None], chosen]
    points, colors = with_hole(config, points, colors, generator)
    points = shaken(config, points, generator)
    share = uniform(size, count, 1) * (uniform(size, count, 1) < config.colour_bleed)
    colors = torch.lerp(colors, colors.roll(1, dims=1), share)
    colors = colors + config.colour_shift * (normal(size, 1, 3) + normal(size, count, 3))
    return points, colors.clamp(0, 1)


def with_hole(
    config: JudgeTraining, points: Tensor, facts: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return clouds [B, N, 3] and what is known of each point [B, N, C], some with a hole.

    The points of the hole are replaced by others, so that the count stays the same.
    """
    size, count = points.shape[:2]
    radius = config.largest_hole * torch.rand(size, 1, generator=generator)
    radius = radius * (torch.rand(size, 1, generator=generator) < 0.3)
    in_hole = ((points - points[:, :1]).norm(dim=-1) < radius)[..., None]
    points = torch.where(in_hole, points.roll(count // 2, dims=1), points)
    return points, torch.where(in_hole, facts.roll(count // 2, dims=1), facts)


def shaken(config: JudgeTraining, points: Tensor, generator: torch.Generator) -> Tensor:
    """Return clouds stretched along the axes and with noise on each point, [B, N, 3]."""
    size = len(points)
    stretch = 2 * torch.rand(size, 1, 3, generator=generator) - 1
    points = points * (1 + config.stretch * stretch)
    noise = config.jitter * torch.rand(size, 1, 1, generator=generator)
    return points + noise * torch.randn(points.shape, generator=generator)
