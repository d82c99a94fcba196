# SPDX-License-Identifier: GPL-3.0-or-later
"""The field seen as a NeRF: density and colour at points, and rays through them.

Volume rendering as in Mildenhall et al. (2020), arXiv:2003.08934, eq. 3, with the coarse and
fine heads of Shap-E (arXiv:2305.02463, section 4.1).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from .implicit_mlp import ImplicitMLP, SplitMLP

Level = Literal["coarse", "fine"]

Draw = Callable[[tuple[int, ...]], Tensor]
"""Returns uniform numbers in [0, 1) of a shape; injected so that a render can be repeated."""

_MISS_MARGIN = 1e-3
_PMF_FLOOR = 1e-5
_DIVISOR_NUDGE = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """How rays are sampled and what lies behind the object; published defaults."""

    num_coarse: int = 64
    num_fine: int = 128
    background: float = 0.0
    """0 is OpenAI's black, 1 is diffusers' white; both in [0, 1]."""
    uses_directions: bool = False


class RenderedRays(NamedTuple):
    """What each ray collected."""

    color: Tensor
    """sRGB over the background, [R, 3], in [0, 1]."""
    transmittance: Tensor
    """Share of the background that shows, [R, 1]."""
    distance: Tensor
    """Expected distance along the ray, [R, 1]."""


class Segment(NamedTuple):
    """Where rays run inside the box, each [R, 1]."""

    near: Tensor
    far: Tensor
    hits: Tensor


class RadianceField:
    """Density and colour of one shape, or of several whose points come one after the other."""

    def __init__(self, mlp: ImplicitMLP | SplitMLP, weights: Sequence[Tensor]) -> None:
        """Bind the shared MLP to the generated matrices of B shapes, each [B, rows, columns]."""
        self.mlp = mlp
        self.weights = list(weights)

    def evaluate(
        self, points: Tensor, level: Level, directions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return density [P, 1], not negative, and sRGB [P, 3] in [0, 1] at points [P, 3].

        Of several shapes each has P / B of the points, the first shape the first of them.
        """
        num_shapes = len(self.weights[0])
        batched = None if directions is None else directions.view(num_shapes, -1, 3)
        raw = self.mlp(points.view(num_shapes, -1, 3), self.weights, batched).flatten(0, 1)
        if level == "coarse":
            density, color = (
                self.mlp.split(raw, "density_coarse"),
                self.mlp.split(raw, "nerf_coarse_color"),
            )
        else:
            density, color = (
                self.mlp.split(raw, "density_fine"),
                self.mlp.split(raw, "nerf_fine_color"),
            )
        return density.float().relu(), color.float().sigmoid()


def render_rays(
    field: RadianceField, origins: Tensor, directions: Tensor, config: RayConfig, draw: Draw
) -> tuple[RenderedRays, RenderedRays]:
    """Render rays with the coarse heads, then with the fine heads at better placed samples.

    Args:
        field: density and colour; of several shapes, each has R / B of the rays.
        origins: [R, 3].
        directions: unit vectors, [R, 3].
        config: sample counts and background.
        draw: called three times: coarse jitter [R, Nc], inverse-CDF positions [R, Nf], jitter
            inside the chosen intervals [R, Nf].

    Returns:
        Coarse and fine result.
    """
    segment = intersect_box(origins, directions)
    num_rays = len(origins)
    coarse_t = stratified_samples(segment, config.num_coarse, draw)
    coarse, weights = _march(field, "coarse", origins, directions, coarse_t, segment, config)
    chosen = _choose_intervals(weights, draw((num_rays, config.num_fine)))
    lower, upper = _intervals(coarse_t, segment)
    jitter = draw((num_rays, config.num_fine))
    low, high = lower.gather(1, chosen), upper.gather(1, chosen)
    fine_t = torch.cat([low + (high - low) * jitter, coarse_t], dim=1).sort(dim=1).values
    fine, _ = _march(field, "fine", origins, directions, fine_t, segment, config)
    return coarse, fine


