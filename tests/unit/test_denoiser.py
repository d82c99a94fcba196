# SPDX-License-Identifier: GPL-3.0-or-later
"""Guidance over a prior that records what it was asked and answers what the test says."""

from __future__ import annotations

import pytest
import torch
from maquette.core.diffusion.denoiser import Denoiser, guided_denoiser
from maquette.core.diffusion.schedule import exp_alphas_cumprod
from maquette.core.errors import NonFiniteError
from torch import Tensor

CONDITION = torch.full((2, 1, 3), 7.0)
UNCOND = torch.zeros(2, 1, 3)
X = torch.linspace(-3, 5, 2 * 4 * 2).view(2, 4, 2)
SIGMA = torch.tensor([2.0, 30.0])


class ScriptedPrior:
    """Answers one constant where the condition is set and another where it is zero."""

    def __init__(self, cond: float, uncond: float, dtype: torch.dtype = torch.float32) -> None:
        self.answers = (cond, uncond)
        self.dtype = dtype
        self.calls: list[tuple[Tensor, Tensor, Tensor]] = []

    def __call__(self, scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        self.calls.append((scaled, timestep, condition))
        is_cond = (condition != 0).flatten(1).any(dim=1)[:, None, None]
        cond, uncond = (torch.tensor(answer, dtype=self.dtype) for answer in self.answers)
        return torch.where(is_cond, cond, uncond).expand(scaled.shape)


def guided(prior: ScriptedPrior, guidance_scale: float, convention: str) -> Denoiser:
    return guided_denoiser(
        prior,
        CONDITION,
        UNCOND,
        guidance_scale,
        convention=convention,
        alphas_cumprod=exp_alphas_cumprod(),
    )


def test_openai_clamps_each_prediction_and_not_what_it_makes_of_them() -> None:
    denoised = guided(ScriptedPrior(cond=1.5, uncond=-0.25), 3.0, "openai")(X, SIGMA)

    torch.testing.assert_close(denoised, torch.full_like(X, -0.25 + 3.0 * (1.0 + 0.25)))


def test_diffusers_guides_and_clamps_the_result() -> None:
    weak = guided(ScriptedPrior(cond=1.5, uncond=2.5), 2.0, "diffusers")(X, SIGMA)
    strong = guided(ScriptedPrior(cond=1.5, uncond=0.5), 2.0, "diffusers")(X, SIGMA)

    torch.testing.assert_close(weak, torch.full_like(X, 0.5))
    torch.testing.assert_close(strong, torch.full_like(X, 1.0))


@pytest.mark.parametrize(("convention", "cond_half"), [("openai", 0), ("diffusers", 1)])
def test_both_branches_go_in_one_batch_in_the_order_of_the_convention(
    convention: str, cond_half: int
) -> None:
    prior = ScriptedPrior(0.0, 0.0)

    guided(prior, 15.0, convention)(X, SIGMA)

    [(scaled, timestep, condition)] = prior.calls
    assert torch.equal(condition.chunk(2)[cond_half], CONDITION)
    assert torch.equal(condition.chunk(2)[1 - cond_half], UNCOND)
    assert torch.equal(scaled[:2], scaled[2:])
    assert torch.equal(timestep[:2], timestep[2:])


@pytest.mark.parametrize("convention", ["openai", "diffusers"])
def test_a_guidance_of_one_asks_only_for_the_condition(convention: str) -> None:
    prior = ScriptedPrior(cond=1.5, uncond=0.1)

    denoised = guided(prior, 1.0, convention)(X, SIGMA)

    assert len(prior.calls) == 1
    assert torch.equal(prior.calls[0][2], CONDITION)
    torch.testing.assert_close(denoised, torch.ones_like(X))


def test_a_guidance_of_zero_ignores_the_condition() -> None:
    denoised = guided(ScriptedPrior(cond=0.9, uncond=0.1), 0.0, "openai")(X, SIGMA)

    torch.testing.assert_close(denoised, torch.full_like(X, 0.1))


class DriftingPrior(ScriptedPrior):
    """Answers a little more in every call, on both sides alike."""

    def __call__(self, scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        return super().__call__(scaled, timestep, condition) + 0.01 * len(self.calls)


@pytest.mark.parametrize(("convention", "cond_half"), [("openai", 0), ("diffusers", 1)])
@pytest.mark.parametrize("delta_reuse", [1, 2, 3])
def test_a_reused_difference_goes_on_top_of_a_new_conditional_side(
    convention: str, cond_half: int, delta_reuse: int
) -> None:
    """Where only the difference stands still, reusing it changes nothing."""
    prior = DriftingPrior(cond=0.3, uncond=0.25)
    denoise = guided_denoiser(
        prior,
        CONDITION,
        UNCOND,
        4.0,
        convention=convention,
        alphas_cumprod=exp_alphas_cumprod(),
        delta_reuse=delta_reuse,
    )

    answers = [denoise(X, SIGMA) for _ in range(4)]

    sizes = [4 if i % delta_reuse == 0 else 2 for i in range(4)]
    assert [len(call[0]) for call in prior.calls] == sizes
    alone = [call[2] for call, size in zip(prior.calls, sizes, strict=True) if size == 2]
    assert all(torch.equal(condition, CONDITION) for condition in alone)
    for number, answer in enumerate(answers, start=1):
        expected = 0.3 + 0.01 * number + 3.0 * 0.05
        torch.testing.assert_close(answer, torch.full_like(X, expected))


def test_below_its_floor_guidance_is_left_out() -> None:
    prior = ScriptedPrior(0.5, 0.1)
    denoise = guided_denoiser(
        prior,
        CONDITION,
        UNCOND,
        4.0,
        convention="diffusers",
        alphas_cumprod=exp_alphas_cumprod(),
        guidance_floor=float(SIGMA.max()),
    )

    at, below = denoise(X, SIGMA), denoise(X, SIGMA * 0.99)

    assert [len(call[0]) for call in prior.calls] == [4, 2]
    torch.testing.assert_close(at, torch.ones_like(X))  # 0.1 + 4 * 0.4, clamped.
    torch.testing.assert_close(below, torch.full_like(X, 0.5))


def test_without_guidance_there_is_no_difference_to_reuse() -> None:
    prior = ScriptedPrior(0.5, 0.1)
    denoise = guided_denoiser(
        prior,
        CONDITION,
        UNCOND,
        1.0,
        convention="openai",
        alphas_cumprod=exp_alphas_cumprod(),
        delta_reuse=2,
    )

    answers = [denoise(X, SIGMA) for _ in range(3)]

    assert [len(call[0]) for call in prior.calls] == [2, 2, 2]
    assert all(torch.equal(answer, torch.full_like(X, 0.5)) for answer in answers)


def test_the_prior_sees_unit_variance_at_every_noise_level() -> None:
    prior = ScriptedPrior(0.0, 0.0)

    guided(prior, 1.0, "openai")(X, SIGMA)

    expected = torch.stack([X[0] / 5.0**0.5, X[1] / 901.0**0.5])
    torch.testing.assert_close(prior.calls[0][0], expected)


def test_timesteps_are_whole_for_openai_and_fractional_for_diffusers() -> None:
    whole, fractional = ScriptedPrior(0.0, 0.0), ScriptedPrior(0.0, 0.0)

    guided(whole, 1.0, "openai")(X, SIGMA)
    guided(fractional, 1.0, "diffusers")(X, SIGMA)

    exact = 1024 / 12 * torch.log(SIGMA.double() ** 2 + 1) - 1  # 136.3 and 579.6
    assert whole.calls[0][1].tolist() == [136, 579]
    torch.testing.assert_close(fractional.calls[0][1].double(), exact, rtol=0, atol=0.01)


def test_guidance_is_mixed_in_full_precision() -> None:
    prior = ScriptedPrior(192 / 256, 191 / 256, torch.bfloat16)

    denoised = guided(prior, 15.5, "openai")(X, SIGMA)

    # bf16 has no number between 206 / 256 and 207 / 256.
    assert denoised.dtype == torch.float32
    torch.testing.assert_close(denoised, torch.full_like(X, 206.5 / 256), rtol=1e-6, atol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("convention", ["openai", "diffusers"])
def test_an_answer_that_is_no_number_stops_the_run(convention: str, bad: float) -> None:
    with pytest.raises(NonFiniteError) as caught:
        guided(ScriptedPrior(cond=0.0, uncond=bad), 3.0, convention)(X, SIGMA)

    assert caught.value.stage == "sampling"


def test_one_bad_number_among_many_is_found() -> None:
    def prior(scaled: Tensor, timestep: Tensor, condition: Tensor) -> Tensor:
        answer = torch.zeros_like(scaled)
        answer[1, 2, 1] = float("inf")
        return answer

    denoise = guided_denoiser(
        prior,
        CONDITION,
        UNCOND,
        1.0,
        convention="openai",
        alphas_cumprod=exp_alphas_cumprod(),
    )

    with pytest.raises(NonFiniteError):
        denoise(X, SIGMA)


def test_the_two_conditions_must_agree_in_shape() -> None:
    with pytest.raises(ValueError, match=r"\[2, 1, 3\] but uncond is \[1, 1, 3\]"):
        guided_denoiser(
            ScriptedPrior(0.0, 0.0),
            CONDITION,
            UNCOND[:1],
            15.0,
            convention="openai",
            alphas_cumprod=exp_alphas_cumprod(),
        )
