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

    Returns:
        The denoiser; it raises NonFiniteError when the prior answers NaN or infinity.
    """
    if uncond.shape != condition.shape:
        raise ValueError(f"condition is {[*condition.shape]} but uncond is {[*uncond.shape]}")
    is_openai = convention == "openai"
    is_guided = guidance_scale != 1.0
    halves = [condition, uncond] if is_openai else [uncond, condition]
    conditions = torch.cat(halves) if is_guided else condition

    def denoise(x: Tensor, sigma: Tensor) -> Tensor:
        timestep = sigma_to_timestep(sigma, alphas_cumprod, convention).to(x.device)
        scaled = x / (sigma[:, None, None] ** 2 + 1).sqrt()
        if is_guided:
            scaled, timestep = torch.cat([scaled, scaled]), torch.cat([timestep, timestep])
        # fp32 from here on: guidance multiplies the rounding of a half-precision difference.
        predicted = prior(scaled, timestep, conditions).to(x.dtype)
        _require_finite(predicted)
        if is_openai:
            predicted = predicted.clamp(-1, 1)
        if is_guided:
            first, second = predicted.chunk(2)
            toward, away = (first, second) if is_openai else (second, first)
            predicted = away + guidance_scale * (toward - away)
        return predicted if is_openai else predicted.clamp(-1, 1)

    return denoise


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
