# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder's answer, improved by a few gradient steps through the frozen decoder.

A small encoder that was trained for minutes leaves much on the table: the decoder can show a
shape far better than the latent that the encoder finds for it. Starting at that latent and using
nothing but the points that the encoder read, a dozen steps close half of the gap (semi-amortised
inference, Kim et al., 2018, arXiv:1802.02550).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from .config import FieldLossConfig, FitConfig
from .dataset import Queries
from .field_loss import field_loss


def fit_coefficients(
    decoder: Decoder,
    basis: LatentBasis,
    coefficients: Tensor,
    cloud: tuple[Tensor, Tensor],
    config: FitConfig,
    generator: torch.Generator,
) -> Tensor:
    """Return coefficients [B, K] that decode to the surface points more closely.

    Args:
        decoder: its parameters need no gradient.
        basis: of the latents.
        coefficients: where to start, as the encoder found them, [B, K].
        cloud: surface points and their sRGB, each [B, N, 3].
        config: how far to go.
        generator: chooses the points of each step.
    """
    points, colors = cloud
    loss_config = FieldLossConfig(
        queries_per_shape=config.num_points,
        near_distance=1.0,
        color_distance=1.0,
        color_weight=config.color_weight,
        distance_scale=1.0,
        latent_noise=0.0,
        rare_color_power=config.rare_color_power,
    )
    fitted = coefficients.detach().float().clone().requires_grad_(True)
    optimizer = torch.optim.Adam([fitted], betas=(0.8, 0.95))
    for step in range(config.num_steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * (1.05 - step / config.num_steps)
        chosen = torch.randperm(points.shape[1], generator=generator)[: config.num_points]
        # A point of the surface is at distance 0.
        on_surface = points.new_zeros(len(points), len(chosen))
        queries = Queries(points[:, chosen], on_surface, colors[:, chosen])
        with torch.enable_grad(), torch.autocast("cpu", torch.bfloat16):
            losses = field_loss(decoder, basis.reconstruct(fitted), queries, loss_config)
            # Summed over the shapes, so that a shape moves alike in a batch of any size.
            (fitted.grad,) = torch.autograd.grad(losses["loss"] * len(points), fitted)
        optimizer.step()
    return fitted.detach()
