# SPDX-License-Identifier: GPL-3.0-or-later
"""From a seed to a latent: from noise alone, or near the latent of an earlier result."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from .beside import on_one_core
from .config import Likeness, SamplerConfig
from .diffusion.denoiser import Denoiser, WatchedDenoiser, guided_denoiser
from .diffusion.samplers import SAMPLERS, OnStep
from .diffusion.schedule import exp_alphas_cumprod, sampling_sigmas
from .prior.gaussian import Asked
from .prior.transformer import LatentPrior
from .specs import PriorSpec

_SMALL = 4_000_000
"""Rows of a product times the square of its width, below which a core alone is as quick as two
that wait for each other: a pair of latents of the starter pack."""

OnEstimate = Callable[[int, int, Tensor], None]
"""Called after each step with (steps done, steps in all, estimate of the clean latent [L, C])."""


OnEstimates = Callable[[int, int, Tensor], None]
"""The same for several latents at once, [B, L, C]."""


class Prior(Protocol):
    """What is asked of a prior: `LatentPrior`, or something that runs one."""

    spec: PriorSpec

    def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor, /) -> Tensor:
        """Predict clean latents; see `LatentPrior.forward`."""
        ...


def sample_latent(
    prior: Prior,
    condition: Tensor,
    sampler: SamplerConfig,
    seed: int,
    *,
    on_step: OnStep,
    on_estimate: OnEstimate | None = None,
    earlier: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Draw one latent, fp32, [L, C]; arguments are those of `sample_latents`."""

    def show(done: int, total: int, estimates: Tensor) -> None:
        if on_estimate is not None:
            on_estimate(done, total, estimates[0])

    return sample_latents(
        prior,
        condition,
        sampler,
        [seed],
        on_step=on_step,
        on_estimates=show if on_estimate else None,
        earlier=earlier,
        strength=strength,
    )[0]


def sample_latents(
    prior: Prior,
    condition: Tensor,
    sampler: SamplerConfig,
    seeds: Sequence[int],
    *,
    on_step: OnStep,
    on_estimates: OnEstimates | None = None,
    earlier: Tensor | None = None,
    strength: float = 1.0,
) -> Tensor:
    """Draw one latent for each seed, all in one batch.

    A latent of a batch differs from the same one drawn alone by the rounding of sums in another
    order, which guidance and the number of steps enlarge.

    Args:
        prior: text or image prior.
        condition: condition tokens, [1, T, E]; zeros of the same shape stand for no condition.
            Of the N objects of a scene [N, T, E]: their latents are drawn in one batch, too.
        sampler: steps, guidance and noise range.
        seeds: of the noise, which is drawn on the CPU so that devices agree, [B].
        on_step: progress and cancellation hook.
        on_estimates: called after `on_step`.
        earlier: a latent to stay near, [N * L, C]; None starts from noise alone.
        strength: share of noise mixed into the earlier latent, see `config.Likeness`.

    Returns:
        The latents, fp32, [B, L, C]; those of N objects one above the other, [B, N * L, C].
    """
    spec = prior.spec
    sigmas = sampling_sigmas(sampler, num_timesteps=spec.num_timesteps, rate=spec.schedule_rate)
    if earlier is not None:
        sigmas = sigmas[_first_level(sigmas, strength) :]
    whole = len(seeds), -1, spec.channels
    parts = range(len(condition))
    each = [_noise(spec, _seed_of(seed, part)) for seed in seeds for part in parts]
    x = torch.stack(each).to(condition.device)
    x = x * float(sigmas[0])
    if earlier is not None:
        x = (x.view(whole) + earlier).view_as(x)
    denoise = _denoiser(prior, condition.repeat(len(seeds), 1, 1), sampler)
    if on_estimates is None:
        return SAMPLERS[sampler.method](denoise, x, sigmas, on_step=on_step).reshape(whole)
    watched, show = WatchedDenoiser(denoise), on_estimates

    def step(done: int, total: int) -> None:
        on_step(done, total)
        if watched.latest is not None:
            show(done, total, watched.latest.reshape(whole))

    return SAMPLERS[sampler.method](watched, x, sigmas, on_step=step).reshape(whole)


def latent_of(
    prior: Prior,
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


def _noise(spec: PriorSpec, seed: int) -> Tensor:
    """Return the noise of a seed, unit variance, on the CPU, [L, C]."""
    generator = torch.Generator("cpu").manual_seed(seed)
    return torch.randn(spec.num_latents, spec.channels, generator=generator)


def _seed_of(seed: int, part: int) -> int:
    """Return the seed of the noise of one object of a scene: the first one's is the variant's."""
    return seed if part == 0 else int(np.random.SeedSequence([seed, part]).generate_state(1)[0])


def _first_level(sigmas: Tensor, strength: float) -> int:
    """Return the highest noise level whose share of noise is not above the strength.

    The share at sigma is sigma / sqrt(sigma**2 + 1), for latents of unit variance.
    """
    levels: list[float] = sigmas.tolist()
    fitting = (i for i, sigma in enumerate(levels) if sigma / math.sqrt(sigma**2 + 1.0) <= strength)
    return min(next(fitting), len(levels) - 2)  # The last level is 0, and a step leads to it.


def _denoiser(prior: Prior, condition: Tensor, sampler: SamplerConfig) -> Denoiser:
    spec = prior.spec
    return guided_denoiser(
        _on_cores_enough(_reading_once(prior)),
        condition,
        torch.zeros_like(condition),
        sampler.guidance_scale,
        convention=sampler.convention,
        alphas_cumprod=exp_alphas_cumprod(
            spec.num_timesteps, rate=spec.schedule_rate, convention=sampler.convention
        ),
        delta_reuse=sampler.delta_reuse,
        guidance_floor=sampler.guidance_floor,
    )


class _ReadingOnce:
    """A prior that draws its conclusions from each condition once, and keeps them for a run."""

    def __init__(self, prior: LatentPrior) -> None:
        self._prior = prior
        self.spec = prior.spec
        self._read: list[tuple[Tensor, Asked | None]] = []

    def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor, /) -> Tensor:
        """Predict clean latents; see `LatentPrior.forward`."""
        return self._prior(x, timestep, condition, self._asked(condition))  # type: ignore[no-any-return]

    def _asked(self, condition: Tensor) -> Asked | None:
        """Return what the condition calls for; there are two where sides are asked by turns."""
        for known, asked in self._read:
            if torch.equal(known, condition):
                return asked
        asked = self._prior.read(condition)
        self._read = [*self._read[-1:], (condition, asked)]
        return asked


def _reading_once(prior: Prior) -> Prior:
    """Return a prior that is told what a condition calls for, if it would ask in every step."""
    if isinstance(prior, LatentPrior) and prior.gaussian is not None:
        return _ReadingOnce(prior)
    return prior


def _on_cores_enough(prior: Prior) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return a prior that keeps to one core of a CPU where all together would not be quicker."""
    spec = prior.spec

    def ask(x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        rows = len(x) * (condition.shape[1] + 1 + spec.num_latent_tokens)
        if x.device.type != "cpu" or rows * spec.width**2 > _SMALL:
            return prior(x, timestep, condition)
        with on_one_core():
            return prior(x, timestep, condition)

    return ask
