# SPDX-License-Identifier: GPL-3.0-or-later
"""`all`: every stage of a recipe in its order, each a process of its own with its own log.

What is finished is skipped and what was stopped goes on, so the same command may be given again
whatever became of the last one.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

from .config import TrainingConfig, load_config
from .recipe import NEEDS, Leg, Recipe, load_recipe, recipe_of
from .recipe_processes import Launch, Workers, hold, interruptible
from .recipe_state import is_finished
from .values import ConfigError

logger = logging.getLogger(__name__)

TOOK_FILE = "took.jsonl"
"""In a leg's folder: how long each stage took, and in how many processes."""

_SPREAD = ("clip", "stage1", "decoder", "stage2")
"""Stages whose steps several processes may share."""
_DIVISIBLE = ("fit",)
"""Stages that share shapes, and so take as few processes as there is room for."""


def add_all(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--recipe", type=Path, help="legs of a pack, TOML; see recipes/")
    what.add_argument("--config", type=Path, help="settings of a single leg, TOML")
    parser.add_argument("--run", type=Path, required=True, help="folder of this run")
    parser.add_argument("--pack", type=Path, default=Path("packs/starter"), help="export target")
    parser.add_argument("--wheel", type=Path, help="language model of `words`, if it is here")
    parser.add_argument("--processes", type=int, default=2, help="that compute at once on a CPU")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")
    parser.set_defaults(threads=1)


def run_all(arguments: argparse.Namespace) -> None:
    """Run every stage that is not finished.

    Raises:
        ConfigError: the recipe or a leg's folder cannot be used.
        StageFailedError: a stage failed; the sentence names it and its log.
    """
    if "RANK" in os.environ:
        raise ConfigError("it starts its processes itself: give it without torchrun")
    if arguments.processes < 1:
        raise ConfigError(f"--processes must be at least 1, not {arguments.processes}")
    recipe = load_recipe(arguments.recipe) if arguments.recipe else recipe_of(arguments.config)
    arguments.run.mkdir(parents=True, exist_ok=True)
    with hold(arguments.run) as lock, interruptible():
        try:
            for leg in recipe.legs:
                config = load_config(recipe.config_path(leg))
                LegRun(recipe, leg, config, arguments, lock).run()
        except KeyboardInterrupt:
            sys.exit("all: stopped; the same command goes on from here")


@dataclass(frozen=True, slots=True)
class Share:
    """What a stage has of the machine."""

    processes: int
    threads: int = 1
    """Of each process."""


@dataclass(frozen=True, slots=True)
class LegRun:
    """One leg at work."""

    recipe: Recipe
    leg: Leg
    config: TrainingConfig
    arguments: argparse.Namespace
    lock: int
    """Of the run's folder."""

    @property
    def folder(self) -> Path:
        return self._folder_of(self.leg.name)

    def run(self) -> None:
        """Run what is not finished of the leg."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for link in self.leg.links:
            self._link(link)
        waiting = list(self.leg.stages)
        running: dict[str, Share] = {}
        with Workers(self.lock) as workers:
            while waiting or running:
                ready = [each for each in waiting if not blocked(each, waiting, running)]
                done = [each for each in ready if is_finished(each, self.config, self.folder)]
                for stage in done:
                    logger.info("%s in %s is finished", stage, self.folder)
                    waiting.remove(stage)
                if done:
                    continue
                wanted = {each: self._num_processes(each) for each in ready}
                begun = share_out(wanted, list(running.values()), self._num_at_once)
                for stage, share in begun.items():
                    self._start(workers, stage, share)
                    waiting.remove(stage)
                running |= begun
                for stage, seconds in workers.wait().items():
                    self._tell(stage, seconds, running.pop(stage))

    def _start(self, workers: Workers, stage: str, share: Share) -> None:
        log = self.folder / f"{stage}.log"
        logger.info("%s in %s begins; it tells %s", stage, self.folder, log)
        workers.start(Launch(stage, self.command(stage, share), log))

    def _tell(self, stage: str, seconds: float, share: Share) -> None:
        logger.info("%s in %s took %.0f seconds", stage, self.folder, seconds)
        row = {"stage": stage, "ended": datetime.now(UTC).isoformat(timespec="seconds")}
        facts = {"seconds": round(seconds, 1), "processes": share.processes}
        with (self.folder / TOOK_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row | facts | {"threads": share.threads}) + "\n")

    def command(self, stage: str, share: Share) -> list[str]:
        """Return the command of a stage."""
        leg, given = self.leg, self.arguments
        start = [sys.executable, "-m"]
        if share.processes > 1 and stage != "generate":
            spread = ["torch.distributed.run", "--standalone", "--nproc-per-node"]
            start += [*spread, str(share.processes), "-m", "--"]
        command = [*start, str(__package__), stage, "--run", str(self.folder)]
        command += ["--config", str(self.recipe.config_path(leg)), "--device", given.device]
        command += ["--threads", str(share.threads), "--pack", str(given.pack)]
        command += ["--processes", str(given.processes)]
        if leg.warm_start:
            command += ["--warm-start", str(self._folder_of(leg.warm_start))]
        if leg.other:
            command += ["--other", str(self._folder_of(leg.other)), "--share", str(leg.share)]
        if leg.with_encoder:
            command += ["--with-encoder"]
        return command + (["--wheel", str(given.wheel)] if given.wheel else [])

    @property
    def _num_at_once(self) -> int:
        """Processes that the machine runs at once: as many as it is told, or as it has GPUs."""
        asked: int = self.arguments.processes
        return max(asked, self._num_gpus)

    @property
    def _num_gpus(self) -> int:
        device: str = self.arguments.device
        count = 0 if device == "cpu" else torch.cuda.device_count()
        return min(1, count) if ":" in device else count

    def _num_processes(self, stage: str) -> int:
        """Return how many processes a stage takes.

        With `shares` any number learns the same; else the recipe tells, and a machine with fewer
        GPUs takes smaller steps.
        """
        asked: int = self.arguments.processes
        at_once = self._num_gpus or asked
        if stage in ("generate", "fit"):
            return asked if stage == "generate" else at_once
        if stage not in _SPREAD:
            return 1
        if shares := getattr(self.config, stage).shares:
            return max(n for n in range(1, min(shares, at_once) + 1) if shares % n == 0)
        meant: int = getattr(self.leg.processes, stage)
        if 0 < self._num_gpus < meant:
            logger.warning("%s is meant for %d GPUs: its steps will be smaller", stage, meant)
            return self._num_gpus
        return meant

    def _folder_of(self, name: str) -> Path:
        run: Path = self.arguments.run
        return run / name

    def _link(self, link: str) -> None:
        """Have a file of an earlier leg in this one's folder."""
        name, _, file = link.partition("/")
        source, target = self._folder_of(name) / file, self.folder / file
        if target.exists():
            return
        if not source.exists():
            raise ConfigError(f"{source} is missing: leg {self.leg.name!r} needs it")
        try:
            target.symlink_to(os.path.relpath(source, target.parent))
        except OSError:
            # Windows lets few users link.
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, target)


def blocked(stage: str, waiting: Sequence[str], running: Collection[str]) -> bool:
    """Tell whether a stage needs one that has not ended."""
    return any(each in waiting or each in running for each in NEEDS[stage])


def share_out(
    wanted: Mapping[str, int], taken: Sequence[Share], num_at_once: int
) -> dict[str, Share]:
    """Return which stages begin now, and with what.

    None overtakes an earlier one that waits for room. One that wants more than there is begins
    alone, or with fewer processes if it is divisible; cores that are left over become threads.

    Args:
        wanted: processes by stage, in the order in which they are to begin.
        taken: what runs already.
        num_at_once: processes, or threads of them, that the machine runs at once.
    """
    free = num_at_once - sum(each.processes * each.threads for each in taken)
    begun: dict[str, Share] = {}
    for stage, most in wanted.items():
        count = min(most, free) if free and stage in _DIVISIBLE else most
        if count > free and (begun or taken):
            break
        begun[stage] = Share(count)
        free -= count
    single = [stage for stage, share in begun.items() if share.processes == 1]
    if single and free > 0:
        begun |= {stage: Share(1, 1 + free // len(single)) for stage in single}
    return begun
