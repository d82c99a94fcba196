# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes learn what one alone does with the same shares, on the CPU through gloo."""

from __future__ import annotations

import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.tests.unit.training_processes import config, model, train, train_as
from maquette.training.loop import step_generator
from maquette.training.processes import start_processes
from maquette.training.values import ConfigError
from torch.multiprocessing.spawn import spawn


@pytest.fixture
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_two_processes_take_the_steps_of_one(tmp_path: Path, free_port: int) -> None:
    (tmp_path / "two").mkdir()
    (tmp_path / "one").mkdir()

    spawn(train_as, args=(2, tmp_path / "two", free_port), nprocs=2)
    alone = train(tmp_path / "one", config())

    together = torch.load(tmp_path / "two" / "fit.pt", weights_only=True)
    for name, expected in alone.module.state_dict().items():
        # Sums are rounded in another order, nothing else.
        torch.testing.assert_close(together["module"][name], expected, rtol=1e-5, atol=1e-6)
    assert alone.average is not None
    for found, expected in zip(together["average"], alone.average, strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    logs = [
        [json.loads(line) for line in (tmp_path / who / "fit.jsonl").read_text().splitlines()]
        for who in ("one", "two")
    ]
    for one, two in zip(*logs, strict=True):
        assert one["step"] == two["step"]
        assert one["loss"] == pytest.approx(two["loss"], abs=2e-5)


def test_shares_amount_to_one_larger_batch(tmp_path: Path) -> None:
    """The mean of the shares' gradients is the gradient of the mean loss of all examples."""
    settings = config(num_steps=1, shares=3, clip_norm=1e9)

    run = train(tmp_path, settings)

    x = torch.cat([torch.randn(4, 3, generator=step_generator(5, 0, i)) for i in range(3)])
    fresh = model()
    (fresh(x)[:, 0] - x.sum(1)).square().mean().backward()
    for trained, begun in zip(run.parameters, fresh.parameters(), strict=True):
        # After one step Adam's first moment is (1 - beta) times the gradient.
        found = run.optimizer.state[trained]["exp_avg"] / (1 - 0.9)
        torch.testing.assert_close(found, begun.grad, rtol=1e-4, atol=1e-6)


def test_shares_that_cannot_be_spread_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maquette.training.loop.num_processes", lambda: 2)

    with pytest.raises(ConfigError, match="shares = 3 cannot be spread evenly over 2 processes"):
        train(tmp_path, config(shares=3))


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "nonsense:0"])
def test_a_device_that_is_not_there_is_named(device: str) -> None:
    with pytest.raises(ConfigError, match="--device"):
        start_processes(device)


def test_a_checkpoint_of_other_settings_is_named(tmp_path: Path) -> None:
    train(tmp_path, config())
    saved = torch.load(tmp_path / "fit.pt", weights_only=True)
    del saved["module"]["0.weight"]
    torch.save(saved, tmp_path / "fit.pt")

    with pytest.raises(ConfigError, match="made with other settings"):
        train(tmp_path, replace(config(), num_steps=20))
