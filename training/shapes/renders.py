# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of shapes under random cameras and lights, many at a time, on any device.

Light is added up in linear color: a sky that is brighter from above, a lamp with shadows, and its
highlight. Transparent or before a background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from .field import ShapeBatch
from .pieces import Shape
from .raycast import Raycaster, Rays, nearest
from .views import Cameras, Lights, Placement, draw_backgrounds, draw_cameras, draw_lights

_AT_A_TIME = 32
"""Pictures traced together; more take more memory and no less time."""
_SHADOW_SIZE, _SHADOW_REACH = 72, 1.5
"""Pixels per side of the lamp's own picture, and half of what it shows."""
_SHADOW_LIFT, _SHADOW_BIAS = 0.03, 0.02
_LAMP_DISTANCE = 40.0
_SHINE_POWER = 32.0


@dataclass(frozen=True, slots=True)
class Pictures:
    """N square pictures, first row at the top."""

    rgb: Tensor
    """sRGB in [0, 1], [N, R, R, 3]; straight, not multiplied by alpha; 0 where that is 0."""
    alpha: Tensor
    """Coverage by the shape in [0, 1], [N, R, R]."""

    def over(self, background: Tensor) -> Tensor:
        """Return the pictures before a background, [N, R, R, 3], which broadcasts."""
        return torch.lerp(background.to(self.rgb), self.rgb, self.alpha[..., None])


def render_shapes(
    shapes: Sequence[Shape],
    size: int = 64,
    *,
    generator: torch.Generator,
    per_shape: int = 1,
    placement: Placement = "photo",
    samples: int = 1,
    device: torch.device | str = "cpu",
) -> Pictures:
    """Return pictures of shapes under random cameras and lights, those of a shape in a row.

    Args:
        shapes: B finished shapes or scenes.
        size: pixels per side.
        generator: of cameras and lights, on the CPU.
        per_shape: pictures of each shape; there are N = B * per_shape in all.
        placement: where cameras stand.
        samples: rays per pixel and axis; 2 smooths edges and takes twice as long.
        device: where to trace.
    """
    count = len(shapes) * per_shape
    cameras = draw_cameras(count, generator, placement)
    lights = draw_lights(cameras, generator)
    batch = ShapeBatch(shapes, device)
    owners = torch.arange(len(shapes)).repeat_interleave(per_shape)
    return render_views(batch, owners, cameras, lights, size, samples=samples)


def add_backgrounds(pictures: Pictures, generator: torch.Generator) -> Tensor:
    """Return pictures before random backgrounds, sRGB in [0, 1], [N, R, R, 3]."""
    count, size = pictures.alpha.shape[:2]
    return pictures.over(draw_backgrounds(count, size, generator).to(pictures.rgb.device))


@torch.no_grad()
def render_views(
    batch: ShapeBatch,
    owners: Tensor,
    cameras: Cameras,
    lights: Lights,
    size: int,
    *,
    samples: int = 1,
) -> Pictures:
    """Return pictures by given cameras, under given lights.

    Args:
        batch: the shapes.
        owners: which of them each picture shows, [N].
        cameras, lights: N of each.
        size: pixels per side.
        samples: rays per pixel and axis.
    """
    device = batch.device
    caster, parts = Raycaster(batch), []
    cameras, lights, owners = cameras.to(device), lights.to(device), owners.to(device)
    for start in range(0, len(owners), _AT_A_TIME):
        rows = slice(start, start + _AT_A_TIME)
        shown = Cameras(cameras.origins[rows], cameras.axes[rows], cameras.fovs[rows])
        lit = Lights(*(getattr(lights, name)[rows] for name in lights.__slots__))
        parts.append(_render(caster, owners[rows], shown, lit, size * samples))
    rgba = torch.cat(parts)  # [N, S, S, 4], premultiplied and linear
    if samples > 1:
        rgba = F.avg_pool2d(rgba.permute(0, 3, 1, 2), samples).permute(0, 2, 3, 1)
    alpha = rgba[..., 3]
    linear = rgba[..., :3] / alpha[..., None].clamp_min(1e-6)
    return Pictures(_to_srgb(linear.clamp(0.0, 1.0)), alpha)


