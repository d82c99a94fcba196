# SPDX-License-Identifier: GPL-3.0-or-later
"""The prior's own options; parity with the published networks is in tests/parity."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from maquette.core.config import SamplerConfig
from maquette.core.prior.transformer import LatentPrior, timestep_embedding
from maquette.core.sampling import sample_latents
from maquette.tests.unit.tiny_prior import SPEC, tiny_basis
from torch import Tensor


def test_latents_in_the_span_survive_thetiny_basis() -> None:
    basis = tiny_basis()
    coefficients = torch.randn(5, 8)

    back = basis.project(basis.reconstruct(coefficients))

    torch.testing.assert_close(back, coefficients, rtol=1e-5, atol=1e-5)


def test_an_untrained_prior_is_the_best_linear_denoiser() -> None:
    """With a silent network, D is the conditional mean of a Gaussian: s^2 / (s^2 + sigma^2) y."""
    prior = LatentPrior(SPEC)
    torch.nn.init.zeros_(prior.latent_out.weight)
    torch.nn.init.zeros_(prior.latent_out.bias)
    assert prior.basis is not None
    prior.basis.load_state_dict(tiny_basis().state_dict())
    timestep = torch.tensor([100.0, 600.0])
    sigma = prior.sigma(timestep)
    noisy = torch.randn(2, 6, 4) * 3

    clean = prior(noisy / (sigma**2 + 1).sqrt()[:, None, None], timestep, torch.zeros(2, 2, 8))

    spread = prior.basis.spread
    gain = spread**2 / (spread**2 + sigma[:, None] ** 2)
    expected = prior.basis.reconstruct(gain * prior.basis.project(noisy))
    torch.testing.assert_close(clean, expected, rtol=1e-4, atol=1e-4)


def test_scalings_give_unit_variance_in_and_out() -> None:
    """Karras et al. (2022), table 1: for clean ~ N(0, s^2) input and target have variance 1."""
    basis = tiny_basis()
    generator = torch.Generator().manual_seed(1)
    clean = torch.randn(200_000, 8, generator=generator) * basis.spread
    sigma = torch.tensor([1.5])
    noisy = clean + sigma * torch.randn(clean.shape, generator=generator)
    scaling = basis.precondition(sigma)

    target = (clean - scaling.c_skip * noisy) / scaling.c_out

    torch.testing.assert_close((noisy * scaling.c_in).std(0), torch.ones(8), rtol=0.01, atol=0)
    torch.testing.assert_close(target.std(0), torch.ones(8), rtol=0.01, atol=0)


def test_noise_levels_follow_the_exp_schedule() -> None:
    prior = LatentPrior(SPEC)
    timestep = torch.tensor([0.0, 511.0, 1023.0])

    alphas = torch.exp(-12 * (timestep + 1) / 1024)

    torch.testing.assert_close(prior.sigma(timestep), ((1 - alphas) / alphas).sqrt())


def test_the_condition_reaches_the_prediction() -> None:
    torch.manual_seed(0)
    prior = LatentPrior(SPEC)
    assert prior.basis is not None
    prior.basis.load_state_dict(tiny_basis().state_dict())
    x, timestep = torch.randn(1, 6, 4), torch.tensor([500.0])

    one = prior(x, timestep, torch.zeros(1, 2, 8))
    other = prior(x, timestep, torch.ones(1, 2, 8))

    assert (one - other).abs().max() > 1e-3


def test_timestep_embedding_is_cosines_then_sines() -> None:
    embedding = timestep_embedding(torch.tensor([2.0]), 4)

    expected = torch.tensor([2.0, 0.02]).cos().tolist() + torch.tensor([2.0, 0.02]).sin().tolist()
    assert embedding[0].tolist() == pytest.approx(expected, abs=1e-6)


@torch.no_grad()
def test_matrices_kept_by_columns_give_the_same() -> None:
    torch.manual_seed(1)
    prior = LatentPrior(SPEC)
    for parameter in prior.parameters():
        parameter.uniform_(-0.3, 0.3)
    assert prior.basis is not None
    prior.basis.load_state_dict(tiny_basis().state_dict())
    asked = torch.randn(2, 6, 4), torch.tensor([100.0, 600.0]), torch.randn(2, 2, 8)
    before = {name: value.clone() for name, value in prior.state_dict().items()}
    expected = prior(*asked)

    prior.lay_out_for_few_tokens()

    assert all(torch.equal(before[name], value) for name, value in prior.state_dict().items())
    assert prior.latent_in.weight.stride() == (1, len(prior.latent_in.weight))
    torch.testing.assert_close(prior(*asked), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("count", "num_cores"), [(1, 1), (200, 3)])
def test_few_latents_are_sampled_on_one_core_and_many_on_all(count: int, num_cores: int) -> None:
    class Asked:
        spec = replace(SPEC, width=256)
        cores: ClassVar[list[int]] = []

        def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
            self.cores.append(torch.get_num_threads())
            return x

    prior, sampler = Asked(), SamplerConfig(num_steps=2, guidance_scale=1.0)
    prior.cores.clear()
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        sample_latents(
            prior, torch.zeros(1, 2, 8), sampler, range(count), on_step=lambda done, total: None
        )
        after = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)

    assert set(prior.cores) == {num_cores}
    assert after == 3
