# SPDX-License-Identifier: GPL-3.0-or-later
"""Which stages of a run are done, as the files in its folder tell."""

from __future__ import annotations

from pathlib import Path

import torch

from .config import TrainingConfig
from .values import ConfigError
from .words import WORDS_FILE

_RESULTS: dict[str, tuple[str, ...]] = {
    "words": (WORDS_FILE,),
    "text": ("text.pt", "conditions.pt"),
    "clip": ("clip.pt", "conditions.pt"),
    "stage1": ("stage1.pt",),
    "latents": ("latents.pt",),
    "fit": ("latents.pt",),
    "decoder": ("decoder.pt",),
    "blend": ("stage2.pt",),
    "gaussian": ("gaussian.pt", "estimate.pt"),
    "stage2": ("stage2.pt",),
}
_MADE_FROM: dict[str, tuple[str, ...]] = {
    "clip": (WORDS_FILE,),
    "latents": ("stage1.pt",),
    "decoder": ("latents.pt",),
    "gaussian": ("latents.pt", "conditions.pt"),
    "stage2": ("latents.pt", "conditions.pt", "estimate.pt"),
}
_TRAINED = ("text", "clip", "stage1", "decoder", "gaussian", "stage2")
"""Their first result is a checkpoint, which tells how many steps were taken."""


def results_of(stage: str) -> tuple[str, ...]:
    """Return the names of the files that a stage leaves, the first one first."""
    return ("shards",) if stage == "generate" else _RESULTS.get(stage, ())


def is_finished(stage: str, config: TrainingConfig, folder: Path) -> bool:
    """Tell whether a stage has left in a run's folder what it is for.

    `export` never has: it takes seconds, and what it writes lies elsewhere.

    Raises:
        ConfigError: what the stage learnt from was made again since, so that it can neither be
            kept nor gone on with.
    """
    if stage == "generate":
        starts = range(0, config.data.num_shapes, config.data.shard_size)
        return all((folder / "shards" / f"{start:07d}.npz").exists() for start in starts)
    results = [folder / name for name in results_of(stage)]
    if not results or not results[0].exists():
        return False
    if newer := _newer(stage, results[0]):
        if stage in _TRAINED:
            raise ConfigError(
                f"{results[0]} is older than {newer.name}, which it learns from: remove it to train"
                f" {stage} anew, or give another --run"
            )
        return False
    if stage in _TRAINED and _steps_done(results[0]) < getattr(config, stage).num_steps:
        return False
    return all(path.exists() for path in results)


def _newer(stage: str, result: Path) -> Path | None:
    sources = (result.with_name(name) for name in _MADE_FROM.get(stage, ()))
    made = result.stat().st_mtime_ns
    return next(
        (each for each in sources if each.exists() and each.stat().st_mtime_ns > made), None
    )


def _steps_done(checkpoint: Path) -> int:
    # Mapped, so that only its index is read.
    return int(torch.load(checkpoint, weights_only=True, mmap=True)["step"])
