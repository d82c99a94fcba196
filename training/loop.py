# SPDX-License-Identifier: GPL-3.0-or-later
"""The optimisation loop that all stages share: schedule, precision, average, log, exact resume.

A step is the mean gradient of one or several shares. Every random draw of a share comes from a
generator seeded with (seed, step, share), so that a run which was killed and resumed draws what
the unbroken run would have drawn, and several processes (torchrun) draw what one alone would.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from .config import StageConfig
from .journal import Journal
from .processes import agree, num_processes, share_first, share_mean
from .processes import rank as rank
from .values import ConfigError

logger = logging.getLogger(__name__)

LossFunction = Callable[[torch.Generator], dict[str, Tensor]]
"""Returns named losses of one batch; the one called `loss` is minimised."""

Pictures = Callable[[], dict[str, Tensor]]
"""Returns samples of the module as it is now, by name, each RGB in [0, 1], [3, H, W]."""

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def step_generator(seed: int, step: int, share: int | None = None) -> torch.Generator:
    """Return the generator of one share of a step; that of this process if None."""
    number = rank() if share is None else share
    return torch.Generator().manual_seed((seed * 1_000_003 + step) * 1009 + number)


def learning_rate(config: StageConfig, step: int) -> float:
    """Return a linear warm-up followed by half a cosine down to 2 %."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    span = max(1, config.num_steps - config.warmup_steps)
    progress = (step - config.warmup_steps) / span
    return config.learning_rate * (0.02 + 0.98 * (1 + math.cos(math.pi * min(1.0, progress))) / 2)