@dataclass(frozen=True, slots=True)
class _Hits:
    """Where n of the rays of some pictures meet their shapes."""

    views: Tensor  # [n]
    pixels: Tensor  # [n], row by row
    members: Tensor  # [n], primitives
    depths: Tensor  # [n]
    rays: Rays


def _trace(caster: Raycaster, owners: Tensor, cameras: Cameras, size: int) -> _Hits:
    """Return the first hits of one ray per pixel."""
    views, members, pixels = _candidates(caster, owners, cameras, size)
    depths = caster.depths(members, _pixel_rays(cameras, views, pixels, size))
    depth, member = nearest(depths, members, views * size**2 + pixels, len(owners) * size**2)
    seen = (member >= 0).nonzero()[:, 0]
    views, pixels = seen // size**2, seen % size**2
    rays = _pixel_rays(cameras, views, pixels, size)
    return _Hits(views, pixels, member[seen], depth[seen], rays)


def _render(
    caster: Raycaster, owners: Tensor, cameras: Cameras, lights: Lights, size: int
) -> Tensor:
    """Return pictures with one ray per pixel, linear and premultiplied, [N, size, size, 4]."""
    hits = _trace(caster, owners, cameras, size)
    colors = _shade(caster, hits, owners, lights)
    result = colors.new_zeros(len(owners) * size**2, 4)
    result[hits.views * size**2 + hits.pixels] = F.pad(colors, (0, 1), value=1.0)
    return result.view(-1, size, size, 4)


