# SPDX-License-Identifier: GPL-3.0-or-later
"""From a seed to a latent: from noise alone, or near the latent of an earlier result."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .config import Likeness, SamplerConfig
from .diffusion.denoiser import Denoiser, WatchedDenoiser, guided_denoiser
from .diffusion.samplers import SAMPLERS, OnStep
from .diffusion.schedule import exp_alphas_cumprod, sampling_sigmas
from .prior.transformer import LatentPrior

OnEstimate = Callable[[int, int, Tensor], None]
"""Called after each step with (steps done, steps in all, estimate of the clean latent [L, C])."""


def sample_latent(
    prior: LatentPrior,
    condition: Tensor,
    sampler: SamplerConfig,
    seed: int,
    *,
    on_step: OnStep,
    on_estimate: OnEstimate | None = None,
    earlier: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Draw one latent.

    Args:
        prior: text or image prior.
        condition: condition tokens, [1, T, E]; zeros of the same shape stand for no condition.
        sampler: steps, guidance and noise range.
        seed: of the noise, which is drawn on the CPU so that devices agree.
        on_step: progress and cancellation hook.
        on_estimate: called after `on_step`.
        earlier: a latent to stay near, [L, C]; None starts from noise alone.
        strength: share of noise mixed into the earlier latent, see `config.Likeness`.

    Returns:
        The latent, fp32, [L, C].
    """
    spec = prior.spec
    sigmas = sampling_sigmas(sampler, num_timesteps=spec.num_timesteps, rate=spec.schedule_rate)
    generator = torch.Generator("cpu").manual_seed(seed)
    noise = torch.randn(1, spec.num_latents, spec.channels, generator=generator)
    if earlier is not None:
        sigmas = sigmas[_first_level(sigmas, strength) :]
    x = noise.to(condition.device) * float(sigmas[0])
    if earlier is not None:
        x = x + earlier
    denoise = _denoiser(prior, condition, sampler)
    if on_estimate is None:
        return SAMPLERS[sampler.method](denoise, x, sigmas, on_step=on_step)[0]
    watched, show = WatchedDenoiser(denoise), on_estimate

    def step(done: int, total: int) -> None:
        on_step(done, total)
        if watched.latest is not None:
            show(done, total, watched.latest[0])

    return SAMPLERS[sampler.method](watched, x, sigmas, on_step=step)[0]


def latent_of(
    prior: LatentPrior,
    condition: Tensor,
    sampler: SamplerConfig,
    like: Likeness,
    *,
    on_step: OnStep,
) -> Tensor:
    """Make the latent of an earlier result again, [L, C].

    Each of its seeds after the first changed the latent of those before it. Arguments are those
    of `sample_latent`.
    """
    first, *others = like.seeds
    latent = sample_latent(prior, condition, sampler, first, on_step=on_step)
    for seed, strength in zip(others, like.strengths, strict=False):
        latent = sample_latent(
            prior, condition, sampler, seed, on_step=on_step, earlier=latent, strength=strength
        )
    return latent


def _first_level(sigmas: Tensor, strength: float) -> int:
    """Return the highest noise level whose share of noise is not above the strength.

    The share at sigma is sigma / sqrt(sigma**2 + 1), for latents of unit variance.
    """
    levels: list[float] = sigmas.tolist()
    fitting = (i for i, sigma in enumerate(levels) if sigma / math.sqrt(sigma**2 + 1.0) <= strength)
    return min(next(fitting), len(levels) - 2)  # The last level is 0, and a step leads to it.


def _denoiser(prior: LatentPrior, condition: Tensor, sampler: SamplerConfig) -> Denoiser:
    spec = prior.spec
    return guided_denoiser(
        prior,
        condition,
        torch.zeros_like(condition),
        sampler.guidance_scale,
        convention=sampler.convention,
        alphas_cumprod=exp_alphas_cumprod(
            spec.num_timesteps, rate=spec.schedule_rate, convention=sampler.convention
        ),
    )
