# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of scenes as a small CLIP sees them in training: moved, tinted, on any background.

What the user gives has another engine's light, another lens and another ground, so none of it may
matter. Left and right are exchanged as well, since no caption tells them apart. The object is put
in the middle first, as `core/reference.py` does with what it can cut out.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.reference import MARGIN

_WHITE_SHARE, _PLAIN_SHARE, _FLOOR_SHARE = 0.35, 0.2, 0.3
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
    mixed = alpha * color + (1 - alpha) * _behind(alpha, generator)
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


def _behind(alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Return random backgrounds of objects that cover alpha [B, 1, P, P], [B, 3, P, P]."""
    count, side = len(alpha), alpha.shape[-1]
    plain = backgrounds(count, side, generator)
    on_floor = torch.rand(count, 1, 1, 1, generator=generator) < _FLOOR_SHARE
    return torch.where(on_floor, floors(alpha, generator), plain)


def backgrounds(count: int, side: int, generator: torch.Generator) -> Tensor:
    """Return random backgrounds in [0, 1], [count, 3, side, side]."""
    lot = torch.rand(count, 1, 1, 1, generator=generator) * (1 - _FLOOR_SHARE)
    one, two = torch.rand(2, count, 3, 1, 1, generator=generator)
    blend = _patterns(count, side, generator)
    busy = blend * one + (1 - blend) * two
    plain = torch.where(lot < _WHITE_SHARE + _PLAIN_SHARE, one.expand_as(busy), busy)
    return torch.where(lot < _WHITE_SHARE, torch.ones_like(busy), plain)


def floors(alpha: Tensor, generator: torch.Generator) -> Tensor:
    """Return patterned floors up to a horizon, each with the shadow of what stands on it.

    Args:
        alpha: coverage by the objects, [B, 1, P, P].
        generator: draws everything.

    Returns:
        sRGB in [0, 1], [B, 3, P, P].
    """
    count, side = len(alpha), alpha.shape[-1]

    def between(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, channels, 1, 1, generator=generator)

    across = ((2 * torch.arange(side) + 1) / side - 1).view(1, 1, 1, side)
    down = across.mT
    # Above the picture's upper edge there is no horizon: the floor is seen from above.
    horizon = between(-2.0, 0.3)
    depth = 1 / (down - horizon).clamp(min=0.02)
    turn = between(0, math.pi)
    far, aside = between(-9, 9) + depth * between(1, 5), depth * across
    pitch = between(0.5, 4)
    x = pitch * (turn.cos() * aside + turn.sin() * far)
    y = pitch * (turn.cos() * far - turn.sin() * aside)
    shares = torch.stack([each.expand(count, 1, side, side) for each in _tilings(x, y)])
    chosen = torch.randint(len(shares), (count,), generator=generator)
    share = shares[chosen, torch.arange(count)]
    # Tiles that are smaller than a pixel blend.
    share = 0.5 + (share - 0.5) * (-0.06 * pitch * depth).exp()
    one, two = between(0, 1, 3), between(0, 1, 3)
    # Every other floor is of two shades of one color.
    two = torch.where(between(0, 1) < 0.5, two, (one + between(-0.3, 0.3)).clamp(0, 1))
    floor = (share * one + (1 - share) * two) * (1 - _shadows(alpha, across, between))
    sky = (between(0.6, 1.0) + between(-0.1, 0.1, 3) + between(-0.2, 0.2) * down).clamp(0, 1)
    return torch.where(down > horizon, floor, sky)


def _tilings(x: Tensor, y: Tensor) -> tuple[Tensor, ...]:
    """Return tiles, stripes, bricks and blotches of a floor from 0 to 1, each like x."""
    tiles = ((x.floor() + y.floor()) % 2).float()
    stripes = (x.floor() % 2).float()
    rows = y.floor()
    joints = (((x / 2 + rows / 2) % 1 > 0.06) & (y % 1 > 0.12)).float()
    waves = (2.1 * x + 1.3 * (1.7 * y).sin()).sin() + (1.9 * y + 1.1 * (1.3 * x + 1).sin()).sin()
    return tiles, stripes, joints, 0.5 + 0.25 * waves


def _shadows(alpha: Tensor, across: Tensor, between: Callable[[float, float], Tensor]) -> Tensor:
    """Return how much darker floors are around where objects stand, [B, 1, P, P]."""
    is_seen = alpha[:, 0] > _SEEN
    middle, half = _boxes(alpha[:, 0])
    side = alpha.shape[-1]
    last = side - is_seen.any(2).flip(1).float().argmax(1)
    ground = (2 * last / side - 1).view(-1, 1, 1, 1)
    wide = half.view(-1, 1, 1, 1) * between(0.5, 1.1)
    x = (across - middle[:, 0].view(-1, 1, 1, 1) - wide * between(-0.6, 0.6)) / wide
    y = (across.mT - ground + 0.3 * wide) / (wide * between(0.25, 0.6))
    return between(0, 0.6) * (1.5 - (x**2 + y**2)).clamp(0, 1)


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
