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
from maquette.training.field_loss import color_rarity, field_loss
from maquette.training.initialise import initialise_decoder
from maquette.training.prior_loss import (
    Decoding,
    condition_gap,
    prior_loss,
    sigma_to_timestep,
)

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


def test_rare_colors_weigh_more_by_hand() -> None:
    """Three reds and a blue; a green that does not count."""
    red, blue, green = (0.8, 0.1, 0.1), (0.15, 0.3, 0.8), (0.2, 0.6, 0.2)
    colors = torch.tensor([[red, red, (0.84, 0.13, 0.1), blue, green]])
    visible = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]])

    alike = color_rarity(colors, visible, 0.0)
    even = color_rarity(colors, visible, 1.0)

    torch.testing.assert_close(alike * visible, visible)
    torch.testing.assert_close(even[0, :4], torch.tensor([2 / 3, 2 / 3, 2 / 3, 2.0]))


def test_a_shape_without_weight_does_not_count() -> None:
    torch.manual_seed(0)
    decoder = Decoder(DECODERS["starter"])
    initialise_decoder(decoder)
    latents = torch.randn(2, 256, 32)
    queries = Queries(torch.rand(2, 8, 3), torch.zeros(2, 8), torch.rand(2, 8, 3))
    alone = Queries(queries.points[:1], queries.distance[:1], queries.colors[:1])

    both = field_loss(decoder, latents, queries, FIELD_LOSS, torch.tensor([1.0, 0.0]))
    first = field_loss(decoder, latents[:1], alone, FIELD_LOSS)

    for name in ("distance", "color", "loss"):
        torch.testing.assert_close(2 * both[name], first[name])


def _decoding() -> Decoding:
    decoder = Decoder(DECODERS["starter"])
    initialise_decoder(decoder)
    decoder.requires_grad_(False)
    queries = Queries(torch.rand(4, 8, 3), torch.zeros(4, 8), torch.rand(4, 8, 3))
    return Decoding(decoder, queries, FIELD_LOSS)


def test_the_decoded_prediction_adds_to_the_loss() -> None:
    """At little noise the prediction is the clean latent, whose own field loss is known."""
    prior, decoding = _prior(), _decoding()
    assert prior.basis is not None
    clean = torch.randn(4, PRIOR.basis_size)
    config = replace(PRIOR_LOSS, log_sigma_mean=-9.0, decoded_weight=0.5, decoded_sigma=1e6)

    plain, with_field = (
        prior_loss(
            prior, clean, torch.zeros(4, 4, 128), config, torch.Generator().manual_seed(1), each
        )
        for each in (None, decoding)
    )

    known = field_loss(
        decoding.decoder, prior.basis.reconstruct(clean), decoding.queries, FIELD_LOSS
    )
    torch.testing.assert_close(with_field["decoded_color"], known["color"], rtol=0.05, atol=1e-3)
    torch.testing.assert_close(
        with_field["loss"] - plain["loss"],
        0.5 * (with_field["decoded_distance"] + 2.0 * with_field["decoded_color"]),
    )
    with_field["loss"].backward()
    assert prior.latent_out.weight.grad is not None
    assert prior.latent_out.weight.grad.abs().sum() > 0


def test_rows_without_a_condition_are_not_decoded() -> None:
    prior, decoding = _prior(), _decoding()
    config = replace(PRIOR_LOSS, condition_dropout=1.0, decoded_weight=1.0, decoded_sigma=1e6)

    losses = prior_loss(
        prior,
        torch.randn(4, PRIOR.basis_size),
        torch.randn(4, 4, 128),
        config,
        torch.Generator().manual_seed(1),
        decoding,
    )

    assert losses["decoded_distance"].item() == losses["decoded_color"].item() == 0.0


WITHOUT_BASIS = replace(
    PRIOR, num_latents=32, channels=16, basis_size=0, num_tokens=0, num_pooled=0
)


class IdealPrior(LatentPrior):
    """The best denoiser of latents that are normal with a known spread."""

    spread = 0.6

    def forward(self, x: torch.Tensor, timestep: torch.Tensor, condition: torch.Tensor):
        sigma = self.sigma(timestep)[:, None, None]
        noisy = x * (sigma**2 + 1).sqrt()
        return noisy * self.spread**2 / (self.spread**2 + sigma**2)


def test_the_ideal_denoiser_of_normal_latents_costs_its_posterior_variance() -> None:
    """At noise level sigma that is s^2 sigma^2 / (s^2 + sigma^2), for every number alike."""
    prior = IdealPrior(WITHOUT_BASIS)
    clean = prior.spread * torch.randn(512, 32, 16, generator=torch.Generator().manual_seed(1))
    s2 = prior.spread**2
    sigma2 = torch.expm1(12 * (torch.arange(1024) + 1) / 1024)
    expected = s2 * sigma2 / (s2 + sigma2)

    with torch.no_grad():
        losses = prior_loss(
            prior, clean, torch.zeros(512, 1, 128), PRIOR_LOSS, torch.Generator().manual_seed(2)
        )

    # 512 even draws of the timestep, whose variance of the mean is known, and 512^2 numbers.
    margin = 5 * float(expected.std()) / 512**0.5
    assert abs(float(losses["loss"]) - float(expected.mean())) < margin
    high = sigma2.sqrt() >= 5
    assert abs(float(losses["high"]) - float(expected[high].mean())) < 0.01


def test_a_prior_without_a_basis_is_asked_as_the_sampler_asks_it() -> None:
    """Whole timesteps, and inputs of the variance of alpha_bar x0 + (1 - alpha_bar) noise."""
    asked = {}

    class Watching(LatentPrior):
        def forward(self, x: torch.Tensor, timestep: torch.Tensor, condition: torch.Tensor):
            asked["x"], asked["timestep"] = x, timestep
            return torch.zeros_like(x)

    clean = torch.randn(256, 32, 16, generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)

    losses = prior_loss(
        Watching(WITHOUT_BASIS), clean, torch.zeros(256, 1, 128), PRIOR_LOSS, generator
    )

    timestep = asked["timestep"]
    assert torch.equal(timestep, timestep.round())
    assert 0 <= float(timestep.min()) < 100 and 920 < float(timestep.max()) <= 1023
    # Unit latents and unit noise mix to unit variance at every timestep.
    assert abs(float(asked["x"].var()) - 1.0) < 0.02
    torch.testing.assert_close(losses["loss"], clean.square().mean())
