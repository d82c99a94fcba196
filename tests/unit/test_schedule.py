# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise schedules against the formulas they come from."""

from __future__ import annotations

import math

import pytest
import torch
from maquette.core.config import SamplerConfig
from maquette.core.diffusion.schedule import (
    diffusers_sigmas,
    exp_alphas_cumprod,
    fractional_timestep,
    karras_sigmas,
    sampling_sigmas,
    sigma_to_timestep,
)


def sigma_at(timestep: float) -> float:
    """Return the noise level of a timestep by the closed form of the `exp` schedule."""
    return math.sqrt(math.expm1(12 * (timestep + 1) / 1024))


def test_alphas_cumprod_fall_from_nearly_one_to_nearly_zero() -> None:
    alphas_cumprod = exp_alphas_cumprod()

    assert alphas_cumprod.shape == (1024,)
    assert float(alphas_cumprod[0]) == pytest.approx(0.9883496471138451, rel=1e-14)
    assert float(alphas_cumprod[-1]) == pytest.approx(math.exp(-12), rel=1e-14)
    assert bool((alphas_cumprod.diff() < 0).all())


def test_other_priors_have_other_schedules() -> None:
    alphas_cumprod = exp_alphas_cumprod(100, rate=9.0)

    assert alphas_cumprod.shape == (100,)
    assert float(alphas_cumprod[49]) == pytest.approx(math.exp(-4.5), rel=1e-14)


def test_karras_sigmas_are_evenly_spaced_after_the_root() -> None:
    sigmas = karras_sigmas(10, sigma_min=0.01, sigma_max=80.0, rho=5.0)

    roots = sigmas[:-1] ** (1 / 5.0)
    torch.testing.assert_close(roots.diff(), roots.diff()[:1].expand(9), rtol=1e-9, atol=0)
    torch.testing.assert_close(sigmas[[0, -2, -1]], sigmas.new_tensor([80.0, 0.01, 0.0]))


def test_one_step_starts_at_the_largest_noise_level() -> None:
    assert karras_sigmas(1).tolist() == pytest.approx([160.0, 0.0])


def test_diffusers_sigmas_span_the_trained_noise() -> None:
    sigmas = diffusers_sigmas(64)

    assert len(sigmas) == 65
    assert float(sigmas[0]) == pytest.approx(sigma_at(1023), rel=5e-5)
    assert float(sigmas[-2]) == pytest.approx(sigma_at(0), rel=1e-5)
    assert float(sigmas[-1]) == 0.0


def test_sampling_sigmas_follow_the_configuration() -> None:
    config = SamplerConfig(num_steps=5, sigma_min=0.02, sigma_max=50.0, rho=3.0)

    torch.testing.assert_close(sampling_sigmas(config), karras_sigmas(5, 0.02, 50.0, 3.0))


def test_sampling_sigmas_in_the_convention_of_diffusers_ignore_the_range() -> None:
    config = SamplerConfig(num_steps=5, sigma_max=50.0, convention="diffusers")

    torch.testing.assert_close(sampling_sigmas(config), diffusers_sigmas(5))


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
def test_timesteps_of_trained_sigmas_are_their_indices(convention: str) -> None:
    index = torch.arange(1024, dtype=torch.float64)
    sigma = torch.tensor([sigma_at(float(t)) for t in index], dtype=torch.float64)

    timestep = fractional_timestep(sigma, exp_alphas_cumprod(), convention)

    torch.testing.assert_close(timestep, index, rtol=0, atol=1e-8)


def test_openai_interpolates_over_alpha_bar() -> None:
    alphas_cumprod = exp_alphas_cumprod()
    mean = float(alphas_cumprod[300] + alphas_cumprod[301]) / 2
    sigma = torch.tensor([math.sqrt(1 / mean - 1)], dtype=torch.float64)

    assert float(fractional_timestep(sigma, alphas_cumprod, "openai")) == pytest.approx(300.5)


def test_diffusers_interpolates_over_log_sigma() -> None:
    sigma = torch.tensor([math.sqrt(sigma_at(2) * sigma_at(3))], dtype=torch.float64)

    timestep = fractional_timestep(sigma, exp_alphas_cumprod(), "diffusers")

    assert float(timestep) == pytest.approx(2.5)


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
def test_timesteps_stay_at_the_ends_beyond_the_trained_noise(convention: str) -> None:
    sigma = torch.tensor([1e-3, 0.1, 500.0, 1e6])

    timestep = sigma_to_timestep(sigma, exp_alphas_cumprod(), convention)

    assert timestep.tolist() == [0, 0, 1023, 1023]


def test_openai_truncates_timesteps_and_diffusers_does_not() -> None:
    sigma = torch.tensor([sigma_at(5.9), sigma_at(1000.9)])

    truncated = sigma_to_timestep(sigma, exp_alphas_cumprod(), "openai")
    fractional = sigma_to_timestep(sigma, exp_alphas_cumprod(), "diffusers")

    assert truncated.dtype == torch.int64
    assert truncated.tolist() == [5, 1000]
    assert fractional.dtype == torch.float32
    torch.testing.assert_close(fractional, torch.tensor([5.9, 1000.9]), rtol=0, atol=0.02)
