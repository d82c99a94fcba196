# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures of fields, for logs: rays that march through the box until they are inside.

Orthographic, from above and the front's left, lit from the camera; plain, quick and without a
mesh, so that a field which is no surface yet shows something too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from ..core.config import SamplerConfig
from ..core.decoder.stf import Decoder, SignedDistanceField
from ..core.prior.transformer import LatentPrior
from ..core.sampling import sample_latents

_AZIMUTH, _ELEVATION = math.radians(-35), math.radians(25)
_HALF_WIDTH = 1.25
"""Of what a picture shows."""
_DEPTH = 1.6
"""Rays begin so far before the box's middle and end so far behind it."""
_CHUNK = 65536
_NORMAL_STEP = 0.02


@torch.no_grad()
def render_field(field: SignedDistanceField, size: int, device: torch.device) -> Tensor:
    """Return a picture of a field on white, sRGB in [0, 1], [3, size, size]."""
    forward, right, up = _axes(device)
    across = (torch.arange(size, device=device) + 0.5) / size * 2 - 1
    rows, columns = torch.meshgrid(-across, across, indexing="ij")
    start = _HALF_WIDTH * (rows[..., None] * up + columns[..., None] * right)
    start = start.view(-1, 3) - _DEPTH * forward
    steps = torch.linspace(0, 2 * _DEPTH, size, device=device)
    points = start[:, None] + steps[:, None] * forward  # [R, S, 3]
    inside = _distances(field, points.view(-1, 3)).view(points.shape[:2])
    hit, depth = _first_inside(inside, steps)
    picture = torch.ones(size * size, 3, device=device)
    if hit.any():
        found = start[hit] + depth[hit, None] * forward
        picture[hit] = field.color(found).float() * _light(field, found, forward)[:, None]
    return picture.view(size, size, 3).permute(2, 0, 1)


def _axes(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return where the camera looks, and its right and up; the front of objects is -Y."""
    flat = math.cos(_ELEVATION)
    back = (flat * math.sin(_AZIMUTH), -flat * math.cos(_AZIMUTH), math.sin(_ELEVATION))
    forward = -torch.tensor(back, device=device)
    right = F.normalize(
        torch.linalg.cross(forward, torch.tensor([0.0, 0.0, 1.0], device=device)), dim=0
    )
    return forward, right, torch.linalg.cross(right, forward)


def _distances(field: SignedDistanceField, points: Tensor) -> Tensor:
    """Return signed distances of points [P, 3], outside the box those of the outside, [P]."""
    found = torch.cat([field.signed_distance(part) for part in torch.split(points, _CHUNK)]).float()
    return found.masked_fill(points.abs().amax(-1) > 1, -1.0)


def _first_inside(inside: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
    """Return which rays hit, [R], and how far along, between the samples around it, [R]."""
    is_inside = inside > 0
    hit = is_inside.any(1)
    first = is_inside.float().argmax(1).clamp(min=1)
    after = inside.gather(1, first[:, None])[:, 0]
    before = inside.gather(1, first[:, None] - 1)[:, 0]
    share = (after / (after - before).clamp(min=1e-6)).clamp(0, 1)
    return hit, steps[first] - share * (steps[1] - steps[0])


def _light(field: SignedDistanceField, points: Tensor, forward: Tensor) -> Tensor:
    offsets = _NORMAL_STEP * torch.eye(3, device=points.device)
    slopes = [
        _distances(field, points + offset) - _distances(field, points - offset)
        for offset in offsets
    ]
    # Distances grow inwards, as the camera looks.
    facing = F.normalize(torch.stack(slopes, -1), dim=-1) @ forward
    return 0.45 + 0.55 * facing.clamp(min=0)


@dataclass(frozen=True, slots=True)
class SampleGrid:
    """Samples of a few fixed conditions, always from the same noise."""

    conditions: Tensor
    """[K, T, E]."""
    decoder: Decoder
    sampler: SamplerConfig
    size: int = 64
    """Pixels of one picture's side."""

    @torch.no_grad()
    def draw(self, prior: LatentPrior) -> Tensor:
        """Return the samples side by side, as square as can be, [3, H, W]."""
        device = prior.latent_in.weight.device
        pictures = []
        for index, condition in enumerate(self.conditions):
            latents = sample_latents(
                prior, condition[None].to(device), self.sampler, [index], on_step=_go_on
            )
            pictures.append(render_field(self.decoder.field(latents[0]), self.size, device).cpu())
        return tile(pictures)


def tile(pictures: list[Tensor]) -> Tensor:
    """Put pictures [3, H, W] into rows as long as the square root of their number."""
    across = math.ceil(math.sqrt(len(pictures)))
    blank = torch.ones_like(pictures[0])
    padded = pictures + [blank] * (-len(pictures) % across)
    rows = [torch.cat(padded[i : i + across], dim=2) for i in range(0, len(padded), across)]
    return torch.cat(rows, dim=1)


def _go_on(done: int, total: int) -> None:
    """Nothing cancels a training run's pictures."""
