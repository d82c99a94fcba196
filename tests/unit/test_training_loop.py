# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules, averages and resuming, on a model that can be followed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from maquette.training.config import StageConfig, load_config
from maquette.training.loop import LossFunction, Run, learning_rate, step_generator
from torch import Tensor, nn

CONFIG = StageConfig(
    num_steps=200, batch_size=8, learning_rate=0.05, warmup_steps=50, ema_decay=0.5, save_every=100
)


def _linear(seed: int = 0) -> nn.Linear:
    torch.manual_seed(seed)
    return nn.Linear(3, 1)


def _regression(model: nn.Linear, stop_at: int | None = None) -> LossFunction:
    """Return the loss of fitting the sum of the inputs; may fail like a killed run."""
    calls = 0

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        nonlocal calls
        calls += 1
        if stop_at is not None and calls > stop_at:
            raise KeyboardInterrupt
        x = torch.randn(8, 3, generator=generator)
        return {"loss": (model(x)[:, 0] - x.sum(1)).square().mean()}

    return losses


def test_a_killed_run_continues_bit_for_bit(tmp_path: Path) -> None:
    whole = _linear()
    Run("fit", whole, CONFIG, tmp_path / "whole").path.parent.mkdir()
    unbroken = Run("fit", whole, CONFIG, tmp_path / "whole")
    unbroken.train(_regression(whole), seed=3)

    (tmp_path / "broken").mkdir()
    first = _linear()
    with pytest.raises(KeyboardInterrupt):
        Run("fit", first, CONFIG, tmp_path / "broken").train(_regression(first, 127), seed=3)
    second = _linear(seed=99)  # Its own start must not matter.
    resumed = Run("fit", second, CONFIG, tmp_path / "broken")
    assert resumed.step == 100
    resumed.train(_regression(second), seed=3)

    assert torch.equal(second.weight, whole.weight)
    unbroken.use_average()
    resumed.use_average()
    assert torch.equal(second.weight, whole.weight)
    torch.testing.assert_close(second.weight, torch.ones(1, 3), atol=0.05, rtol=0)


def test_the_rate_warms_up_then_falls_to_two_percent() -> None:
    rates = [learning_rate(CONFIG, step) for step in range(201)]

    assert rates[0] == pytest.approx(0.001)
    assert max(rates) == rates[50] == pytest.approx(0.05)
    assert rates[125] == pytest.approx(0.05 * 0.51)
    assert rates[200] == pytest.approx(0.001)


def test_steps_draw_different_numbers_and_repeat_their_own() -> None:
    def draw(step: int) -> Tensor:
        return torch.rand(4, generator=step_generator(7, step))

    assert torch.equal(draw(3), draw(3))
    assert not torch.equal(draw(3), draw(4))


def test_a_misspelt_setting_is_named(tmp_path: Path) -> None:
    text = Path("training/configs/starter_cpu.toml").read_text()
    path = tmp_path / "config.toml"
    path.write_text(text.replace("spread_power", "spread_powr"))

    with pytest.raises(ValueError, match=r"\[prior_loss\] does not know spread_powr"):
        load_config(path)
    assert load_config(Path("training/configs/starter_cpu.toml")).architecture == "starter"
