# SPDX-License-Identifier: GPL-3.0-or-later
"""The objective of stage 2: predict the clean latent from a noisy one and a condition.

In a basis, clean coefficients are predicted through the scalings of Karras et al. (2022),
arXiv:2206.00364. Without one, latents are what the published priors were trained on: timesteps
drawn evenly, and the squared error of the clean latent (arXiv:2305.02463, section 4.2).
"""

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
_BANDS = (("low", 0.0, 1.0), ("middle", 1.0, 5.0), ("high", 5.0, 1e9))
"""Noise levels whose losses are told apart."""


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


@dataclass(frozen=True, slots=True)
class _Prediction:
    """Of a batch: the weighted error and what led to it."""

    error: Tensor
    """[B]."""
    sigma: Tensor
    """[B]."""
    clean: Tensor
    """The predicted clean latent, [B, L, C]."""


def prior_loss(
    prior: LatentPrior,
    latents: Tensor,
    condition: Tensor,
    config: PriorLossConfig,
    generator: torch.Generator,
    decoding: Decoding | None = None,
) -> dict[str, Tensor]:
    """Return `loss`, its mean over low, middle and high noise, and the decoded parts if asked for.

    Args:
        prior: with a basis, or without.
        latents: clean; coefficients [B, K] with a basis, else [B, L, C].
        condition: [B, T, E]; a share of the rows is zeroed here.
        config: noise and dropout.
        generator: of the CPU; draws everything random, on every device.
        decoding: adds the field loss of the decoded prediction.
    """
    predict = _predict_latent if prior.basis is None else _predict_coefficients
    sigma, keep = _draw_rows(prior.spec, len(latents), config, generator)
    sigma, keep = sigma.to(latents.device), keep.to(latents.device)
    condition = condition * keep[:, None, None]
    found = predict(prior, latents, condition, sigma, config, generator)
    losses = {"loss": found.error.mean()}
    for name, low, high in _BANDS:
        chosen = (sigma >= low) & (sigma < high)
        losses[name] = (found.error.detach() * chosen).sum() / chosen.sum().clamp(min=1)
    if decoding is not None:
        # Rows that lost their condition cannot know what to decode to.
        trust = keep / (1 + (sigma / config.decoded_sigma) ** 2)
        decoded = field_loss(
            decoding.decoder, found.clean, decoding.queries, decoding.config, trust
        )
        losses["loss"] = losses["loss"] + config.decoded_weight * decoded["loss"]
        losses |= {"decoded_" + name: decoded[name] for name in ("distance", "color")}
    return losses


def _draw_rows(
    spec: PriorSpec, num: int, config: PriorLossConfig, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return noise levels [B], and which rows keep their condition [B]."""
    if spec.basis_size:
        drawn = torch.randn(num, generator=generator) * config.log_sigma_std
        sigma = (drawn + config.log_sigma_mean).exp().clamp(_LOWEST_SIGMA, _HIGHEST_SIGMA)
    else:
        timestep = torch.randint(spec.num_timesteps, (num,), generator=generator)
        sigma = torch.expm1((timestep + 1) * (spec.schedule_rate / spec.num_timesteps)).sqrt()
    keep = torch.rand(num, generator=generator) >= config.condition_dropout
    return sigma, keep


def _predict_coefficients(
    prior: LatentPrior,
    coefficients: Tensor,
    condition: Tensor,
    sigma: Tensor,
    config: PriorLossConfig,
    generator: torch.Generator,
) -> _Prediction:
    basis = prior.basis
    assert basis is not None
    noisy = coefficients + sigma[:, None] * draw_normal(coefficients, generator)
    # What is fixed, and needs every digit.
    with torch.no_grad(), torch.autocast(sigma.device.type, enabled=False):
        known = prior.denoise(noisy, sigma, condition)
    timestep = sigma_to_timestep(sigma, prior.spec)
    predicted = prior.residual(known.inputs, timestep, condition)
    target = (coefficients - known.clean) / known.scale
    # What is open without a condition, or with it where that is known.
    weight = (basis.spread if prior.gaussian is None else known.scale) ** config.spread_power
    weight = weight / weight.mean(-1, keepdim=True)
    error = ((predicted - target) ** 2 * weight).mean(1)
    return _Prediction(error, sigma, basis.reconstruct(known.clean + known.scale * predicted))


def _predict_latent(
    prior: LatentPrior,
    latents: Tensor,
    condition: Tensor,
    sigma: Tensor,
    config: PriorLossConfig,
    generator: torch.Generator,
) -> _Prediction:
    noisy = latents + sigma[:, None, None] * draw_normal(latents, generator)
    scaled = noisy / (sigma**2 + 1).sqrt()[:, None, None]
    # Exact multiples, as the published sampler hands them over.
    timestep = sigma_to_timestep(sigma, prior.spec).round()
    clean = prior(scaled, timestep, condition)
    return _Prediction(((clean - latents) ** 2).mean((1, 2)), sigma, clean)


def draw_normal(like: Tensor, generator: torch.Generator) -> Tensor:
    """Return unit noise of a tensor's shape, on its device, from a generator of the CPU.

    On a GPU it is drawn there, from a seed that the generator gives: a million numbers for each
    of the published latents would take the CPU longer than the step.
    """
    if like.device.type == "cpu":
        return torch.randn(like.shape, generator=generator)
    seed = int(torch.randint(2**62, (), generator=generator))
    there = torch.Generator(like.device).manual_seed(seed)
    return torch.randn(like.shape, generator=there, device=like.device)


def condition_gap(
    prior: LatentPrior, coefficients: Tensor, right: Tensor, wrong: Tensor, sigma: float
) -> float:
    """Return how much worse the prediction is with the wrong condition, as a share.

    A gap of 0 means that the prior does not read the condition (yet). Tensors may be on the CPU.
    """
    device = prior.latent_in.weight.device
    generator = torch.Generator().manual_seed(0)
    level = torch.full((len(coefficients),), sigma, device=device)
    noise = torch.randn(coefficients.shape, generator=generator).to(device)
    coefficients = coefficients.to(device)
    noisy = coefficients + sigma * noise
    timestep = sigma_to_timestep(level, prior.spec)
    errors = []
    with torch.inference_mode():
        for condition in (right, wrong):
            given = condition.to(device)
            known = prior.denoise(noisy, level, given)
            residual = prior.residual(known.inputs, timestep, given)
            clean = known.clean + known.scale * residual
            errors.append(float(((clean - coefficients) ** 2).sum(1).mean()))
    return errors[1] / errors[0] - 1
