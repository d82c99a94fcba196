# SPDX-License-Identifier: GPL-3.0-or-later
"""What the processes of `test_training_processes.py` run; spawned processes import it anew."""

from __future__ import annotations

import os
from pathlib import Path

import torch
import torch.distributed as dist
from maquette.training.config import StageConfig
from maquette.training.loop import Run
from maquette.training.processes import start_processes
from torch import Tensor, nn


def config(**changes: object) -> StageConfig:
    settings: dict[str, object] = {
        "num_steps": 12,
        "batch_size": 4,
        "learning_rate": 0.02,
        "warmup_steps": 3,
        "ema_decay": 0.9,
        "save_every": 4,
        "log_every": 4,
        "precision": "fp32",
        "shares": 2,
    }
    return StageConfig(**(settings | changes))  # type: ignore[arg-type]


def model(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1))


def train(folder: Path, settings: StageConfig, seed: int = 0) -> Run:
    """Fit the sum of the inputs."""
    module = model(seed)
    run = Run("fit", module, settings, folder)

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        x = torch.randn(settings.batch_size, 3, generator=generator)
        return {"loss": (module(x)[:, 0] - x.sum(1)).square().mean()}

    run.train(losses, seed=5)
    return run


def train_as(rank: int, num_processes: int, folder: Path, port: int) -> None:
    """Be one of several processes, as torchrun starts them."""
    place = {"RANK": rank, "WORLD_SIZE": num_processes, "LOCAL_RANK": rank}
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in (place | address).items()})
    torch.set_num_threads(1)
    start_processes("cpu")
    try:
        # Each begins elsewhere; the first one's start counts.
        train(folder, config(), seed=rank)
    finally:
        dist.destroy_process_group()
