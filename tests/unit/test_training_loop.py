# SPDX-License-Identifier: GPL-3.0-or-later
"""Schedules, averages and resuming, on a model that can be followed by hand."""

from __future__ import annotations

import json
import math
from dataclasses import replace
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


def _stepwise(folder: Path, config: StageConfig, gradient: float = 1.0) -> tuple[Run, list[float]]:
    """Train one number on a loss of constant slope, and note where it was after each step."""
    number = nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(number.weight)
    run = Run("fit", number, config, folder)
    values: list[float] = []

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        values.append(float(number.weight.detach()))
        return {"loss": gradient * number.weight.sum()}

    run.train(losses, seed=0)
    return run, [*values[1:], float(number.weight.detach())]


def test_the_average_is_the_sum_that_its_decays_amount_to(tmp_path: Path) -> None:
    config = replace(CONFIG, num_steps=30, ema_decay=0.9, weight_decay=0.0)

    run, values = _stepwise(tmp_path, config)

    decays = [min(0.9, (step + 1) / (step + 10)) for step in range(30)]
    expected = 0.0
    for step, value in enumerate(values):
        # What is left of a value is its share times every later decay.
        expected += value * (1 - decays[step]) * math.prod(decays[step + 1 :])
    assert run.average is not None
    assert float(run.average[0]) == pytest.approx(expected, rel=1e-5)
    with run.averaged():
        assert float(run.parameters[0].detach()) == pytest.approx(expected, rel=1e-5)
    assert float(run.parameters[0].detach()) == values[-1]


def test_long_gradients_are_shortened(tmp_path: Path) -> None:
    config = replace(CONFIG, num_steps=1, clip_norm=0.5)

    run, _ = _stepwise(tmp_path, config, gradient=40.0)

    # Adam's first moment after one step is a tenth of the gradient that it was given.
    moment = run.optimizer.state[run.parameters[0]]["exp_avg"]
    assert float(moment) == pytest.approx(0.05, rel=1e-4)


def test_a_loss_that_is_no_number_stops_the_run_before_it_is_saved(tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="by step 100: lower learning_rate"):
        _stepwise(tmp_path, CONFIG, gradient=math.nan)

    assert not (tmp_path / "fit.pt").exists()


def test_a_resumed_run_logs_what_the_unbroken_one_does(tmp_path: Path) -> None:
    """Steps between two checkpoints are told once, with the means that they had."""
    config = replace(CONFIG, log_every=75)
    (tmp_path / "whole").mkdir()
    (tmp_path / "broken").mkdir()
    whole = _linear()
    Run("fit", whole, config, tmp_path / "whole").train(_regression(whole), seed=3)
    first = _linear()
    with pytest.raises(KeyboardInterrupt):
        # Told at step 150, while the last checkpoint is that of step 100.
        Run("fit", first, config, tmp_path / "broken").train(_regression(first, 160), seed=3)

    second = _linear()
    Run("fit", second, config, tmp_path / "broken").train(_regression(second), seed=3)

    def rows(folder: str) -> list[dict[str, float]]:
        lines = (tmp_path / folder / "fit.jsonl").read_text().splitlines()
        return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]

    assert [row["step"] for row in rows("broken")] == [75, 150]
    assert rows("broken") == rows("whole")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_precision_is_that_of_the_products_alone(tmp_path: Path, precision: str) -> None:
    model = _linear()
    run = Run("fit", model, replace(CONFIG, precision=precision), tmp_path)  # type: ignore[arg-type]
    seen = []

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        x = torch.randn(8, 3, generator=generator)
        with run.autocast():
            found = model(x)[:, 0]
        seen.append(found.dtype)
        return {"loss": (found.float() - x.sum(1)).square().mean()}

    run.train(losses, seed=3)

    expected = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    assert set(seen) == {expected}
    assert model.weight.dtype == torch.float32
    torch.testing.assert_close(model.weight, torch.ones(1, 3), atol=0.05, rtol=0)


def test_tensorboard_is_told_what_the_lines_are(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    ).EventAccumulator
    model = _linear()
    config = replace(CONFIG, pictures_every=100)
    picture = torch.rand(3, 8, 8)

    Run("fit", model, config, tmp_path).train(
        _regression(model), seed=3, on_pictures=lambda: {"samples": picture}
    )

    events = accumulator(str(tmp_path / "tensorboard" / "fit"))
    events.Reload()
    rows = [json.loads(line) for line in (tmp_path / "fit.jsonl").read_text().splitlines()]
    told = [(event.step, event.value) for event in events.Scalars("loss")]
    assert told == [(row["step"], pytest.approx(row["loss"], abs=1e-4)) for row in rows]
    shown = events.Images("samples")
    assert [event.step for event in shown] == [100, 200]
    assert (shown[0].width, shown[0].height) == (8, 8)
