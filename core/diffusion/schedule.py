# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise levels: what the prior was trained on, and which ones a sampler visits.

Karras et al. (2022), arXiv:2206.00364. A latent x0 at noise level sigma is x0 + sigma * noise; the
prior was trained on its scaled form, in which alpha_bar = 1 / (sigma**2 + 1).
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..config import Convention, SamplerConfig

NUM_TIMESTEPS = 1024
RATE = 12.0


def exp_alphas_cumprod(
    num_timesteps: int = NUM_TIMESTEPS,
    *,
    rate: float = RATE,
    convention: Convention = "openai",
) -> Tensor:
    """Return alpha_bar of every timestep of the `exp` schedule, decreasing, fp64, [num_timesteps].

    alpha_bar(t) = exp(-rate * t) at t = 1 / num_timesteps .. 1. Diffusers multiplies fp32 factors
    instead, which moves the largest sigma by 2e-5 of its value.
    """
    steps = torch.arange(1, num_timesteps + 1, dtype=torch.float64)
    if convention == "openai":
        return torch.exp(-rate / num_timesteps * steps)
    beta = -torch.expm1(torch.tensor(-rate / num_timesteps, dtype=torch.float64))
    alpha = 1 - beta.to(torch.float32)
    return alpha.expand(num_timesteps).cumprod(0).to(torch.float64)


def karras_sigmas(
    num_steps: int, sigma_min: float = 1e-3, sigma_max: float = 160.0, rho: float = 7.0
) -> Tensor:
    """Return the noise levels of eq. 5: decreasing, then 0, fp64 on the CPU, [num_steps + 1]."""
    ramp = torch.linspace(0, 1, num_steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    sigmas = (high + ramp * (low - high)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros(1)])


def diffusers_sigmas(
    num_steps: int, *, num_timesteps: int = NUM_TIMESTEPS, rate: float = RATE
) -> Tensor:
    """Return diffusers' noise levels for Shap-E, from 403.42 to 0.10857 and 0, [num_steps + 1].

    They span the noise that the prior was trained on. Format as `karras_sigmas`.
    """
    alphas_cumprod = exp_alphas_cumprod(num_timesteps, rate=rate, convention="diffusers")
    # fp32 as in diffusers, so that the largest sigma rounds to the same number.
    alphas = alphas_cumprod.to(torch.float32)
    trained = ((1 - alphas) / alphas).sqrt()
    return karras_sigmas(num_steps, float(trained[0]), float(trained[-1]), rho=7.0)


def sampling_sigmas(
    config: SamplerConfig, *, num_timesteps: int = NUM_TIMESTEPS, rate: float = RATE
) -> Tensor:
    """Return the noise levels that a configuration asks for; format as `karras_sigmas`.

    Diffusers' convention has its own range and spacing, so it ignores those of the configuration.
    """
    if config.convention == "diffusers":
        return diffusers_sigmas(config.num_steps, num_timesteps=num_timesteps, rate=rate)
    return karras_sigmas(config.num_steps, config.sigma_min, config.sigma_max, config.rho)


def fractional_timestep(sigma: Tensor, alphas_cumprod: Tensor, convention: Convention) -> Tensor:
    """Return where noise levels lie among the trained ones, fp64 in [0, num_timesteps - 1], [B].

    Interpolates the timestep linearly, over alpha_bar (OpenAI) or over log sigma (diffusers);
    beyond the trained range it stays at the end.

    Args:
        sigma: noise levels above 0, on any device, [B].
        alphas_cumprod: alpha_bar of every timestep, on the CPU, [num_timesteps].
        convention: whose interpolation.
    """
    # On the CPU, because MPS has no fp64; the result is one number per item.
    sigma = sigma.to("cpu", torch.float64)
    if convention == "openai":
        return _interpolated_index(-1 / (sigma**2 + 1), -alphas_cumprod)
    return _interpolated_index(sigma.log(), (1 / alphas_cumprod - 1).log() / 2)


def sigma_to_timestep(sigma: Tensor, alphas_cumprod: Tensor, convention: Convention) -> Tensor:
    """Return the timesteps at which the prior is asked about noise levels, on the CPU, [B].

    OpenAI truncates them to integers (int64), diffusers keeps fractions (fp32). Arguments are
    those of `fractional_timestep`.
    """
    timestep = fractional_timestep(sigma, alphas_cumprod, convention)
    return timestep.to(torch.int64 if convention == "openai" else torch.float32)


def _interpolated_index(value: Tensor, knots: Tensor) -> Tensor:
    """Return the fractional index of values [B] among increasing knots [N], clamped to the ends."""
    upper = torch.searchsorted(knots, value).clamp(1, len(knots) - 1)
    below, above = knots[upper - 1], knots[upper]
    return upper - 1 + ((value - below) / (above - below)).clamp(0, 1)
