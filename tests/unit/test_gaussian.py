# SPDX-License-Identifier: GPL-3.0-or-later
"""What a condition says about coefficients, against dense matrices and against draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.core.prior.gaussian import ConditionalGaussian, Gaussian
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import GaussianSpec
from maquette.tests.unit.tiny_prior import SPEC as PLAIN
from maquette.tests.unit.tiny_prior import tiny_basis
from torch import Tensor

SIZES = GaussianSpec(width=16, shape_tokens=(0,), num_paints=3, num_groups=3, rank=2)
SPEC = replace(PLAIN, gaussian=SIZES)


def _filled() -> ConditionalGaussian:
    torch.manual_seed(3)
    module = ConditionalGaussian(SIZES, 2, 8, 8)
    for buffer in (module.centers, module.factors):
        buffer.normal_()
    module.spreads.uniform_(0.3, 1.0)
    return module


def _one() -> Gaussian:
    torch.manual_seed(1)
    return Gaussian(torch.randn(1, 8), torch.rand(1, 8) + 0.2, torch.randn(1, 8, 2))


def _covariance(known: Gaussian) -> np.ndarray:
    factors = known.factors[0].double().numpy()
    dense: np.ndarray = np.diag(known.spread[0].double().numpy() ** 2) + factors @ factors.T
    return dense


@pytest.mark.parametrize("sigma", [0.05, 0.7, 12.0])
def test_denoising_agrees_with_dense_matrices(sigma: float) -> None:
    known = _one()
    noisy = torch.randn(1, 8) * 3

    found = known.denoise(noisy, torch.tensor([sigma]))

    prior = _covariance(known)
    gain = prior @ np.linalg.inv(prior + sigma**2 * np.eye(8))
    mean = known.mean[0].double().numpy()
    clean = mean + gain @ (noisy[0].double().numpy() - mean)
    left = prior - gain @ prior
    np.testing.assert_allclose(found.clean[0].numpy(), clean, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.scale[0].numpy(), np.sqrt(np.diag(left)), rtol=1e-3, atol=1e-4)


def test_inputs_and_what_is_left_have_unit_variance() -> None:
    known = _one()
    generator = torch.Generator().manual_seed(2)
    count = 200_000
    drawn = known.mean + known.spread * torch.randn(count, 8, generator=generator)
    drawn = drawn + torch.randn(count, 2, generator=generator) @ known.factors[0].T
    sigma = torch.full((1,), 0.8)
    noisy = drawn + 0.8 * torch.randn(count, 8, generator=generator)

    found = known.denoise(noisy, sigma)

    off = (drawn - found.clean) / found.scale
    torch.testing.assert_close(off.std(0), torch.ones(8), rtol=0.01, atol=0)
    torch.testing.assert_close(found.inputs.std(0), torch.ones(8), rtol=0.01, atol=0)
    # What is left could not have been told from what was seen.
    assert float((off * found.inputs).mean(0).abs().max()) < 0.01


def test_a_condition_of_zeros_calls_for_every_shape() -> None:
    module, basis = _filled(), tiny_basis()
    conditions = torch.randn(3, 2, 8)
    conditions[1] = 0
    noisy, sigma = torch.randn(3, 8), torch.tensor([0.3, 1.0, 4.0])

    found = module(conditions, basis).denoise(noisy, sigma)

    plain = basis.denoise(noisy, sigma)
    for ours, theirs in zip(found, plain, strict=True):
        torch.testing.assert_close(ours[1], theirs[1], rtol=1e-4, atol=1e-5)
        assert float((ours[[0, 2]] - theirs[[0, 2]]).abs().max()) > 1e-2


def test_a_condition_takes_the_covariance_of_the_nearest_group() -> None:
    module, basis = _filled(), tiny_basis()
    conditions = torch.randn(5, 2, 8)

    known = module(conditions, basis)

    nearest = torch.cdist(known.mean, module.centers).argmin(1)
    assert torch.equal(known.factors, module.factors[nearest])
    assert torch.equal(known.spread, module.spreads[nearest])


@torch.no_grad()
def _prior() -> LatentPrior:
    torch.manual_seed(4)
    prior = LatentPrior(SPEC)
    assert prior.basis is not None
    assert prior.gaussian is not None
    prior.basis.load_state_dict(tiny_basis().state_dict())
    prior.gaussian.load_state_dict(_filled().state_dict())
    return prior


def test_a_silent_transformer_leaves_the_posterior_mean() -> None:
    prior = _prior()
    torch.nn.init.zeros_(prior.latent_out.weight)
    torch.nn.init.zeros_(prior.latent_out.bias)
    timestep = torch.tensor([100.0, 600.0])
    sigma = prior.sigma(timestep)
    noisy, condition = torch.randn(2, 6, 4) * 3, torch.randn(2, 2, 8)

    clean = prior(noisy / (sigma**2 + 1).sqrt()[:, None, None], timestep, condition)

    assert prior.basis is not None
    assert prior.gaussian is not None
    known = prior.gaussian(condition, prior.basis)
    expected = []
    for row in range(2):
        one = Gaussian(known.mean[row][None], known.spread[row][None], known.factors[row][None])
        inverse = np.linalg.inv(_covariance(one) + float(sigma[row]) ** 2 * np.eye(8))
        off = (prior.basis.project(noisy)[row] - known.mean[row]).double().numpy()
        mean = known.mean[row].double().numpy() + _covariance(one) @ inverse @ off
        expected.append(torch.from_numpy(mean).float())
    latents = prior.basis.reconstruct(torch.stack(expected))
    torch.testing.assert_close(clean, latents, rtol=1e-4, atol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_full(dtype: torch.dtype) -> None:
    asked = torch.randn(2, 6, 4), torch.tensor([100.0, 600.0]), torch.randn(2, 2, 8)
    full = _prior()(*asked)

    half: Tensor = _prior().to(dtype)(*asked)

    assert half.dtype == torch.float32
    assert float((half - full).abs().max()) < 0.1 * float(full.abs().max())


def test_the_distribution_is_not_trained_with_the_prior() -> None:
    trained = [name for name, each in _prior().named_parameters() if each.requires_grad]

    assert trained
    assert not any(name.startswith("gaussian.") for name in trained)
