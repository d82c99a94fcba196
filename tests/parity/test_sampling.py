# SPDX-License-Identifier: GPL-3.0-or-later
"""Guided Heun sampling, both conventions, from the same noise as the references.

Random networks at guidance 15 amplify rounding from step to step, so that runs are compared step
by step from the reference's state; whole runs are compared where the guidance is mild.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from diffusers import HeunDiscreteScheduler, PriorTransformer
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.prior_keys import prior_key_map
from maquette.core.config import Convention
from maquette.core.diffusion.denoiser import Denoiser, guided_denoiser
from maquette.core.diffusion.samplers import sample_heun
from maquette.core.diffusion.schedule import (
    diffusers_sigmas,
    exp_alphas_cumprod,
    karras_sigmas,
)
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PriorSpec
from maquette.tests.parity.reference_models import TINY, export, reference_prior
from torch import Tensor

NUM_STEPS = 64
STEP_TOLERANCE = 2e-4
RUN_TOLERANCE = 1e-3


class Case:
    """The same prior twice, its condition and the noise to start from."""

    def __init__(self, spec: PriorSpec, folder: Path) -> None:
        self.spec = spec
        self.reference = reference_prior(spec, seed=1)
        path = export(self.reference, folder, "diffusion_pytorch_model.safetensors")
        self.ours = load_module(lambda: LatentPrior(spec), path, partial(prior_key_map, spec))
        generator = torch.Generator().manual_seed(2)
        num_tokens = 16 if spec.normalizes_condition else 1
        shape = (1, num_tokens, spec.condition_width)
        self.condition = torch.randn(shape, generator=generator)
        self.noise = torch.randn(1, spec.num_latents, spec.channels, generator=generator)

    def denoiser(self, guidance_scale: float, convention: Convention) -> Denoiser:
        """Return our guided denoiser."""
        return guided_denoiser(
            self.ours,
            self.condition,
            torch.zeros_like(self.condition),
            guidance_scale,
            convention=convention,
            alphas_cumprod=exp_alphas_cumprod(convention=convention),
        )

    def reference_clean(self, x: Tensor, timestep: Tensor | float, *, order: str) -> Tensor:
        """Ask the reference about both halves of the guided pair, in the order given."""
        halves = {"cond": self.condition, "uncond": torch.zeros_like(self.condition)}
        conditions = torch.cat([halves[name] for name in order.split()])
        embedding = conditions if self.spec.normalizes_condition else conditions[:, 0]
        out = ask(self.reference, torch.cat([x, x]), timestep, embedding)
        return out[..., : self.spec.channels]


def ask(model: PriorTransformer, x: Tensor, timestep: Tensor | float, embedding: Tensor) -> Tensor:
    return model(x, timestep, embedding).predicted_image_embedding


@pytest.fixture(scope="module", params=["text", "image"])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Case:
    spec = TINY.text_prior if request.param == "text" else TINY.image_prior
    return Case(spec, tmp_path_factory.mktemp(request.param))


def diffusers_states(case: Case, guidance_scale: float) -> Iterator[Tensor]:
    """Yield the state at each of diffusers' noise levels, the initial noise first.

    This is the loop of diffusers' Shap-E pipeline over its scheduler.
    """
    scheduler = HeunDiscreteScheduler(
        num_train_timesteps=1024,
        beta_schedule="exp",
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )
    scheduler.set_timesteps(NUM_STEPS)
    x = case.noise * scheduler.init_noise_sigma
    yield x
    for i, timestep in enumerate(scheduler.timesteps):
        scaled = scheduler.scale_model_input(x, timestep)
        uncond, cond = case.reference_clean(scaled, timestep, order="uncond cond").chunk(2)
        guided = uncond + guidance_scale * (cond - uncond)
        x = scheduler.step(guided, timestep, x).prev_sample
        # Two evaluations make one step, except the last.
        if i % 2 == 1 or i == len(scheduler.timesteps) - 1:
            yield x


def openai_states(case: Case, guidance_scale: float) -> Iterator[Tensor]:
    """Yield the same for OpenAI's convention, written out in fp64 from the published facts."""
    levels = [
        (160 ** (1 / 7) + i / (NUM_STEPS - 1) * (1e-3 ** (1 / 7) - 160 ** (1 / 7))) ** 7
        for i in range(NUM_STEPS)
    ] + [0.0]
    alphas = torch.exp(-12 * torch.arange(1, 1025, dtype=torch.float64) / 1024)

    def denoise(x: Tensor, sigma: float) -> Tensor:
        alpha = 1 / (sigma**2 + 1)
        above = int((alphas > alpha).sum())
        index = 0.0
        if 0 < above < 1024:
            index = above - 1 + float((alphas[above - 1] - alpha) / -alphas.diff()[above - 1])
        scaled = (x / (sigma**2 + 1) ** 0.5).float()
        clean = case.reference_clean(scaled, float(int(index)), order="cond uncond").double()
        cond, uncond = clean.clamp(-1, 1).chunk(2)
        return uncond + guidance_scale * (cond - uncond)

    x = case.noise.double() * 160
    yield x.float()
    for sigma, sigma_next in pairwise(levels):
        slope = (x - denoise(x, sigma)) / sigma
        predicted = x + slope * (sigma_next - sigma)
        if sigma_next == 0:
            x = predicted
        else:
            slope_next = (predicted - denoise(predicted, sigma_next)) / sigma_next
            x = x + (slope + slope_next) / 2 * (sigma_next - sigma)
        # Stored states are fp32, so the next step starts from exactly what is yielded.
        x = x.float().double()
        yield x.float()


def relative_l2(actual: Tensor, expected: Tensor) -> float:
    return float((actual - expected).norm() / expected.norm())


REFERENCES: dict[str, tuple[Callable[[Case, float], Iterator[Tensor]], Callable[[], Tensor]]] = {
    "openai": (openai_states, lambda: karras_sigmas(NUM_STEPS)),
    "diffusers": (diffusers_states, lambda: diffusers_sigmas(NUM_STEPS)),
}


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
@torch.inference_mode()
def test_every_guided_step_equals_the_reference(case: Case, convention: Convention) -> None:
    guidance_scale = 3.0 if case.spec.normalizes_condition else 15.0
    states, sigmas = REFERENCES[convention]
    denoise = case.denoiser(guidance_scale, convention)
    expected = list(states(case, guidance_scale))
    levels = sigmas()
    assert len(expected) == len(levels) == NUM_STEPS + 1

    errors = [
        relative_l2(
            sample_heun(denoise, expected[i], levels[i : i + 2], on_step=lambda *_: None),
            expected[i + 1],
        )
        for i in range(NUM_STEPS)
    ]

    assert max(errors) < STEP_TOLERANCE, errors


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
@torch.inference_mode()
def test_a_whole_run_equals_the_reference(case: Case, convention: Convention) -> None:
    states, sigmas = REFERENCES[convention]
    *_, expected = states(case, 3.0)
    levels = sigmas()

    x = case.noise * float(levels[0])
    latent = sample_heun(case.denoiser(3.0, convention), x, levels, on_step=lambda *_: None)

    assert relative_l2(latent, expected) < RUN_TOLERANCE


@torch.inference_mode()
def test_the_conventions_differ_by_far_more_than_the_tolerance(case: Case) -> None:
    *_, openai = openai_states(case, 3.0)
    *_, diffusers = diffusers_states(case, 3.0)

    assert relative_l2(openai, diffusers) > 10 * RUN_TOLERANCE
