# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stage needs of memory, against sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from maquette.training.config import StageConfig, load_config
from maquette.training.memory import Probe, describe, estimate, measure
from torch import nn

STAGE = StageConfig(num_steps=1, batch_size=10, learning_rate=1.0, precision="fp32", ema_decay=0.9)


def _two_layers(stage: StageConfig) -> Probe:
    first, second = nn.Linear(32, 64), nn.Linear(64, 4)
    x = torch.zeros(stage.batch_size, 32)
    module = nn.ModuleList([first, second])
    return Probe(module, lambda: second(first(x).relu()).sum(), stage)


def test_two_layers_by_hand() -> None:
    need = measure(lambda: _two_layers(STAGE), is_gpu=False)

    numbers = 32 * 64 + 64 + 64 * 4 + 4
    assert (need.weights, need.gradients) == (4 * numbers, 4 * numbers)
    assert (need.moments, need.average) == (8 * numbers, 4 * numbers)
    # Kept are the input of each layer; what relu keeps is the second one's.
    assert need.activations == 4 * 10 * (32 + 64)
    assert need.total == 20 * numbers + need.activations


def test_frozen_weights_cost_no_gradients_and_moments() -> None:
    def frozen() -> Probe:
        probe = _two_layers(replace(STAGE, ema_decay=0.0))
        probe.module[0].requires_grad_(False)  # type: ignore[index]
        return probe

    need = measure(frozen, is_gpu=False)

    assert need.moments == 2 * need.gradients == 8 * (64 * 4 + 4)
    assert need.average == 0


def test_activations_grow_with_the_batch_and_shrink_when_computed_again() -> None:
    config = load_config(Path("training/configs/starter_cpu.toml"))

    def activations(**changes: object) -> int:
        need = estimate(
            "stage2", replace(config, stage2=replace(config.stage2, **changes)), is_gpu=True
        )
        assert need is not None
        return need.activations

    one, two = activations(batch_size=16), activations(batch_size=32)
    again = activations(batch_size=32, recompute=True)

    # The weights that autocast turns into bf16 are kept whatever the batch.
    assert 1.5 * one < two < 2 * one
    assert again < 0.5 * two


def test_the_published_size_is_told_without_being_made() -> None:
    config = load_config(Path("training/configs/starter_cpu.toml"))
    published = replace(config, architecture="shap-e-text")

    need = estimate("stage2", published, is_gpu=True)

    assert need is not None
    assert need.weights == 4 * 315_692_032  # As OpenAI's file holds.
    assert "stage2 needs about" in describe(need, "stage2")


def test_a_stage_that_trains_nothing_says_so() -> None:
    config = load_config(Path("training/configs/starter_cpu.toml"))

    assert describe(estimate("blend", config), "blend").startswith("blend trains nothing")


def test_every_stage_that_optimises_is_told() -> None:
    config = load_config(Path("training/configs/starter_cpu.toml"))

    for stage in ("text", "stage1", "decoder", "stage2"):
        need = estimate(stage, config, is_gpu=False)
        assert need is not None
        assert need.moments == 2 * need.gradients > 0
        assert need.activations > 0
