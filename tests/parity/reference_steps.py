# SPDX-License-Identifier: GPL-3.0-or-later
"""Guided Heun steps of the references: diffusers' scheduler, and OpenAI's convention in fp64.

Imported by tests as `maquette.tests.parity.reference_steps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
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
from maquette.tests.parity.reference_models import export, reference_prior
from torch import Tensor

# After the module above, which prepares the torchvision that diffusers needs.
from diffusers import HeunDiscreteScheduler, PriorTransformer  # isort: skip

NUM_STEPS = 64

OPENAI_LEVELS = [
    (160 ** (1 / 7) + i / (NUM_STEPS - 1) * (1e-3 ** (1 / 7) - 160 ** (1 / 7))) ** 7
    for i in range(NUM_STEPS)
] + [0.0]
OPENAI_ALPHAS = torch.exp(-12 * torch.arange(1, 1025, dtype=torch.float64) / 1024)


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


def diffusers_scheduler() -> HeunDiscreteScheduler:
    """Return the scheduler of the published pipelines, set to the published steps."""
    scheduler = HeunDiscreteScheduler(
        num_train_timesteps=1024,
        beta_schedule="exp",
        prediction_type="sample",
        use_karras_sigmas=True,
        clip_sample=True,
        clip_sample_range=1.0,
    )
    scheduler.set_timesteps(NUM_STEPS)
    return scheduler


def diffusers_step(case: Case, x: Tensor, index: int, guidance_scale: float) -> Tensor:
    """Return the state one step after noise level `index`, as diffusers' Shap-E pipeline has it."""
    scheduler = diffusers_scheduler()
    scheduler.set_begin_index(2 * index)
    # Two evaluations make one step, except the last.
    for timestep in scheduler.timesteps[2 * index : 2 * index + 2]:
        scaled = scheduler.scale_model_input(x, timestep)
        uncond, cond = case.reference_clean(scaled, timestep, order="uncond cond").chunk(2)
        guided = uncond + guidance_scale * (cond - uncond)
        x = scheduler.step(guided, timestep, x).prev_sample
    return x


def openai_step(case: Case, x: Tensor, index: int, guidance_scale: float) -> Tensor:
    """Return the same for OpenAI's convention, written out in fp64 from the published facts."""
    sigma, sigma_next = OPENAI_LEVELS[index : index + 2]

    def denoise(x: Tensor, sigma: float) -> Tensor:
        alpha = 1 / (sigma**2 + 1)
        above = int((OPENAI_ALPHAS > alpha).sum())
        timestep = 0.0
        if 0 < above < 1024:
            below = OPENAI_ALPHAS[above - 1 : above + 1]
            timestep = above - 1 + float((below[0] - alpha) / (below[0] - below[1]))
        scaled = (x / (sigma**2 + 1) ** 0.5).float()
        clean = case.reference_clean(scaled, float(int(timestep)), order="cond uncond").double()
        cond, uncond = clean.clamp(-1, 1).chunk(2)
        return uncond + guidance_scale * (cond - uncond)

    x = x.double()
    slope = (x - denoise(x, sigma)) / sigma
    predicted = x + slope * (sigma_next - sigma)
    if sigma_next == 0:
        return predicted.float()
    slope_next = (predicted - denoise(predicted, sigma_next)) / sigma_next
    return (x + (slope + slope_next) / 2 * (sigma_next - sigma)).float()


STEPS: dict[Convention, Callable[[Case, Tensor, int, float], Tensor]] = {
    "openai": openai_step,
    "diffusers": diffusers_step,
}
LEVELS: dict[Convention, Callable[[], Tensor]] = {
    "openai": lambda: karras_sigmas(NUM_STEPS),
    "diffusers": lambda: diffusers_sigmas(NUM_STEPS),
}
"""Our noise levels."""


def reference_states(case: Case, convention: Convention, guidance_scale: float) -> Iterator[Tensor]:
    """Yield the reference's state at each of its noise levels, the initial noise first."""
    first = 160.0 if convention == "openai" else diffusers_scheduler().init_noise_sigma
    x = case.noise * first
    yield x
    for index in range(NUM_STEPS):
        x = STEPS[convention](case, x, index, guidance_scale)
        yield x


def step_error(
    case: Case, convention: Convention, x: Tensor, index: int, guidance_scale: float
) -> float:
    """Return the relative L2 error of our Heun step from `x` at noise level `index`."""
    denoise = case.denoiser(guidance_scale, convention)
    levels = LEVELS[convention]()[index : index + 2]
    ours = sample_heun(denoise, x, levels, on_step=lambda *_: None)
    return relative_l2(ours, STEPS[convention](case, x, index, guidance_scale))


def relative_l2(actual: Tensor, expected: Tensor) -> float:
    """Return |actual - expected| / |expected|."""
    return float((actual - expected).norm() / expected.norm())