def intersect_box(origins: Tensor, directions: Tensor) -> Segment:
    """Return where rays [R, 3] cross the box [-1, 1]^3; rays behind or beside it miss."""
    # The published code nudges every divisor away from zero, which keeps axis-parallel rays finite.
    safe = directions + torch.where(directions < 0, -_DIVISOR_NUDGE, _DIVISOR_NUDGE)
    first, second = (-1 - origins) / safe, (1 - origins) / safe
    near = torch.minimum(first, second).amax(1, keepdim=True).clamp(min=0)
    far = torch.maximum(first, second).amin(1, keepdim=True)
    hits = near + _MISS_MARGIN < far
    zero = torch.zeros_like(near)
    return Segment(torch.where(hits, near, zero), torch.where(hits, far, zero + 1), hits)


def stratified_samples(segment: Segment, count: int, draw: Draw) -> Tensor:
    """Return one jittered distance per stratum of each ray, ascending, [R, count]."""
    steps = torch.linspace(0, 1, count, device=segment.near.device)
    t = segment.near * (1 - steps) + segment.far * steps
    lower, upper = _intervals(t, segment)
    return lower + (upper - lower) * draw((len(t), count))


def pan_cameras(num_views: int = 20) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return origins and x, y, z axes of the published turntable, each [num_views, 3].

    The cameras stand 4 units away, look down by atan(0.5), and the first equals the last.
    """
    angles = torch.linspace(0, 2 * math.pi, num_views, dtype=torch.float64)
    sin, cos, zero = angles.sin(), angles.cos(), torch.zeros_like(angles)
    z = torch.stack([sin, cos, torch.full_like(angles, -0.5)], dim=1)
    z = z / z.norm(dim=1, keepdim=True)
    x = torch.stack([cos, -sin, zero], dim=1)
    y = torch.linalg.cross(z, x)
    return (-4 * z).float(), x.float(), y.float(), z.float()


def camera_rays(
    origin: Tensor, axes: tuple[Tensor, Tensor, Tensor], size: int, fov: float = 0.7
) -> tuple[Tensor, Tensor]:
    """Return ray origins and unit directions of a square view, row by row, each [size**2, 3].

    Args:
        origin: camera position, [3].
        axes: right, down and forward, each [3].
        size: pixels per side; the outermost rays run through the corners' centres.
        fov: full opening angle in radians.
    """
    fraction = torch.linspace(-1, 1, size) * math.tan(fov / 2)
    x, y, z = axes
    grid = z + x * fraction[None, :, None] + y * fraction[:, None, None]
    directions = (grid / grid.norm(dim=-1, keepdim=True)).reshape(-1, 3)
    return origin.expand_as(directions), directions


def _march(
    field: RadianceField,
    level: Level,
    origins: Tensor,
    directions: Tensor,
    t: Tensor,
    segment: Segment,
    config: RayConfig,
) -> tuple[RenderedRays, Tensor]:
    points = origins[:, None] + directions[:, None] * t[..., None]  # [R, N, 3]
    seen = directions[:, None].expand_as(points).reshape(-1, 3) if config.uses_directions else None
    density, color = field.evaluate(points.reshape(-1, 3), level, seen)
    lower, upper = _intervals(t, segment)
    thickness = density.view_as(t) * (upper - lower)
    passed = thickness.cumsum(1)
    before = torch.cat([torch.zeros_like(passed[:, :1]), passed[:, :-1]], dim=1)
    weights = (1 - (-thickness).exp()) * (-before).exp()  # [R, N]
    one = torch.ones_like(segment.near)
    transmittance = torch.where(segment.hits, (-passed[:, -1:]).exp(), one)
    collected = (weights[..., None] * color.view(*t.shape, 3)).sum(1)
    collected = torch.where(segment.hits, collected, torch.zeros_like(collected))
    distance = torch.where(segment.hits, (weights * t).sum(1, keepdim=True), 0 * one)
    rendered = RenderedRays(collected + transmittance * config.background, transmittance, distance)
    return rendered, weights


def _intervals(t: Tensor, segment: Segment) -> tuple[Tensor, Tensor]:
    middles = (t[:, 1:] + t[:, :-1]) / 2
    return torch.cat([segment.near, middles], dim=1), torch.cat([middles, segment.far], dim=1)


def _choose_intervals(weights: Tensor, uniform: Tensor) -> Tensor:
    probability = weights + _PMF_FLOOR
    cumulative = (probability / probability.sum(1, keepdim=True)).cumsum(1)
    chosen = torch.searchsorted(cumulative, uniform.contiguous())
    return chosen.clamp(0, weights.shape[1] - 1)
