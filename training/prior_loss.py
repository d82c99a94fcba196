# SPDX-License-Identifier: GPL-3.0-or-later
"""The objective of stage 2: predict clean basis coefficients from noisy ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.decoder.stf import Decoder
from ..core.prior.transformer import LatentPrior
from ..core.specs import PriorSpec
from .config import FieldLossConfig, PriorLossConfig
from .dataset import Queries
from .field_loss import field_loss

_LOWEST_SIGMA = 0.1
_HIGHEST_SIGMA = 160.0


def sigma_to_timestep(sigma: Tensor, spec: PriorSpec) -> Tensor:
    """Return the fractional timestep of noise levels [B]; the inverse of `LatentPrior.sigma`."""
    steps = torch.log1p(sigma**2) * (spec.num_timesteps / spec.schedule_rate) - 1
    return steps.clamp(0, spec.num_timesteps - 1)


@dataclass(frozen=True, slots=True)
class Decoding:
    """What the predicted latents of a batch should decode to."""

    decoder: Decoder
    """Frozen; in the precision of the surrounding autocast."""
    queries: Queries
    config: FieldLossConfig


def prior_loss(
    prior: LatentPrior,
    coefficients: Tensor,
    condition: Tensor,
    config: PriorLossConfig,
    generator: torch.Generator,
    decoding: Decoding | None = None,
) -> dict[str, Tensor]:
    """Return `loss`, its mean over low, middle and high noise, and the decoded parts if asked for.

    Args:
        prior: with a basis.
        coefficients: clean, [B, K].
        condition: [B, S, E]; a share of the rows is zeroed here.
        config: noise and dropout.
        generator: draws everything random.
        decoding: adds the field loss of the decoded prediction.
    """
    basis = prior.basis
    assert basis is not None
    num = len(coefficients)
    drawn = torch.randn(num, generator=generator) * config.log_sigma_std + config.log_sigma_mean
    sigma = drawn.exp().clamp(_LOWEST_SIGMA, _HIGHEST_SIGMA)
    noise = torch.randn(coefficients.shape, generator=generator)
    keep = torch.rand(num, generator=generator) >= config.condition_dropout
    scaling = basis.precondition(sigma)
    noisy = coefficients + sigma[:, None] * noise
    target = (coefficients - scaling.c_skip * noisy) / scaling.c_out
    predicted = prior.residual(
        noisy * scaling.c_in, sigma_to_timestep(sigma, prior.spec), condition * keep[:, None, None]
    )
    weight = basis.spread**config.spread_power
    weight = weight / weight.mean()
    error = ((predicted - target) ** 2 * weight).mean(1)  # [B]
    losses = {"loss": error.mean()}
    for name, low, high in (("low", 0.0, 1.0), ("middle", 1.0, 5.0), ("high", 5.0, 1e9)):
        chosen = (sigma >= low) & (sigma < high)
        losses[name] = (error.detach() * chosen).sum() / chosen.sum().clamp(min=1)
    if decoding is not None:
        clean = scaling.c_skip * noisy + scaling.c_out * predicted
        # Rows that lost their condition cannot know what to decode to.
        trust = keep / (1 + (sigma / config.decoded_sigma) ** 2)
        decoded = field_loss(
            decoding.decoder, basis.reconstruct(clean), decoding.queries, decoding.config, trust
        )
        losses["loss"] = losses["loss"] + config.decoded_weight * decoded["loss"]
        losses |= {"decoded_" + name: decoded[name] for name in ("distance", "color")}
    return losses


def condition_gap(
    prior: LatentPrior, coefficients: Tensor, right: Tensor, wrong: Tensor, sigma: float
) -> float:
    """Return how much worse the prediction is with the wrong condition, as a share.

    A gap of 0 means that the prior does not read the condition (yet).
    """
    generator = torch.Generator().manual_seed(0)
    level = torch.full((len(coefficients),), sigma)
    noise = torch.randn(coefficients.shape, generator=generator)
    basis = prior.basis
    assert basis is not None
    scaling = basis.precondition(level)
    noisy = coefficients + sigma * noise
    timestep = sigma_to_timestep(level, prior.spec)
    errors = []
    with torch.inference_mode():
        for condition in (right, wrong):
            residual = prior.residual(noisy * scaling.c_in, timestep, condition)
            clean = scaling.c_skip * noisy + scaling.c_out * residual
            errors.append(float(((clean - coefficients) ** 2).sum(1).mean()))
    return errors[1] / errors[0] - 1
