# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusion problems whose ideal prior is known, so that only the sampler can be wrong.

Shared by tests and benchmarks as `maquette.tests.analytic_diffusion`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from maquette.core.diffusion.denoiser import Denoiser, guided_denoiser
from maquette.core.diffusion.samplers import sample_heun
from maquette.core.diffusion.schedule import exp_alphas_cumprod, karras_sigmas
from torch import Tensor

NUM_LATENTS, CHANNELS = 16, 8
NUM_DIMENSIONS = NUM_LATENTS * CHANNELS


def ignore_step(done: int, total: int) -> None:
    """Do nothing after a step."""


def gaussian_denoiser(deviation: float) -> Denoiser:
    """Return the ideal denoiser of data ~ N(0, deviation**2)."""

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        return x * (deviation**2 / (deviation**2 + sigma**2))[:, None, None]

    return denoise


def gaussian_solution(x: Tensor, deviation: float, start: float, end: float) -> Tensor:
    """Return where the ODE of `gaussian_denoiser` takes x from one noise level to another."""
    return x * ((deviation**2 + end**2) / (deviation**2 + start**2)) ** 0.5


@dataclass(frozen=True)
class MixturePrior:
    """The ideal prior of a mixture of Gaussians in [-1, 1]^128, called like a trained network.

    It knows the noise level only through the timestep, so that below the lowest trained level it
    answers as if asked at that level, as Shap-E's prior does for 14 of the 64 published steps.
    """

    means: Tensor  # [K, D]
    variance: float
    """Of each mode, in every dimension."""

    @classmethod
    def random(cls, seed: int, *, num_modes: int = 48, deviation: float = 0.1) -> MixturePrior:
        generator = torch.Generator().manual_seed(seed)
        means = torch.rand(num_modes, NUM_DIMENSIONS, generator=generator, dtype=torch.float64)
        return cls(2 * means - 1, deviation**2)

    def __call__(self, scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        """Predict clean latents [B, L, C]; `condition` is the log-weight of each mode, [B, K]."""
        sigma_squared = torch.expm1(12 * (timestep.double() + 1) / 1024)[:, None]
        x = scaled.double().flatten(1) * (sigma_squared + 1).sqrt()
        total = self.variance + sigma_squared
        distance = (
            x.square().sum(1, keepdim=True) - 2 * x @ self.means.T + self.means.square().sum(1)
        )
        weights = (condition.double() - distance / (2 * total)).softmax(1)  # [B, K]
        gain = self.variance / total
        clean = (1 - gain) * (weights @ self.means) + gain * x
        return clean.view(scaled.shape).to(scaled.dtype)


@dataclass(frozen=True)
class GuidedMixture:
    """A whole guided problem: pick a few modes of a mixture, as a prompt picks a few shapes."""

    denoise: Denoiser
    """Good for one run if it reuses the difference of guidance."""
    noise: Tensor  # fp64, unit variance, [B, L, C]
    batches: list[int]
    """How many latents the prior was asked about in each evaluation so far."""

    @classmethod
    def random(
        cls,
        seed: int,
        *,
        deviation: float,
        num_followed: int,
        guidance_scale: float = 15.0,
        batch: int = 24,
        delta_reuse: int = 1,
        guidance_floor: float = 0.0,
    ) -> GuidedMixture:
        prior = MixturePrior.random(seed, deviation=deviation)
        generator = torch.Generator().manual_seed(1000 + seed)
        num_modes = len(prior.means)
        followed = torch.randperm(num_modes, generator=generator)[:num_followed]
        uncond = torch.zeros(batch, num_modes)
        condition = torch.full_like(uncond, -1e9)
        condition[:, followed] = 0.0
        batches: list[int] = []

        def counted(scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
            batches.append(len(scaled))
            return prior(scaled, timestep, condition)

        denoise = guided_denoiser(
            counted,
            condition,
            uncond,
            guidance_scale,
            convention="openai",
            alphas_cumprod=exp_alphas_cumprod(),
            delta_reuse=delta_reuse,
            guidance_floor=guidance_floor,
        )
        shape = (batch, NUM_LATENTS, CHANNELS)
        noise = torch.randn(shape, generator=generator, dtype=torch.float64)
        return cls(denoise, noise, batches)

    def converged(self, num_steps: int = 600) -> Tensor:
        """Solve the published ODE with so many Heun steps that no error is left, fp64."""
        sigmas = karras_sigmas(num_steps)
        return sample_heun(self.denoise, self.noise * sigmas[0], sigmas, on_step=ignore_step)


def relative_errors(result: Tensor, expected: Tensor) -> Tensor:
    """Return the relative L2 distance of each item, [B]."""
    difference = (result.double() - expected.double()).flatten(1).norm(dim=1)
    return difference / expected.double().flatten(1).norm(dim=1)
