# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of scenes as a small CLIP sees them in training: moved, tinted, on any background.

What the user gives has another engine's light, another lens and another ground, so none of it may
matter. Left and right are exchanged as well, since no caption tells them apart. The object is put
in the middle first, as `core/reference.py` does with what it can cut out.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.reference import MARGIN

_WHITE_SHARE, _PLAIN_SHARE = 0.45, 0.3
"""Of the backgrounds; the rest has two colors, blotches or stripes."""
_FILL = (0.55, 0.95)
"""Share of the picture that an object takes; `core.reference` gives it four fifths."""
_SHIFT = 0.08
"""Of half the picture's side, beyond what an object leaves free."""
_PREPARED_FILL = 1 - 2 * MARGIN
_SEEN = 0.05
"""Alpha from which a pixel belongs to the object."""
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


def prepared(pictures: Tensor) -> Tensor:
    """Return pictures as a user's is given to the model: cut out, in the middle, on white.

    Args:
        pictures: straight-alpha RGBA in [0, 1], [B, 4, P, P].
    """
    middle, half = _boxes(pictures[:, 3])
    scale = half / _PREPARED_FILL
    none = torch.zeros_like(scale)
    rows = torch.stack([scale, none, middle[:, 0], none, scale, middle[:, 1]], 1)
    return on_white(_resample(pictures, rows.view(-1, 2, 3)))


def on_white(pictures: Tensor) -> Tensor:
    """Return straight-alpha RGBA [B, 4, P, P] on white."""
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
    """Put the object near the middle; zoom, turn, shift and mirror it."""
    count = len(pictures)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    middle, half = _boxes(pictures[:, 3])
    fill, turn = between(*_FILL), between(-_TURN, _TURN)
    scale = half / fill
    flip = torch.where(between(0, 1) < 0.5, -1.0, 1.0)
    cos, sin = scale * turn.cos(), scale * turn.sin()
    free = (1 - fill + _SHIFT) * scale
    x, y = (middle[:, axis] + free * between(-1, 1) for axis in (0, 1))
    rows = torch.stack([flip * cos, -sin, x, flip * sin, cos, y], 1)
    return _resample(pictures, rows.view(count, 2, 3))


def _boxes(alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Return the middle of what is seen, [B, 2] as x and y, and half its longer side, [B].

    In units of half the picture's side, from its middle; the whole picture if nothing is seen.
    """
    is_seen = alpha > _SEEN
    side = alpha.shape[-1]
    edges = []
    for axis in (1, 2):
        along = is_seen.any(axis)  # [B, P]: of columns, then of rows
        first = along.float().argmax(1)
        last = side - along.flip(1).float().argmax(1)
        edges.append(torch.stack([first, last], 1) * 2 / side - 1)
    low, high = torch.stack(edges, 1).unbind(2)  # [B, 2], x and y
    return (low + high) / 2, ((high - low) / 2).amax(1)


def _resample(pictures: Tensor, rows: Tensor) -> Tensor:
    """Return pictures seen through affine maps [B, 2, 3], without a fringe of what alpha hides."""
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
