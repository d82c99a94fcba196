# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of scenes as a small CLIP sees them in training: moved, tinted, on any background.

What the user gives has another engine's light, another lens and another ground, so none of it may
matter. Left and right are exchanged as well, since no caption tells them apart.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_WHITE_SHARE, _PLAIN_SHARE = 0.45, 0.3
"""Of the backgrounds; the rest has two colors, blotches or stripes."""
_ZOOM = (0.75, 1.2)
_SHIFT = 0.12
"""Of the picture's side, to either side."""
_TURN = math.radians(8)
_GAIN, _TINT, _GAMMA = 0.2, 0.06, 0.2
_NOISE = 0.03


def vary(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures as training shows them, RGB in [0, 1], [B, 3, P, P].

    Args:
        pictures: straight-alpha RGBA in [0, 1], [B, 4, P, P], on the CPU.
        generator: draws everything.
    """
    moved = _move(pictures, generator)
    color, alpha = _relight(moved[:, :3], generator), moved[:, 3:]
    mixed = alpha * color + (1 - alpha) * backgrounds(len(color), color.shape[-1], generator)
    blurred = torch.rand(len(color), 1, 1, 1, generator=generator) < 0.25
    soft = F.avg_pool2d(F.pad(mixed, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    mixed = torch.where(blurred, soft, mixed)
    level = _NOISE * torch.rand(len(color), 1, 1, 1, generator=generator)
    return (mixed + level * torch.randn(mixed.shape, generator=generator)).clamp(0, 1)


def on_white(pictures: Tensor) -> Tensor:
    """Return straight-alpha RGBA [B, 4, P, P] on white, as prompts' pictures are put."""
    alpha = pictures[:, 3:]
    return alpha * pictures[:, :3] + (1 - alpha)


def backgrounds(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return random backgrounds in [0, 1], [count, 3, side, side]."""
    lot = torch.rand(count, 1, 1, 1, generator=generator)
    one, two = torch.rand(2, count, 3, 1, 1, generator=generator)
    blend = _patterns(count, side, generator)
    busy = blend * one + (1 - blend) * two
    plain = torch.where(lot < _WHITE_SHARE + _PLAIN_SHARE, one.expand_as(busy), busy)
    return torch.where(lot < _WHITE_SHARE, torch.ones_like(busy), plain)


def _patterns(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return soft blotches of some size, or stripes, from 0 to 1, [count, 1, side, side]."""
    cells = int(torch.randint(2, 9, (1,), generator=generator))
    coarse = torch.rand(count, 1, cells, cells, generator=generator)
    blotches = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)
    across = torch.linspace(0, 1, side)
    angle = torch.rand(count, 1, 1, 1, generator=generator) * math.pi
    pitch = 1 + 9 * torch.rand(count, 1, 1, 1, generator=generator)
    along = angle.cos() * across + angle.sin() * across[:, None]
    stripes = 0.5 + 0.5 * torch.sin(2 * math.pi * pitch * along)
    is_striped = torch.rand(count, 1, 1, 1, generator=generator) < 0.4
    return torch.where(is_striped, stripes, blotches)


def _move(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Zoom, turn, shift and mirror, without a fringe of what lies behind alpha."""
    count = len(pictures)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    zoom, turn = 1 / between(*_ZOOM), between(-_TURN, _TURN)
    flip = torch.where(between(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = zoom * turn.cos(), zoom * turn.sin()
    x, y = between(-2 * _SHIFT, 2 * _SHIFT), between(-2 * _SHIFT, 2 * _SHIFT)
    rows = torch.stack([flip * cos, -sin, x, flip * sin, cos, y], 1).view(count, 2, 3)
    grid = F.affine_grid(rows, list(pictures.shape), align_corners=False)
    weighted = torch.cat([pictures[:, :3] * pictures[:, 3:], pictures[:, 3:]], 1)
    moved = F.grid_sample(weighted, grid, align_corners=False)
    return torch.cat([moved[:, :3] / moved[:, 3:].clamp(min=1e-4), moved[:, 3:]], 1).clamp(0, 1)


def _relight(color: Tensor, generator: torch.Generator) -> Tensor:
    """Change exposure, white balance and contrast a little; colors keep their names."""
    count = len(color)
    gain = 1 + _GAIN * (2 * torch.rand(count, 1, 1, 1, generator=generator) - 1)
    tint = 1 + _TINT * (2 * torch.rand(count, 3, 1, 1, generator=generator) - 1)
    gamma = 1 + _GAMMA * (2 * torch.rand(count, 1, 1, 1, generator=generator) - 1)
    return ((color.clamp(min=1e-4) ** gamma) * gain * tint).clamp(0, 1)
