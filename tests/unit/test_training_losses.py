# SPDX-License-Identifier: GPL-3.0-or-later
"""The objectives of both stages against values known in closed form."""

from __future__ import annotations

from dataclasses import replace

import torch
from maquette.core.decoder.stf import Decoder
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import DECODERS, PRIORS
from maquette.training.config import FieldLossConfig, PriorLossConfig
from maquette.training.dataset import Queries
from maquette.training.field_loss import field_loss
from maquette.training.prior_loss import condition_gap, prior_loss, sigma_to_timestep

PRIOR = replace(PRIORS["starter"], width=32, num_layers=1, num_heads=2)
FIELD_LOSS = FieldLossConfig(
    queries_per_shape=4,
    near_distance=0.03,
    color_distance=0.05,
    color_weight=2.0,
    distance_scale=0.1,
    latent_noise=0.0,
)
PRIOR_LOSS = PriorLossConfig(
    condition_dropout=0.0, log_sigma_mean=0.0, log_sigma_std=1.0, spread_power=0.0
)


def _prior() -> LatentPrior:
    torch.manual_seed(0)
    prior = LatentPrior(PRIOR)
    assert prior.basis is not None
    prior.basis.rows.copy_(torch.eye(PRIOR.basis_size, PRIOR.num_latents * PRIOR.channels))
    return prior


def test_timesteps_and_noise_levels_are_inverse() -> None:
    timestep = torch.tensor([0.0, 12.5, 500.0, 1023.0])

    torch.testing.assert_close(
        sigma_to_timestep(_prior().sigma(timestep), PRIOR), timestep, rtol=1e-4, atol=1e-2
    )


def test_a_silent_prior_on_gaussian_data_has_a_loss_of_one() -> None:
    """Input and target are scaled to unit variance, so predicting nothing costs 1."""
    prior = _prior()
    torch.nn.init.zeros_(prior.latent_out.weight)
    torch.nn.init.zeros_(prior.latent_out.bias)
    clean = torch.randn(4096, PRIOR.basis_size, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)

    with torch.no_grad():
        losses = prior_loss(prior, clean, torch.zeros(4096, 4, 128), PRIOR_LOSS, generator)

    assert abs(float(losses["loss"]) - 1.0) < 0.01


def test_a_prior_that_ignores_its_condition_has_no_gap() -> None:
    prior = _prior()
    clean = torch.randn(8, PRIOR.basis_size)
    right, wrong = torch.randn(8, 4, 128), torch.randn(8, 4, 128)
    assert condition_gap(prior, clean, right, wrong, sigma=1.0) != 0.0
    torch.nn.init.zeros_(prior.latent_out.weight)

    assert condition_gap(prior, clean, right, wrong, sigma=1.0) == 0.0


def test_the_field_loss_by_hand() -> None:
    """A field that answers 0 and grey everywhere; two queries near, one far."""
    decoder = Decoder(DECODERS["starter"])
    for parameter in decoder.parameters():
        torch.nn.init.zeros_(parameter)
    queries = Queries(
        torch.zeros(1, 3, 3),
        torch.tensor([[0.01, -0.04, -0.5]]),
        torch.tensor([[[1.0, 1.0, 1.0], [0.5, 0.5, 0.5], [1.0, 0.0, 0.0]]]),
    )

    losses = field_loss(decoder, torch.zeros(1, 256, 32), queries, FIELD_LOSS)

    targets = torch.tanh(torch.tensor([0.1, 0.4, 5.0]))
    distance = (3 * targets[0] + targets[1] + targets[2]) / 3
    color = (0.25 + 0.0) / 2
    torch.testing.assert_close(losses["distance"], distance)
    torch.testing.assert_close(losses["color"], torch.tensor(color))
    torch.testing.assert_close(losses["loss"], distance + 2.0 * color)
