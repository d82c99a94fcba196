# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder's answer, improved by a few gradient steps through the frozen decoder.

A small encoder leaves much on the table: the decoder can show an object far better than the
latent that the encoder finds for it. Starting at that latent and using nothing but the points
that the encoder read, a dozen steps close much of the gap (semi-amortised inference, Kim et al.,
2018, arXiv:1802.02550).
"""

from __future__ import annotations

import torch
from torch import Tensor

from .decoder.stf import Decoder
from .interrupt import Check, ignore
from .prior.basis import LatentBasis
from .specs import FitSpec

_ON_SURFACE_WEIGHT = 3.0
"""Of a distance at the surface, as in training."""


def fit_coefficients(
    decoder: Decoder,
    basis: LatentBasis,
    coefficients: Tensor,
    cloud: tuple[Tensor, Tensor],
    spec: FitSpec,
    generator: torch.Generator,
    check: Check = ignore,
) -> Tensor:
    """Return coefficients [B, K] that decode to the surface points more closely.

    Args:
        decoder: its parameters need no gradient.
        basis: of the latents.
        coefficients: where to start, as the encoder found them, [B, K].
        cloud: surface points and their sRGB, each [B, N, 3].
        spec: how far to go.
        generator: on the CPU; chooses the points of each step.
        check: called before each step.
    """
    # Whoever samples does it in inference mode, which no gradient leaves.
    with torch.inference_mode(False):
        points, colors = (each.float().clone() for each in cloud)
        fitted = coefficients.detach().float().clone().requires_grad_(True)
        optimizer = torch.optim.Adam([fitted], betas=(0.8, 0.95))
        for step in range(spec.num_steps):
            check()
            for group in optimizer.param_groups:
                group["lr"] = spec.learning_rate * (1.05 - step / spec.num_steps)
            chosen = torch.randperm(points.shape[1], generator=generator)[: spec.num_points]
            chosen = chosen.to(points.device)
            with torch.enable_grad():
                latent = basis.reconstruct(fitted)
                loss = surface_loss(decoder, latent, points[:, chosen], colors[:, chosen], spec)
                # Summed over the shapes, so that a shape moves alike in a batch of any size.
                (fitted.grad,) = torch.autograd.grad(loss * len(points), fitted)
            optimizer.step()
        return fitted.detach()


def surface_loss(
    decoder: Decoder, latent: Tensor, points: Tensor, colors: Tensor, spec: FitSpec
) -> Tensor:
    """Return how far latents [B, L, C] are from showing colored surface points, each [B, P, 3].

    The distance should be 0 at every one of them, and the color as given.
    """
    raw = decoder.mlp(points, decoder.weights(latent))
    distance = decoder.mlp.split(raw, "signed_distance").float().tanh()[..., 0]  # [B, P]
    painted = decoder.mlp.split(raw, "stf_color").float().sigmoid()
    squared = ((painted - colors) ** 2).mean(-1)
    if spec.rare_color_power and spec.palette:
        squared = squared * color_rarity(colors, spec)
    return _ON_SURFACE_WEIGHT * distance.abs().mean() + spec.color_weight * squared.mean()


def color_rarity(colors: Tensor, spec: FitSpec) -> Tensor:
    """Return a weight per point that grows with the rarity of its color on its own object.

    Colors are told apart by the nearest one of the palette, so that grain and jitter make no
    difference.

    Args:
        colors: sRGB in [0, 1], [B, P, 3].
        spec: palette, and the power of a color's share.

    Returns:
        Weights with a mean of 1 over the points of each object, [B, P].
    """
    palette = torch.tensor(spec.palette).to(colors)
    named = torch.cdist(colors, palette.expand(len(colors), -1, -1)).argmin(-1)
    counts = colors.new_zeros(len(colors), len(palette))
    counts.scatter_add_(1, named, torch.ones_like(colors[..., 0]))
    weight = counts.clamp(min=1).pow(-spec.rare_color_power).gather(1, named)
    return weight / weight.mean(1, keepdim=True)
