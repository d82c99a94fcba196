# SPDX-License-Identifier: GPL-3.0-or-later
"""From a prior that predicts clean latents to one guided denoiser D(x; sigma).

Classifier-free guidance: Ho and Salimans (2022), arXiv:2207.12598.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from ..config import Convention
from ..errors import NonFiniteError
from .schedule import sigma_to_timestep

Denoiser: TypeAlias = Callable[[Tensor, Tensor], Tensor]
"""Maps noisy x [B, L, C] and sigma [B] to the predicted clean x [B, L, C], all fp32."""

Prior: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Maps x / sqrt(sigma**2 + 1) [B, L, C] in fp32, timesteps [B] and conditions [B, ...] to the
predicted clean x [B, L, C]; may compute and answer in half precision."""


def guided_denoiser(
    prior: Prior,
    condition: Tensor,
    uncond: Tensor,
    guidance_scale: float,
    *,
    convention: Convention,
    alphas_cumprod: Tensor,
    delta_reuse: int = 1,
    guidance_floor: float = 0.0,
) -> Denoiser:
    """Return the denoiser that follows `condition` with the given strength.

    OpenAI's convention clamps both predictions to [-1, 1] and then guides, so what it returns may
    leave that range; diffusers' guides and then clamps. A scale of 1 asks the prior only once.

    Args:
        prior: predicts clean latents.
        condition: what to follow, [B, ...].
        uncond: the same for "nothing in particular", [B, ...].
        guidance_scale: weight of the difference between the two predictions; 1 is unguided.
        convention: whose clamp, timesteps and order of the two halves of the batch.
        alphas_cumprod: alpha_bar of every trained timestep, on the CPU, [num_timesteps].
        delta_reuse: every how many evaluations `uncond` is asked about.
        guidance_floor: noise level below which it is not asked about any more.

    Returns:
        The denoiser; it raises NonFiniteError when the prior answers NaN or infinity.
    """
    if uncond.shape != condition.shape:
        raise ValueError(f"condition is {[*condition.shape]} but uncond is {[*uncond.shape]}")
    guide = _Guide(
        guidance_scale,
        is_openai=convention == "openai",
        delta_reuse=delta_reuse,
        floor=guidance_floor,
    )

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        timestep = sigma_to_timestep(sigma, alphas_cumprod, convention).to(x.device)
        scaled = x / (sigma[:, None, None] ** 2 + 1).sqrt()
        sides = guide.sides(condition, uncond, float(sigma.max()))
        if len(sides) > 1:
            scaled, timestep = torch.cat([scaled, scaled]), torch.cat([timestep, timestep])
        # fp32 from here on: guidance multiplies the rounding of a half-precision difference.
        predicted = prior(scaled, timestep, torch.cat(sides)).to(x.dtype)
        _require_finite(predicted)
        return guide.mix(predicted)

    return denoise


class _Guide:
    """Which sides of the guidance an evaluation asks for, and what it makes of the answers."""

    def __init__(self, scale: float, *, is_openai: bool, delta_reuse: int, floor: float) -> None:
        self._scale = scale
        self._floor = floor
        self._is_guided = True
        self._is_openai = is_openai
        self._delta_reuse = delta_reuse
        self._count = 0
        self._delta: Tensor | None = None
        """The last difference between the two predictions, [B, L, C]."""

    def sides(self, condition: Tensor, uncond: Tensor, sigma: float) -> list[Tensor]:
        """Return what to ask the prior about at a noise level, in one batch."""
        is_due = self._count % self._delta_reuse == 0
        self._count += 1
        self._is_guided = self._scale != 1.0 and sigma >= self._floor
        if not (self._is_guided and is_due):
            return [condition]
        self._delta = None
        return [condition, uncond] if self._is_openai else [uncond, condition]

    def mix(self, predicted: Tensor) -> Tensor:
        """Return the guided prediction [B, L, C] of the answers to `sides`."""
        if self._is_openai:
            predicted = predicted.clamp(-1, 1)
        if self._is_guided:
            predicted = self._guided(predicted)
        return predicted if self._is_openai else predicted.clamp(-1, 1)

    def _guided(self, predicted: Tensor) -> Tensor:
        if self._delta is not None:
            # The conditional side is new, so that only its difference to the other one is old.
            return predicted + (self._scale - 1) * self._delta
        first, second = predicted.chunk(2)
        toward, away = (first, second) if self._is_openai else (second, first)
        if self._delta_reuse > 1:
            self._delta = toward - away
        return away + self._scale * (toward - away)


class WatchedDenoiser:
    """A denoiser that passes everything on unchanged and remembers its last answer."""

    def __init__(self, denoise: Denoiser) -> None:
        self._denoise = denoise
        self.latest: Tensor | None = None
        """The current estimate of the clean sample, [B, L, C]; None before the first call."""

    def __call__(self, x: Tensor, sigma: Tensor) -> Tensor:
        self.latest = self._denoise(x, sigma)
        return self.latest


def _require_finite(predicted: Tensor) -> None:
    """Raise for NaN and infinity, which the clamp would turn into plausible numbers."""
    # One number says it for all, since any NaN or infinity survives a sum.
    if not bool(torch.isfinite(predicted.sum())):
        raise NonFiniteError("sampling")
