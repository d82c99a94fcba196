# SPDX-License-Identifier: GPL-3.0-or-later
"""Noise levels and timesteps against OpenAI's recorded numbers and against diffusers itself."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import HeunDiscreteScheduler
from maquette.core.config import SamplerConfig
from maquette.core.diffusion.schedule import (
    diffusers_sigmas,
    exp_alphas_cumprod,
    fractional_timestep,
    sampling_sigmas,
    sigma_to_timestep,
)
from safetensors.torch import load_file
from torch import Tensor

RECORDED = Path(__file__).parent / "data" / "schedules_official.safetensors"


@pytest.fixture(scope="module")
def official() -> dict[str, Tensor]:
    """Schedules of openai/shap-e at commit 5013101, recorded from its own code."""
    return load_file(RECORDED)


@pytest.fixture
def scheduler() -> HeunDiscreteScheduler:
    """The scheduler of the openai/shap-e repository on the hub."""
    return HeunDiscreteScheduler(
        num_train_timesteps=1024,
        beta_schedule="exp",
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )


def test_alphas_cumprod_are_those_of_openai(official: dict[str, Tensor]) -> None:
    torch.testing.assert_close(exp_alphas_cumprod(), official["alphas_cumprod"], rtol=1e-12, atol=0)


def test_alphas_cumprod_are_those_of_diffusers(scheduler: HeunDiscreteScheduler) -> None:
    ours = exp_alphas_cumprod(convention="diffusers").float()

    torch.testing.assert_close(ours, scheduler.alphas_cumprod, rtol=1e-7, atol=0)


def test_published_sigmas_are_those_of_openai(official: dict[str, Tensor]) -> None:
    sigmas = sampling_sigmas(SamplerConfig.published())

    # OpenAI raises to the power of rho in fp32, where the rounding of the root counts rho times.
    torch.testing.assert_close(sigmas.float(), official["karras64_sigmas"], rtol=3e-6, atol=0)


def test_timesteps_are_those_that_openai_gives_to_the_prior(official: dict[str, Tensor]) -> None:
    sigmas = sampling_sigmas(SamplerConfig.published())[:-1]
    alphas_cumprod = exp_alphas_cumprod()

    fractional = fractional_timestep(sigmas, alphas_cumprod, "openai")
    whole = sigma_to_timestep(sigmas.float(), alphas_cumprod, "openai")

    torch.testing.assert_close(fractional, official["karras64_t_float"], rtol=0, atol=1e-3)
    assert torch.equal(whole, official["karras64_t_long"])


def test_recorded_sigmas_of_diffusers_are_ours(official: dict[str, Tensor]) -> None:
    sigmas = diffusers_sigmas(64)

    torch.testing.assert_close(
        _as_heun_lists(sigmas).float(), official["diffusers64_sigmas"], rtol=1e-6, atol=0
    )


def test_recorded_timesteps_of_diffusers_are_ours(official: dict[str, Tensor]) -> None:
    alphas_cumprod = exp_alphas_cumprod(convention="diffusers")

    timesteps = sigma_to_timestep(diffusers_sigmas(64)[:-1], alphas_cumprod, "diffusers")

    visited = torch.cat([timesteps[:1], timesteps[1:].repeat_interleave(2)])
    torch.testing.assert_close(visited, official["diffusers64_timesteps"], rtol=0, atol=1e-3)


# Not for one step: there diffusers starts at the lowest noise level, which is of no use.
@pytest.mark.parametrize("num_steps", [2, 25, 64, 100])
def test_noise_levels_and_timesteps_are_those_of_the_scheduler(
    scheduler: HeunDiscreteScheduler, num_steps: int
) -> None:
    scheduler.set_timesteps(num_steps)
    alphas_cumprod = exp_alphas_cumprod(convention="diffusers")

    sigmas = diffusers_sigmas(num_steps)
    timesteps = sigma_to_timestep(sigmas[:-1].float(), alphas_cumprod, "diffusers")

    torch.testing.assert_close(_as_heun_lists(sigmas).float(), scheduler.sigmas, rtol=1e-6, atol=0)
    torch.testing.assert_close(timesteps[1:], scheduler.timesteps[1::2], rtol=0, atol=1e-3)
    assert float(timesteps[0]) == pytest.approx(float(scheduler.timesteps[0]), abs=1e-3)


def _as_heun_lists(sigmas: Tensor) -> Tensor:
    """Repeat the inner noise levels, as diffusers lists them for a method with two stages."""
    return torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
