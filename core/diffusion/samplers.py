# SPDX-License-Identifier: GPL-3.0-or-later
"""Samplers: integrate the probability-flow ODE dx/dsigma = (x - D(x; sigma)) / sigma down to 0.

Karras et al. (2022), arXiv:2206.00364, eqs. 1 and 3 with sigma(t) = t. The multistep methods solve
it in lambda = -log(sigma), in which D is integrated exactly up to its interpolation (Lu et al.,
2022, arXiv:2211.01095; Zhao et al., 2023, arXiv:2302.04867). Third order is left out on purpose:
it diverges at Shap-E's guidance of 15.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeAlias

import torch
from torch import Tensor

from ..config import SamplerName
from .denoiser import Denoiser

OnStep: TypeAlias = Callable[[int, int], None]
"""Called after each step with (steps done, steps in all); raises to stop the run."""


class Sampler(Protocol):
    """The signature of every sampler; see `sample_heun`."""

    def __call__(
        self, denoise: Denoiser, x: Tensor, sigmas: Tensor, *, on_step: OnStep
    ) -> Tensor: ...


@torch.no_grad()
def sample_heun(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, on_step: OnStep) -> Tensor:
    """Integrate by Heun's method (Karras et al., Alg. 1), Shap-E's published sampler.

    Args:
        denoise: the guided denoiser.
        x: initial noise with standard deviation sigmas[0], fp32, [B, L, C].
        sigmas: decreasing noise levels, the last one usually 0, [N + 1].
        on_step: progress and cancellation hook.

    Returns:
        The sample at the last noise level, [B, L, C].
    """
    levels = _levels(sigmas)
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        slope = _ode_slope(denoise, x, sigma)
        dt = sigma_next - sigma
        if sigma_next == 0:
            x = x + slope * dt  # Euler: the slope is undefined at sigma = 0.
        else:
            slope_next = _ode_slope(denoise, x + slope * dt, sigma_next)
            x = x + (slope + slope_next) / 2 * dt
        on_step(i + 1, len(levels) - 1)
    return x


@torch.no_grad()
def sample_dpmpp_2m(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, on_step: OnStep) -> Tensor:
    """Integrate by DPM-Solver++(2M) (Lu et al., Alg. 2), one evaluation per step.

    Arguments and result are those of `sample_heun`.
    """
    levels = _levels(sigmas)
    previous: _Evaluation | None = None
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        current = _evaluate(denoise, x, sigma)
        x = _predicted(x, previous, current, sigma_next)
        previous = current
        on_step(i + 1, len(levels) - 1)
    return x


@torch.no_grad()
def sample_unipc_2(denoise: Denoiser, x: Tensor, sigmas: Tensor, *, on_step: OnStep) -> Tensor:
    """Integrate by UniPC-2 (Zhao et al., Alg. 1, B2), one evaluation per step.

    Each evaluation serves twice: it corrects the step that led to it, then predicts the next.
    Arguments and result are those of `sample_heun`.
    """
    levels = _levels(sigmas)
    before: _Evaluation | None = None
    previous: _Evaluation | None = None
    x_previous = x
    for i, (sigma, sigma_next) in enumerate(pairwise(levels)):
        current = _evaluate(denoise, x, sigma)
        if previous is not None:
            x = _corrected(x_previous, before, previous, current)
        x_previous, x = x, _predicted(x, previous, current, sigma_next)
        before, previous = previous, current
        on_step(i + 1, len(levels) - 1)
    return x


SAMPLERS: dict[SamplerName, Sampler] = {
    "heun": sample_heun,
    "dpmpp_2m": sample_dpmpp_2m,
    "unipc_2": sample_unipc_2,
}


@dataclass(frozen=True, slots=True)
class _Evaluation:
    """What the denoiser answered at one noise level."""

    sigma: float
    denoised: Tensor  # [B, L, C]

    def log_ratio(self, sigma: float) -> float:
        """Return the step in lambda from this level to a lower one, positive."""
        return math.log(self.sigma / sigma)


def _predicted(
    x: Tensor, previous: _Evaluation | None, current: _Evaluation, sigma_next: float
) -> Tensor:
    """Step from the level of `current` to the next one, extrapolating D along a line."""
    if sigma_next == 0:
        return current.denoised  # The limit of the first-order step.
    h = current.log_ratio(sigma_next)
    denoised = current.denoised
    if previous is not None:
        slope = (current.denoised - previous.denoised) / previous.log_ratio(current.sigma)
        denoised = denoised + h / 2 * slope
    return math.exp(-h) * x - math.expm1(-h) * denoised


def _corrected(
    x: Tensor, before: _Evaluation | None, previous: _Evaluation, current: _Evaluation
) -> Tensor:
    """Repeat the step from `previous` to `current`, now that D is known at its end.

    With u = lambda - lambda_previous, a step of length h is x * exp(-h) plus the integral of
    exp(u - h) D(u); D is a polynomial through the three evaluations, in Newton's form.
    """
    h = previous.log_ratio(current.sigma)
    moment_0 = -math.expm1(-h)  # Integral of exp(u - h) from 0 to h, then with u and u**2.
    moment_1 = h - moment_0
    moment_2 = h**2 - 2 * moment_1
    x = math.exp(-h) * x + moment_0 * previous.denoised
    slope = (current.denoised - previous.denoised) / h
    if before is None:
        return x + h / 2 * moment_0 * slope
    h_before = before.log_ratio(previous.sigma)
    slope_before = (previous.denoised - before.denoised) / h_before
    curvature = (slope - slope_before) / (h + h_before)
    return x + moment_1 * slope + (moment_2 - h * moment_1) * curvature


def _evaluate(denoise: Denoiser, x: Tensor, sigma: float) -> _Evaluation:
    return _Evaluation(sigma, denoise(x, x.new_full((len(x),), sigma)))


def _ode_slope(denoise: Denoiser, x: Tensor, sigma: float) -> Tensor:
    return (x - _evaluate(denoise, x, sigma).denoised) / sigma


def _levels(sigmas: Tensor) -> list[float]:
    """Return the noise levels as plain numbers, so that no step waits for the device."""
    levels: list[float] = sigmas.tolist()
    if len(levels) < 2 or levels[-1] < 0 or any(low >= high for high, low in pairwise(levels)):
        raise ValueError(f"noise levels must decrease to 0 or above, got {levels}")
    return levels
