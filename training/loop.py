# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimisation loop that all stages share: schedule, average, log, exact resume.

Every random draw of a step comes from a generator seeded with (seed, step, rank), so that a run
which was killed and resumed draws what the unbroken run would have drawn. Several processes
(torchrun) each take a batch of their own and share the mean gradient.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from .config import StageConfig

logger = logging.getLogger(__name__)

LossFunction = Callable[[torch.Generator], dict[str, Tensor]]
"""Returns named losses of one batch; the one called `loss` is minimised."""


def step_generator(seed: int, step: int) -> torch.Generator:
    """Return the generator of one step on this rank."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 1009 + rank())


def rank() -> int:
    """Return this process's place among those that train together, 0 when alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def learning_rate(config: StageConfig, step: int) -> float:
    """Return a linear warm-up followed by half a cosine down to 2 %."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    span = max(1, config.num_steps - config.warmup_steps)
    progress = (step - config.warmup_steps) / span
    return config.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)


class Run:
    """One stage's module, optimiser, average and place on disk."""

    def __init__(self, name: str, module: nn.Module, config: StageConfig, folder: Path) -> None:
        self.name = name
        self.module = module
        self.config = config
        self.path = folder / f"{name}.pt"
        self.log_path = folder / f"{name}.jsonl"
        self.step = 0
        self.seconds = 0.0
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.average = [p.detach().clone() for p in self.parameters] if config.ema_decay else None
        if self.path.exists():
            self._resume()

    def train(self, loss_function: LossFunction, seed: int) -> None:
        """Run from the current step to the last, saving now and then."""
        self.module.train()
        started, sums = time.perf_counter(), dict[str, float]()
        for step in range(self.step, self.config.num_steps):
            for group in self.optimizer.param_groups:
                group["lr"] = learning_rate(self.config, step)
            self.optimizer.zero_grad(set_to_none=True)
            # On a CPU the fused attention's backward pass costs twice the plain one's.
            with sdpa_kernel(SDPBackend.MATH):
                losses = loss_function(step_generator(seed, step))
                losses["loss"].backward()
            self._share_gradients()
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self._update_average(step)
            for key, value in losses.items():
                sums[key] = sums.get(key, 0.0) + float(value.detach())
            self.step = step + 1
            if self.step % 100 == 0:
                self._log({key: value / 100 for key, value in sums.items()}, started)
                sums.clear()
            if self.step % self.config.save_every == 0 or self.step == self.config.num_steps:
                self.seconds += time.perf_counter() - started
                started = time.perf_counter()
                self._save()

    def use_average(self) -> None:
        """Put the moving average into the module, for evaluation or export."""
        if self.average is not None:
            with torch.no_grad():
                for parameter, average in zip(self.parameters, self.average, strict=True):
                    parameter.copy_(average)

    def _share_gradients(self) -> None:
        if not dist.is_initialized():
            return
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= dist.get_world_size()
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()

    def _update_average(self, step: int) -> None:
        if self.average is None:
            return
        # The average starts short, so that the first random weights are soon forgotten.
        decay = min(self.config.ema_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self.parameters, 1 - decay)

    def _log(self, means: dict[str, float], started: float) -> None:
        if rank() != 0:
            return
        elapsed = self.seconds + time.perf_counter() - started
        row = {"step": self.step, "seconds": round(elapsed, 1)} | {
            key: round(value, 5) for key, value in means.items()
        }
        logger.info("%s %s", self.name, row)
        with self.log_path.open("a") as file:
            file.write(json.dumps(row) + "\n")

    def _save(self) -> None:
        if rank() != 0:
            return
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average,
            "step": self.step,
            "seconds": self.seconds,
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)

    def _resume(self) -> None:
        state = torch.load(self.path, weights_only=True)
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average = state["average"]
        self.step = state["step"]
        self.seconds = state["seconds"]
        logger.info("%s resumes at step %d", self.name, self.step)
