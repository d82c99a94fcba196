# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendering objective of stage 1: rays of the views, seen through the NeRF.

Volume rendering is core/decoder/nerf.py: Mildenhall et al. (2020), arXiv:2003.08934, eq. 3, with
coarse and fine samples as their section 5.2 has them. The loss is Shap-E's (arXiv:2305.02463,
section 4): L1 of colour and of transmittance, coarse and fine.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..core.decoder.nerf import Draw, RadianceField, RayConfig, RenderedRays, render_rays
from ..core.decoder.stf import Decoder
from .source import Pictures, Rays, pixel_directions
from .stage1_config import RayLossConfig


def device_draws(generator: torch.Generator, device: torch.device) -> Draw:
    """Return uniform draws on a device; on a CPU those of the generator itself."""
    if device.type != "cpu":
        # Seeded by a draw, since millions of numbers per step are too many to make on a CPU.
        seed = int(torch.randint(2**62, (), generator=generator))
        generator = torch.Generator(device).manual_seed(seed)
    return lambda shape: torch.rand(shape, generator=generator, device=device)


def nerf_loss(
    decoder: Decoder, weights: list[Tensor], rays: Rays, config: RayLossConfig, draw: Draw
) -> dict[str, Tensor]:
    """Return `nerf_color` and `nerf_transmittance`, each the mean L1 of coarse plus fine.

    Args:
        decoder: with the heads of a NeRF.
        weights: generated matrices of B shapes, each [B, rows, columns].
        rays: of the same shapes.
        config: sample counts, and how many rays are rendered at once.
        draw: uniform numbers, on the device of the rays.
    """
    sampling = RayConfig(num_coarse=config.num_coarse, num_fine=config.num_fine)
    field = RadianceField(decoder.mlp, weights)
    num_rays = rays.origins.shape[1]
    at_once = config.rays_at_once or num_rays
    sums = []
    for start in range(0, num_rays, at_once):
        part = Rays(*(each[:, start : start + at_once] for each in rays))
        if at_once < num_rays:
            draws = _drawn(part, sampling, draw)
            sums.append(checkpoint(_ray_errors, field, part, sampling, draws, use_reentrant=False))
        else:
            sums.append(_ray_errors(field, part, sampling, _drawn(part, sampling, draw)))
    color, transmittance = torch.stack(sums).sum(0) / rays.origins[..., 0].numel()
    return {"nerf_color": color, "nerf_transmittance": transmittance}


def _drawn(rays: Rays, config: RayConfig, draw: Draw) -> tuple[Tensor, Tensor, Tensor]:
    """Return every number that rendering draws, in the order it asks for them.

    They are kept, so that a second computation sees the same.
    """
    count = rays.origins[..., 0].numel()
    fine = (count, config.num_fine)
    return draw((count, config.num_coarse)), draw(fine), draw(fine)


def _ray_errors(
    field: RadianceField, rays: Rays, config: RayConfig, draws: tuple[Tensor, ...]
) -> Tensor:
    """Return the sums over rays of the errors of colour and transmittance, [2]."""
    flat = Rays(*(each.flatten(0, 1) for each in rays))
    numbers: Iterator[Tensor] = iter(draws)
    levels = render_rays(field, flat.origins, flat.directions, config, lambda shape: next(numbers))
    color, transmittance = flat.color.new_zeros(()), flat.color.new_zeros(())
    for level in levels:
        color = color + (level.color - flat.color).abs().mean(-1).sum()
        transmittance = transmittance + (level.transmittance - flat.transmittance).abs().sum()
    return torch.stack([color, transmittance])


@torch.no_grad()
def nerf_pictures(
    decoder: Decoder, weights: list[Tensor], cameras: Pictures, config: RayLossConfig, draw: Draw
) -> Tensor:
    """Render one shape, B = 1, from the cameras of pictures with the fine heads.

    Returns:
        sRGB over black and coverage, [V, S, S, 4].
    """
    field = RadianceField(decoder.mlp, weights)
    sampling = RayConfig(num_coarse=config.num_coarse, num_fine=config.num_fine)
    size = cameras.rgba.shape[2]
    pixels = torch.arange(size * size, device=cameras.rgba.device)
    columns, rows = pixels % size, torch.div(pixels, size, rounding_mode="floor")
    pictures = []
    for origin, axes in zip(cameras.origins[0], cameras.axes[0], strict=True):
        spread = axes.expand(size * size, 3, 3)
        directions = pixel_directions(spread, columns, rows, size, cameras.fov)
        parts = [
            _fine(render_rays(field, origin.expand_as(part), part, sampling, draw))
            for part in torch.split(directions, config.rays_at_once or 4096)
        ]
        pictures.append(torch.cat(parts).view(size, size, 4))
    return torch.stack(pictures)


def _fine(levels: tuple[RenderedRays, RenderedRays]) -> Tensor:
    return torch.cat([levels[1].color, 1 - levels[1].transmittance], dim=1)
