# SPDX-License-Identifier: GPL-3.0-or-later
"""Recorded evaluations, by a recorder that stands in for CUDA's and repeats on the same tensors."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from maquette.core.config import SamplerConfig
from maquette.core.errors import CancelledError
from maquette.core.interrupt import checked_blocks
from maquette.core.prior.graph import GraphedPrior, Run
from maquette.core.prior.transformer import LatentPrior
from maquette.core.sampling import sample_latent
from maquette.core.specs import PRIORS
from torch import Tensor

pytestmark = pytest.mark.needs_torch

SPEC = replace(
    PRIORS["shap-e-text"],
    num_latents=6,
    channels=4,
    width=16,
    num_layers=2,
    num_heads=2,
    condition_width=8,
)


class Recorder:
    """Records like CUDA: it runs once, and repeats into the tensor that it returned then."""

    def __init__(self, *, fails_with: Exception | None = None) -> None:
        self.fails_with = fails_with
        self.num_records = 0
        self.num_replays = 0

    def __call__(self, run: Run) -> tuple[Callable[[], None], Tensor]:
        self.num_records += 1
        if self.fails_with is not None:
            raise self.fails_with
        answer = run()

        def replay() -> None:
            self.num_replays += 1
            answer.copy_(run())

        return replay, answer


@pytest.fixture
def prior() -> LatentPrior:
    torch.manual_seed(0)
    prior = LatentPrior(SPEC).requires_grad_(False).eval()
    for parameter in prior.parameters():
        parameter.normal_(std=0.3)
    return prior


def inputs(seed: int, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(batch, SPEC.num_latents, SPEC.channels, generator=generator)
    condition = torch.randn(batch, 1, SPEC.condition_width, generator=generator)
    return x, torch.full((batch,), 100 * seed), condition


@torch.inference_mode()
def test_each_answer_is_the_priors_own_and_stays_as_it_was(prior: LatentPrior) -> None:
    recorder = Recorder()
    graphed = GraphedPrior(prior, recorder)

    answers = [graphed(*inputs(seed)) for seed in range(4)]

    for seed, answer in enumerate(answers):
        assert torch.equal(answer, prior(*inputs(seed)))
    assert (recorder.num_records, recorder.num_replays) == (1, 4)


@torch.inference_mode()
def test_other_sizes_are_recorded_beside_the_first(prior: LatentPrior) -> None:
    recorder = Recorder()
    graphed = GraphedPrior(prior, recorder)

    for batch in (2, 1, 2, 1):
        assert torch.equal(graphed(*inputs(3, batch)), prior(*inputs(3, batch)))

    assert recorder.num_records == 2


@torch.inference_mode()
def test_a_whole_run_is_the_same_with_graphs(prior: LatentPrior) -> None:
    """With reused guidance, which asks for one side and for both in turn."""
    condition = inputs(1, 1)[2]
    sampler = replace(SamplerConfig.fast(), num_steps=6)

    def sample(runner: LatentPrior | GraphedPrior) -> Tensor:
        return sample_latent(runner, condition, sampler, 4, on_step=lambda *_: None)

    recorder = Recorder()
    graphed = sample(GraphedPrior(prior, recorder))

    assert torch.equal(graphed, sample(prior))
    assert (recorder.num_records, recorder.num_replays) == (2, 6)


@torch.inference_mode()
@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: operation not permitted when stream is capturing"),
        torch.cuda.OutOfMemoryError("CUDA out of memory."),
    ],
    ids=["not permitted", "out of memory"],
)
def test_where_recording_fails_the_prior_answers_and_the_reason_is_logged(
    prior: LatentPrior, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    recorder = Recorder(fails_with=error)
    graphed = GraphedPrior(prior, recorder)

    with caplog.at_level(logging.WARNING):
        answers = [graphed(*inputs(seed)) for seed in range(3)]

    for seed, answer in enumerate(answers):
        assert torch.equal(answer, prior(*inputs(seed)))
    assert recorder.num_records == 1  # It is not tried again.
    assert [str(error) in message for message in caplog.messages] == [True]


@torch.inference_mode()
def test_a_run_that_is_cancelled_while_it_records_is_cancelled(prior: LatentPrior) -> None:
    def stop() -> None:
        raise CancelledError

    graphed = GraphedPrior(prior, Recorder())

    with pytest.raises(CancelledError), checked_blocks(prior, stop):
        graphed(*inputs(1))
    assert torch.equal(graphed(*inputs(1)), prior(*inputs(1)))