def _pixel_rays(cameras: Cameras, views: Tensor, pixels: Tensor, size: int) -> Rays:
    """Return rays through the centers of pixels, numbered row by row."""
    reach = (0.5 * cameras.fovs[views]).tan()
    across = ((pixels % size) * 2 + 1) / size - 1.0
    down = ((pixels // size) * 2 + 1) / size - 1.0
    steps = torch.stack([across * reach, down * reach, torch.ones_like(reach)], dim=1)
    directions = torch.einsum("ni,nij->nj", steps, cameras.axes[views])
    return Rays(cameras.origins[views], F.normalize(directions, dim=1))


def _candidates(
    caster: Raycaster, owners: Tensor, cameras: Cameras, size: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return every view, primitive and pixel where it may show: its box's outline, [n] each."""
    batch = caster.batch
    is_shown = (batch.shape_of[None] == owners[:, None]) & caster.is_visible[None]
    views, members = is_shown.nonzero().unbind(1)
    signs = torch.tensor([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    signs = signs.to(batch.device, torch.float32)
    low, high = caster.low[members, None], caster.high[members, None]
    corners = low + (high - low) * signs  # [n, 8, 3]
    world = torch.einsum("nki,nji->nkj", corners, batch.rotations[members])
    seen = world + (batch.centres[members] - cameras.origins[views])[:, None]
    x, y, z = torch.einsum("nkj,nij->nki", seen, cameras.axes[views]).unbind(-1)
    scale = z.clamp_min(1e-3) * (0.5 * cameras.fovs[views]).tan()[:, None]

    def edges(values: Tensor) -> tuple[Tensor, Tensor]:
        places = (values / scale + 1.0) * (0.5 * size)
        first = places.amin(dim=1).floor().clamp(0, size).long()
        return first, places.amax(dim=1).ceil().clamp(0, size).long()

    (left, right), (top, bottom) = edges(x), edges(y)
    width, height = (right - left).clamp_min(0), (bottom - top).clamp_min(0)
    counts = width * height
    owner = torch.arange(len(counts), device=counts.device).repeat_interleave(counts)
    starts = counts.cumsum(0) - counts
    place = torch.arange(len(owner), device=counts.device) - starts[owner]
    row, column = top[owner] + place // width[owner], left[owner] + place % width[owner]
    return views[owner], members[owner], row * size + column


def _shade(caster: Raycaster, hits: _Hits, owners: Tensor, lights: Lights) -> Tensor:
    """Return the linear color of what rays hit, [n, 3]."""
    points, views = hits.rays.at(hits.depths), hits.views
    normals = caster.normals(hits.members, points)
    lamp = lights.directions[views]
    facing = (normals * lamp).sum(dim=1)
    lifted = points + _SHADOW_LIFT * normals
    free = 1.0 - lights.shadows[views] * _shadow(caster, owners, lights, views, lifted)
    key = (facing.clamp_min(0.0) * free)[:, None] * lights.keys[views]
    sky = (0.7 + 0.3 * normals[:, 2:]) * lights.skies[views]
    halfway = F.normalize(lamp - hits.rays.directions, dim=1)
    shine = (normals * halfway).sum(dim=1).clamp_min(0.0) ** _SHINE_POWER
    shine = shine * free * (facing > 0.0) * lights.shines[views]
    return _to_linear(caster.batch.colours[hits.members]) * (key + sky) + shine[:, None]


def _shadow(
    caster: Raycaster, owners: Tensor, lights: Lights, views: Tensor, points: Tensor
) -> Tensor:
    """Return how much of the lamp is hidden from points, [n] in [0, 1].

    By a picture of depths as the lamp sees them (Williams, 1978), compared at the four nearest
    pixels: soft over a pixel of it, and far cheaper than a ray for every point.
    """
    size = _SHADOW_SIZE
    down = F.normalize(_across(lights.directions), dim=1)
    right = torch.linalg.cross(down, -lights.directions)
    axes = torch.stack([right, down, -lights.directions], dim=1)
    fovs = torch.full_like(lights.shadows, 2.0 * math.atan(_SHADOW_REACH / _LAMP_DISTANCE))
    lamps = Cameras(_LAMP_DISTANCE * lights.directions, axes, fovs)
    hits = _trace(caster, owners, lamps, size)
    depths = points.new_full((len(owners) * size**2,), float("inf"))
    depths[hits.views * size**2 + hits.pixels] = hits.depths
    seen = torch.einsum("nj,nij->ni", points - lamps.origins[views], axes[views])
    place = (seen[:, :2] / seen[:, 2:] * (_LAMP_DISTANCE / _SHADOW_REACH) + 1.0) * (0.5 * size)
    corner = (place - 0.5).floor()
    share = place - 0.5 - corner
    own, hidden = seen.norm(dim=1) - _SHADOW_BIAS, torch.zeros_like(seen[:, 0])
    for x, y in ((0, 0), (0, 1), (1, 0), (1, 1)):
        column, row = ((corner[:, i] + (x, y)[i]).clamp(0, size - 1).long() for i in (0, 1))
        weight = (share[:, 0] - (1 - x)).abs() * (share[:, 1] - (1 - y)).abs()
        hidden += weight * (depths[(views * size + row) * size + column] < own)
    return hidden


def _across(directions: Tensor) -> Tensor:
    """Return a vector across each direction, [N, 3]."""
    up = directions.new_tensor([0.0, 0.0, 1.0]).expand_as(directions)
    side = directions.new_tensor([0.0, 1.0, 0.0]).expand_as(directions)
    chosen = torch.where(directions[:, 2:].abs() > 0.9, side, up)
    across: Tensor = torch.linalg.cross(directions, chosen)
    return across


def _to_linear(srgb: Tensor) -> Tensor:
    high = ((srgb + 0.055) / 1.055).pow(2.4)
    return torch.where(srgb <= 0.04045, srgb / 12.92, high)


def _to_srgb(linear: Tensor) -> Tensor:
    high = 1.055 * linear.clamp_min(1e-8).pow(1.0 / 2.4) - 0.055
    srgb: Tensor = torch.where(linear <= 0.0031308, 12.92 * linear, high)
    return srgb
