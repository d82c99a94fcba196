# SPDX-License-Identifier: GPL-3.0-or-later
"""What keeps latents in reach of the prior: tanh, and diffusion noise while training.

Shap-E's `clamp_diffusion_noise` (arXiv:2305.02463, section 4.1).
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

_MAX_BETA = 0.999


class NoiseSchedule(Protocol):
    """How much noise latents get while an encoder is trained; an `EncoderSpec` tells it."""

    @property
    def num_timesteps(self) -> int:
        """Levels of noise."""
        ...

    @property
    def noise_power(self) -> float:
        """Alpha_bar(t) = 1 - t**noise_power."""
        ...

    @property
    def noise_share(self) -> float:
        """Share of training examples that are noised."""
        ...


def clamp_latent(vectors: Tensor) -> Tensor:
    """Return latents in (-1, 1) for what the network put out, any shape; noise is off."""
    return vectors.tanh()


def alphas_cumprod(spec: NoiseSchedule) -> Tensor:
    """Return the share of signal in the variance at each timestep, float64, [timesteps]."""
    edges = torch.arange(spec.num_timesteps + 1, dtype=torch.float64) / spec.num_timesteps
    alpha_bar = 1 - edges**spec.noise_power
    betas = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=_MAX_BETA)
    return (1 - betas).cumprod(0)


def noise_latent(latent: Tensor, timestep: Tensor, noise: Tensor, spec: NoiseSchedule) -> Tensor:
    """Return latents as noisy as their timestep says.

    Args:
        latent: clamped, [B, L, C].
        timestep: 0 (all but clean) to `num_timesteps` - 1, [B].
        noise: standard normal, [B, L, C].
        spec: tells the schedule.
    """
    share = alphas_cumprod(spec).to(latent.device)[timestep].to(latent.dtype)[:, None, None]
    return share.sqrt() * latent + (1 - share).sqrt() * noise


def training_timesteps(count: int, generator: torch.Generator, spec: NoiseSchedule) -> Tensor:
    """Draw the timesteps of a training batch: 0 for all but `noise_share` of it, [count]."""
    timestep = torch.randint(spec.num_timesteps, (count,), generator=generator)
    is_noisy = torch.rand(count, generator=generator) < spec.noise_share
    return torch.where(is_noisy, timestep, 0)
