# SPDX-License-Identifier: GPL-3.0-or-later
"""A fixed orthonormal basis of latents, so that a small prior need not learn their span.

In the basis the coefficients of a training set are uncorrelated with known spreads, so the
network input, its skip connection and its output can be scaled per coefficient as in Karras
et al. (2022), arXiv:2206.00364, table 1, with sigma_data replaced by each spread. Latents
outside the span are predicted by the training mean.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Preconditioning(NamedTuple):
    """Per coefficient and item, each [B, K]."""

    c_in: Tensor
    c_skip: Tensor
    c_out: Tensor


class LinearEstimate(NamedTuple):
    """What is known of noisy coefficients without a network, and how it is asked; each [B, K]."""

    inputs: Tensor
    """For the network, about unit variance."""
    clean: Tensor
    """The best linear guess of the clean coefficients."""
    scale: Tensor
    """How far off it is, about; the network answers in this unit."""


class LatentBasis(nn.Module):
    """Maps latents [B, L, C] to K coefficients and back."""

    mean: Tensor
    rows: Tensor
    spread: Tensor

    def __init__(self, num_latents: int, channels: int, size: int) -> None:
        super().__init__()
        self.latent_shape = (num_latents, channels)
        self.register_buffer("mean", torch.zeros(num_latents * channels))
        self.register_buffer("rows", torch.zeros(size, num_latents * channels))
        self.register_buffer("spread", torch.ones(size))

    def project(self, latent: Tensor) -> Tensor:
        """Return the coefficients of latents [B, L, C], fp32 [B, K]."""
        return (latent.float().flatten(1) - self.mean.float()) @ self.rows.float().T

    def reconstruct(self, coefficients: Tensor) -> Tensor:
        """Return latents [B, L, C] of coefficients [B, K]."""
        flat = self.mean.float() + coefficients.float() @ self.rows.float()
        return flat.view(-1, *self.latent_shape)

    def precondition(self, sigma: Tensor) -> Preconditioning:
        """Return the scalings for noise levels [B]."""
        spread = self.spread.float()
        sigma = sigma.float()[:, None]
        variance = spread**2 + sigma**2  # [B, K]
        return Preconditioning(
            c_in=variance.rsqrt(),
            c_skip=spread**2 / variance,
            c_out=spread * sigma * variance.rsqrt(),
        )

    def denoise(self, noisy: Tensor, sigma: Tensor) -> LinearEstimate:
        """Return what is known of noisy coefficients [B, K] of any shape at noise levels [B]."""
        scaling = self.precondition(sigma)
        return LinearEstimate(noisy * scaling.c_in, scaling.c_skip * noisy, scaling.c_out)
