# SPDX-License-Identifier: GPL-3.0-or-later
"""Samplers against diffusers' schedulers, which are independent implementations of the papers."""

from __future__ import annotations

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    HeunDiscreteScheduler,
    UniPCMultistepScheduler,
)
from maquette.core.diffusion.denoiser import guided_denoiser
from maquette.core.diffusion.samplers import SAMPLERS, sample_heun
from maquette.core.diffusion.schedule import diffusers_sigmas, exp_alphas_cumprod, karras_sigmas
from maquette.tests.analytic_diffusion import GuidedMixture, ignore_step, relative_errors
from torch import Tensor, nn

GUIDANCE_SCALE = 15.0
CONDITION = torch.randn(2, 1, 6, generator=torch.Generator().manual_seed(1))
UNCOND = torch.zeros_like(CONDITION)


class TinyPrior(nn.Module):
    """A random network that mixes the latent, the timestep and the condition."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(8 + 6 + 4, 32), nn.SiLU(), nn.Linear(32, 8))

    def forward(self, scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        frequencies = torch.tensor([1.0, 0.1, 0.01, 0.001])
        time = torch.cos(timestep.float()[:, None, None] * frequencies)
        shape = (*scaled.shape[:2], -1)
        joined = [scaled, condition.expand(shape), time.expand(shape)]
        output: Tensor = self.layers(torch.cat(joined, dim=-1))
        return output


@pytest.fixture(scope="module")
def prior() -> TinyPrior:
    torch.manual_seed(0)
    return TinyPrior()


def shap_e_scheduler() -> HeunDiscreteScheduler:
    scheduler = HeunDiscreteScheduler(
        num_train_timesteps=1024,
        beta_schedule="exp",
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )
    scheduler.set_timesteps(64)
    return scheduler


@torch.no_grad()
def diffusers_states(prior: TinyPrior, x: Tensor) -> list[Tensor]:
    """Run diffusers' Shap-E loop; return x at each of the 65 noise levels."""
    scheduler = shap_e_scheduler()
    states = [x]
    for i, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(torch.cat([x, x]), timestep)
        conditions = torch.cat([UNCOND, CONDITION])
        uncond, cond = prior(scaled, timestep.expand(len(scaled)), conditions).chunk(2)
        guided = uncond + GUIDANCE_SCALE * (cond - uncond)
        x = scheduler.step(guided, timestep=timestep, sample=x).prev_sample
        # The scheduler alternates between the two stages of a step; the last has only one.
        if i % 2 == 1 or i == len(scheduler.timesteps) - 1:
            states.append(x)
    return states


def test_each_heun_step_is_that_of_diffusers(prior: TinyPrior) -> None:
    sigmas = diffusers_sigmas(64)
    generator = torch.Generator().manual_seed(2)
    states = diffusers_states(prior, torch.randn(2, 5, 8, generator=generator) * sigmas[0])
    denoise = guided_denoiser(
        prior,
        CONDITION,
        UNCOND,
        GUIDANCE_SCALE,
        convention="diffusers",
        alphas_cumprod=exp_alphas_cumprod(convention="diffusers"),
    )

    errors = [
        relative_errors(
            sample_heun(denoise, states[i], sigmas[i : i + 2], on_step=ignore_step), states[i + 1]
        ).max()
        for i in range(64)
    ]

    assert max(errors) < 2e-4


@pytest.mark.parametrize(
    ("method", "scheduler"),
    [
        (
            "dpmpp_2m",
            DPMSolverMultistepScheduler(
                prediction_type="sample",
                algorithm_type="dpmsolver++",
                solver_order=2,
                solver_type="midpoint",
                lower_order_final=False,
            ),
        ),
        (
            "unipc_2",
            UniPCMultistepScheduler(
                prediction_type="sample",
                solver_order=2,
                solver_type="bh2",
                lower_order_final=True,
            ),
        ),
    ],
    ids=["dpmpp_2m", "unipc_2"],
)
def test_a_multistep_run_is_that_of_diffusers(
    method: str, scheduler: DPMSolverMultistepScheduler | UniPCMultistepScheduler
) -> None:
    """Diffusers works on x / sqrt(sigma**2 + 1), which is the same ODE in other variables."""
    problem = GuidedMixture.random(7, deviation=0.2, num_followed=4, batch=4)
    sigmas = karras_sigmas(16, rho=12.0)
    scheduler.set_timesteps(16)
    scheduler.sigmas = sigmas
    scaling = (sigmas**2 + 1).sqrt()
    start = problem.noise * sigmas[0]

    reference = start / scaling[0]
    for i, timestep in enumerate(scheduler.timesteps):
        sigma = sigmas[i].expand(4)
        denoised = problem.denoise(reference * scaling[i], sigma)
        reference = scheduler.step(denoised, timestep, reference).prev_sample
    result = SAMPLERS[method](problem.denoise, start, sigmas, on_step=ignore_step)

    assert relative_errors(result, reference).max() < 1e-6
