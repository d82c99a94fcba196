# SPDX-License-Identifier: GPL-3.0-or-later
"""Random cameras, lights and backgrounds for pictures of shapes.

All draws come from one generator on the CPU and move to the device afterwards, so that a seed
gives the same pictures everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Placement = Literal["photo", "sphere", "ring"]
"""Cameras as people hold them, in front and a little above; all around; or evenly around at one
elevation."""

_PHOTO_AZIMUTH, _PHOTO_ELEVATIONS = 75.0, (-5.0, 50.0)
_RING_ELEVATION = 22.0
_FOVS = (24.0, 55.0)
_FILLS = (1.05, 1.55)
"""Half of what a picture shows at the middle of the cube; the longest half extent is 0.85."""
_SHIFT, _ROLL = 0.1, 5.0


@dataclass(frozen=True, slots=True)
class Cameras:
    """N pinhole cameras; the names are those of `core.asset.Cameras`."""

    origins: Tensor  # [N, 3]
    axes: Tensor  # [N, 3, 3]: rows are right, down and forward
    fovs: Tensor  # [N], full opening angle across and up, radians

    def to(self, device: torch.device) -> Cameras:
        """Return the cameras on a device."""
        return Cameras(self.origins.to(device), self.axes.to(device), self.fovs.to(device))

    @staticmethod
    def joined(cameras: Sequence[Cameras]) -> Cameras:
        """Return all cameras of a sequence as one."""
        names = Cameras.__slots__
        return Cameras(*(torch.cat([getattr(each, name) for each in cameras]) for name in names))


@dataclass(frozen=True, slots=True)
class Lights:
    """One lamp at infinity and an even sky for each of N pictures; strengths are linear."""

    directions: Tensor  # [N, 3], towards the lamp
    keys: Tensor  # [N, 3], color and strength of the lamp
    skies: Tensor  # [N, 3], color and strength of the sky
    shadows: Tensor  # [N], how much of the lamp shadows take, in [0, 1]
    shines: Tensor  # [N], strength of highlights

    def to(self, device: torch.device) -> Lights:
        """Return the lights on a device."""
        return Lights(*(getattr(self, name).to(device) for name in self.__slots__))

    @staticmethod
    def joined(lights: Sequence[Lights]) -> Lights:
        """Return all lights of a sequence as one."""
        names = Lights.__slots__
        return Lights(*(torch.cat([getattr(each, name) for each in lights]) for name in names))


def draw_cameras(count: int, generator: torch.Generator, placement: Placement = "photo") -> Cameras:
    """Return random cameras that look at the middle of the cube from outside it."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    if placement == "photo":
        azimuth = uniform(-_PHOTO_AZIMUTH, _PHOTO_AZIMUTH)
        elevation = uniform(*_PHOTO_ELEVATIONS)
    elif placement == "ring":
        azimuth = 360.0 * (torch.arange(count) + uniform(0.0, 1.0)[:1]) / count
        elevation = torch.full((count,), _RING_ELEVATION)
    else:
        azimuth = uniform(0.0, 360.0)
        elevation = torch.rad2deg(torch.asin(uniform(-1.0, 1.0))).clamp(-88.0, 88.0)
    fovs = torch.deg2rad(uniform(*_FOVS))
    reach = uniform(*_FILLS) / (0.5 * fovs).tan()
    # Never inside the cube, whose corners are 1.47 away from its middle.
    reach = reach.clamp_min(1.6)
    target = torch.stack([uniform(-_SHIFT, _SHIFT) for _ in range(3)], dim=1)
    return look_at(azimuth, elevation, reach, target, fovs, uniform(-_ROLL, _ROLL))


def look_at(
    azimuth: Tensor, elevation: Tensor, reach: Tensor, target: Tensor, fovs: Tensor, roll: Tensor
) -> Cameras:
    """Return cameras around targets.

    Args:
        azimuth: degrees from the front (-Y) towards +X, [N].
        elevation: degrees above the horizon, below 90, [N].
        reach: distance from the target, [N].
        target: what is in the middle of the picture, [N, 3].
        fovs: full opening angles, radians, [N].
        roll: degrees that the camera leans over, [N].
    """
    a, e = torch.deg2rad(azimuth), torch.deg2rad(elevation)
    back = torch.stack([a.sin() * e.cos(), -a.cos() * e.cos(), e.sin()], dim=1)
    level = torch.stack([a.cos(), a.sin(), torch.zeros_like(a)], dim=1)
    down = torch.linalg.cross(-back, level)
    turn = torch.deg2rad(roll)[:, None]
    right = turn.cos() * level + turn.sin() * down
    axes = torch.stack([right, torch.linalg.cross(-back, right), -back], dim=1)
    return Cameras(target + reach[:, None] * back, axes, fovs)


def draw_lights(cameras: Cameras, generator: torch.Generator) -> Lights:
    """Return random lights, mostly from above and from the cameras' side."""
    count = len(cameras.origins)

    def uniform(low: float, high: float, width: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(count, width, generator=generator)

    side = F.normalize(cameras.origins.cpu(), dim=1) * uniform(0.2, 1.0)
    direction = side + 0.55 * torch.randn(count, 3, generator=generator)
    direction[:, 2] += uniform(0.3, 1.0)[:, 0]
    direction[:, 2] = direction[:, 2].clamp_min(0.05)
    warm = uniform(-0.08, 0.08) * torch.tensor([[1.0, 0.1, -1.0]])
    return Lights(
        directions=F.normalize(direction, dim=1),
        keys=uniform(0.45, 0.95) * (1.0 + warm),
        skies=uniform(0.22, 0.55) * (1.0 - 0.5 * warm),
        shadows=uniform(0.0, 1.0)[:, 0].clamp(0.0, 0.9),
        shines=(uniform(-0.1, 0.25)[:, 0]).clamp_min(0.0),
    )


def draw_backgrounds(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Return backgrounds without objects, sRGB in [0, 1], [N, size, size, 3].

    A quarter each are plain, run from one color to another, are a floor before a wall, or blotches;
    half of all colors are near to grey and bright, as rooms and papers are.
    """

    def colors(width: int) -> Tensor:
        any_color = torch.rand(count, width, 3, generator=generator)
        pale = 0.55 + 0.45 * torch.rand(count, width, 1, generator=generator)
        pale = pale + 0.06 * (any_color - 0.5)
        chosen = torch.rand(count, 1, 1, generator=generator) < 0.5
        return torch.where(chosen, pale, any_color).clamp(0.0, 1.0)

    first, second = colors(2)[:, :, None, None, :].unbind(1)  # [N, 1, 1, 3]
    rows = torch.linspace(0.0, 1.0, size)[None, :, None, None]
    tilt = 2.0 * math.pi * torch.rand(count, 1, 1, 1, generator=generator)
    columns = rows.transpose(1, 2)
    slope = (0.5 + (rows - 0.5) * tilt.cos() + (columns - 0.5) * tilt.sin()).clamp(0.0, 1.0)
    horizon = 0.35 + 0.45 * torch.rand(count, 1, 1, 1, generator=generator)
    floor = ((rows - horizon) * size).clamp(0.0, 1.0).expand(-1, -1, size, -1)
    blotches = torch.rand(count, 1, 5, 5, generator=generator)
    soft = F.interpolate(blotches, (size, size), mode="bicubic", align_corners=False)
    soft = soft.permute(0, 2, 3, 1).clamp(0.0, 1.0)
    styles = torch.stack([torch.zeros_like(soft), slope, floor, soft])
    style = torch.randint(4, (count,), generator=generator)
    share = styles[style, torch.arange(count)]
    return torch.lerp(first, second, share)