class Run:
    """One stage's module, optimiser, average and place on disk.

    The module is on its device before; only parameters that ask for a gradient are trained.
    """

    def __init__(self, name: str, module: nn.Module, config: StageConfig, folder: Path) -> None:
        self.name = name
        self.module = module
        self.config = config
        self.path = folder / f"{name}.pt"
        self.journal = Journal(name, folder, is_writer=rank() == 0)
        self.step = 0
        self.seconds = 0.0
        share_first(module.state_dict().values())
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        self.names = list(trained)
        self.parameters = list(trained.values())
        self.device = self.parameters[0].device
        self.optimizer = torch.optim.AdamW(
            self.parameters,
            lr=config.learning_rate,
            betas=(0.9, 0.98),
            weight_decay=config.weight_decay,
            fused=True,
        )
        self.average = [p.detach().clone() for p in self.parameters] if config.ema_decay else None
        self._scaler = torch.amp.GradScaler(self.device.type, enabled=config.precision == "fp16")
        self._sums: dict[str, Tensor] = {}
        self._num_summed = 0
        if self.path.exists():
            self._resume()
        self._require_agreement()

    def autocast(self) -> torch.autocast:
        """Return the context in which losses are computed in the stage's precision."""
        dtype = _DTYPES.get(self.config.precision)
        return torch.autocast(self.device.type, dtype or torch.bfloat16, enabled=dtype is not None)

    def train(
        self, loss_function: LossFunction, seed: int, on_pictures: Pictures | None = None
    ) -> None:
        """Run from the current step to the last, saving now and then.

        Raises:
            ConfigError: the shares cannot be spread over the processes.
            FloatingPointError: the loss is no number any more; what was saved last is sound.
        """
        self.module.train()
        shares = self._own_shares()
        self.journal.begin(self.step)
        started = time.perf_counter()
        for step in range(self.step, self.config.num_steps):
            self._take_step(loss_function, seed, step, shares)
            self.step = step + 1
            is_last = self.step == self.config.num_steps
            if self.step % self.config.log_every == 0:
                self._log(self.seconds + time.perf_counter() - started)
            if self.step % self.config.save_every == 0 or is_last:
                self.seconds += time.perf_counter() - started
                started = time.perf_counter()
                self._save()
            if on_pictures is not None and self._is_picture_due():
                self._show(on_pictures)
        self.journal.close()

    def use_average(self) -> None:
        """Put the moving average into the module, for evaluation or export."""
        if self.average is not None:
            with torch.no_grad():
                for parameter, average in zip(self.parameters, self.average, strict=True):
                    parameter.copy_(average)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Have the moving average in the module for a while, if one is kept."""
        kept = [parameter.detach().clone() for parameter in self.parameters]
        self.module.eval()
        self.use_average()
        yield
        with torch.no_grad():
            for parameter, trained in zip(self.parameters, kept, strict=True):
                parameter.copy_(trained)
        self.module.train()

    def _own_shares(self) -> range:
        count = self.config.shares or num_processes()
        if count % num_processes():
            raise ConfigError(
                f"{self.name}: shares = {count} cannot be spread evenly over {num_processes()}"
                " processes: start another number of them"
            )
        each = count // num_processes()
        return range(rank() * each, (rank() + 1) * each)

    def _take_step(self, loss_function: LossFunction, seed: int, step: int, shares: range) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config, step)
        self.optimizer.zero_grad(set_to_none=True)
        # On a CPU the fused attention's backward pass costs twice the plain one's.
        is_cpu = self.device.type == "cpu"
        with sdpa_kernel(SDPBackend.MATH) if is_cpu else nullcontext():
            for share in shares:
                losses = loss_function(step_generator(seed, step, share))
                scaled = self._scaler.scale(losses["loss"] / len(shares))
                scaled.backward()  # type: ignore[no-untyped-call]
                for name, value in losses.items():
                    part = value.detach().float() / len(shares)
                    self._sums[name] = self._sums[name] + part if name in self._sums else part
        share_mean(p.grad for p in self.parameters if p.grad is not None)
        self._scaler.unscale_(self.optimizer)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip_norm)
        self._sums["gradient"] = self._sums.get("gradient", torch.zeros_like(norm)) + norm
        self._num_summed += 1
        self._scaler.step(self.optimizer)
        self._scaler.update()
        self._update_average(step)

    def _update_average(self, step: int) -> None:
        if self.average is None:
            return
        # The average starts short, so that the first random weights are soon forgotten.
        decay = min(self.config.ema_decay, (step + 1) / (step + 10))
        with torch.no_grad():
            torch._foreach_lerp_(self.average, list[Tensor](self.parameters), 1 - decay)

    def _log(self, seconds: float) -> None:
        sums = torch.stack(list(self._sums.values()))
        share_mean([sums])
        means = dict(zip(self._sums, (sums / self._num_summed).tolist(), strict=True))
        self._require_finite()
        self._sums, self._num_summed = {}, 0
        means["rate"] = learning_rate(self.config, self.step - 1)
        self.journal.write(self.step, seconds, means)

    def _is_picture_due(self) -> bool:
        every = self.config.pictures_every
        is_last = self.step == self.config.num_steps
        return bool(every) and rank() == 0 and (self.step % every == 0 or is_last)

    def _show(self, on_pictures: Pictures) -> None:
        with self.averaged():
            self.journal.show(self.step, on_pictures())

    def _require_finite(self) -> None:
        if "loss" in self._sums and not bool(self._sums["loss"].isfinite()):
            raise FloatingPointError(
                f"{self.name}: the loss is no number any more by step {self.step}: lower"
                f" learning_rate and start again, which goes on from {self.path.name} where kept"
            )

    def _require_agreement(self) -> None:
        if not agree(self.step, self.device):
            raise ConfigError(
                f"{self.name}: the processes found different checkpoints: {self.path.parent} must"
                " be a folder that all machines share"
            )

    def _save(self) -> None:
        self._require_finite()
        if rank() != 0:
            return
        state = {
            "module": self.module.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "average": self.average,
            "names": self.names,
            "sums": self._sums,
            "num_summed": self._num_summed,
            "step": self.step,
            "seconds": self.seconds,
        }
        part = self.path.with_suffix(".part")
        torch.save(state, part)
        part.replace(self.path)

    def _resume(self) -> None:
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        try:
            self.module.load_state_dict(state["module"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{self.path} was made with other settings ({str(error).splitlines()[0]}): give"
                " another --run, or the settings it was made with"
            ) from error
        if scaler := state.get("scaler"):
            self._scaler.load_state_dict(scaler)
        self.average = state["average"]
        self._sums = state.get("sums", {})
        self._num_summed = state.get("num_summed", 0)
        self.step = state["step"]
        self.seconds = state["seconds"]
        logger.info("%s resumes at step %d", self.name, self.step)
