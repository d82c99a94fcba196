# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 2: the prior learns to turn noise and a caption or a picture into a latent."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import PRIORS
from .conditions import ConditionSource
from .config import FieldLossConfig, PriorLossConfig, StageConfig, TrainingConfig
from .dataset import NUM_VALIDATION, Queries
from .initialise import initialise_prior
from .loop import LossFunction, Pictures, Run, rank
from .pictures import SampleGrid
from .prior_loss import Decoding, condition_gap, prior_loss
from .warm_start import WarmStart

logger = logging.getLogger(__name__)

_GAP_EVERY = 1000
_GAP_SIGMA = 3.0
_WORD_SLOTS = ("kind", "colour", "part", "adjective")
"""What the condition tokens of a word encoder stand for."""


class KnownShapes(Protocol):
    """Shapes whose surface and distances are known, such as `ShapeDataset`."""

    def cloud(
        self, indices: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return random surface points and colours of shapes, each [B, count, 3]."""
        ...

    def queries(self, indices: Tensor, count: int, generator: torch.Generator) -> Queries:
        """Return random query points of shapes."""
        ...


@dataclass(frozen=True, slots=True)
class DecodedTruth:
    """What latents should decode to, and through which decoder."""

    shapes: KnownShapes
    decoder: Decoder

    def queries(self, indices: Tensor, count: int, generator: torch.Generator) -> Queries:
        """Return `count` surface points of shapes [B] and half as many query points."""
        points, colors = self.shapes.cloud(indices, count, generator)
        others = self.shapes.queries(indices, count // 2, generator)
        return Queries(
            torch.cat([points, others.points], dim=1),
            torch.cat([torch.zeros_like(points[..., 0]), others.distance], dim=1),
            torch.cat([colors, others.colors], dim=1),
        )


@dataclass(frozen=True, slots=True)
class PriorData:
    """What the prior learns from."""

    latents: Tensor
    """Of every shape: coefficients in the basis [N, K], without one latents [N, L, C]; may be
    mapped from a file."""
    basis: LatentBasis | None
    conditions: ConditionSource
    truth: DecodedTruth | None = None
    """Only with `PriorLossConfig.decoded_weight`."""
    gaussian: Mapping[str, Tensor] | None = None
    """State of the prior's `ConditionalGaussian`; only where its spec has one."""
    num_validation: int = NUM_VALIDATION
    """Shapes at the end that are not trained on."""

    @property
    def num_training(self) -> int:
        """Shapes before the validation split."""
        return len(self.latents) - self.num_validation


def build_prior(config: TrainingConfig, data: PriorData, start: WarmStart | None) -> LatentPrior:
    """Return the prior as it is before its first step, on the CPU."""
    torch.manual_seed(config.seed)
    prior = LatentPrior(PRIORS[config.architecture])
    initialise_prior(prior)
    if prior.basis is not None:
        assert data.basis is not None
        prior.basis.load_state_dict(data.basis.state_dict())
    if prior.gaussian is not None:
        assert data.gaussian is not None
        prior.gaussian.load_state_dict(data.gaussian)
    if start is not None and start.has_prior:
        start.load_prior(prior)
    return prior


def train_prior(
    config: TrainingConfig,
    data: PriorData,
    folder: Path,
    start: WarmStart | None = None,
    device: torch.device | str = "cpu",
    samples: SampleGrid | None = None,
) -> LatentPrior:
    """Train the prior, from scratch or from where an earlier run's ended.

    Args:
        config: the run.
        data: latents and conditions.
        folder: of the run.
        start: a run to go on from; without a prior of its own this one begins anew.
        device: where to train.
        samples: what TensorBoard shows, every `pictures_every` steps.
    """
    prior = build_prior(config, data, start).to(device)
    run = Run("stage2", prior, config.stage2, folder)
    stage = PriorStage(prior, data, config.stage2, config.prior_loss, config.field_loss)
    losses = stage.losses(run)
    if prior.basis is not None and rank() == 0:
        losses = _with_gaps(losses, prior, data, run, folder)
    run.train(losses, config.seed + 2, _pictures(prior, samples))
    run.use_average()
    return prior


@dataclass(frozen=True, slots=True)
class PriorStage:
    """The steps of a prior's training, from scratch or fine-tuned."""

    prior: LatentPrior
    data: PriorData
    stage: StageConfig
    loss: PriorLossConfig
    field_loss: FieldLossConfig | None = None
    """Of the decoded prediction; only with a truth to compare it with."""

    def losses(self, run: Run) -> LossFunction:
        """Return what a step of a run minimises."""
        if self.stage.recompute:
            recompute_blocks(self.prior)
        if self.data.truth is not None:
            self.data.truth.decoder.requires_grad_(False).to(run.device)
        return partial(self._step, run)

    def _step(self, run: Run, generator: torch.Generator) -> dict[str, Tensor]:
        shape = (self.stage.batch_size,)
        indices = torch.randint(self.data.num_training, shape, generator=generator)
        condition = self.data.conditions.draw(indices, generator)
        latents = self.data.latents[indices].float()
        decoding = self._decoding(indices, generator, run.device)
        with run.autocast():
            return prior_loss(
                self.prior,
                latents.to(run.device),
                condition.to(run.device),
                self.loss,
                generator,
                decoding,
            )

    def _decoding(
        self, indices: Tensor, generator: torch.Generator, device: torch.device
    ) -> Decoding | None:
        truth = self.data.truth
        if truth is None or self.field_loss is None:
            return None
        found = truth.queries(indices, self.loss.decoded_points, generator)
        queries = Queries(
            found.points.to(device), found.distance.to(device), found.colors.to(device)
        )
        config = replace(
            self.field_loss,
            color_weight=self.loss.decoded_color_weight,
            rare_color_power=self.loss.decoded_rare_power,
        )
        return Decoding(truth.decoder, queries, config)


def recompute_blocks(prior: LatentPrior) -> None:
    """Let each block keep only what it reads, and compute the rest again for the gradients."""
    for block in prior.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)


def _pictures(prior: LatentPrior, samples: SampleGrid | None) -> Pictures | None:
    return None if samples is None else lambda: {"samples": samples.draw(prior)}


def _with_gaps(
    losses: LossFunction, prior: LatentPrior, data: PriorData, run: Run, folder: Path
) -> LossFunction:
    """Log now and then how much the prior reads of its condition, before a step is taken."""

    def step(generator: torch.Generator) -> dict[str, Tensor]:
        if run.step % _GAP_EVERY == _GAP_EVERY - 1:
            gaps = {"step": run.step + 1} | condition_gaps(prior, data)
            logger.info("stage2 reads %s", gaps)
            with (folder / "stage2_gaps.jsonl").open("a") as file:
                file.write(json.dumps(gaps) + "\n")
        return losses(generator)

    return step


def condition_gaps(prior: LatentPrior, data: PriorData) -> dict[str, float]:
    """Return how much worse shapes of the validation split become with another's condition.

    Of word slots each is exchanged alone, of other tokens all at once.
    """
    chosen = torch.arange(data.num_training, len(data.latents))
    coefficients = data.latents[chosen].float()
    tokens = data.conditions.first(chosen)
    is_slots = tokens.shape[1] == len(_WORD_SLOTS)
    gaps = {}
    for name, slot in [(each, i) for i, each in enumerate(_WORD_SLOTS)] if is_slots else ():
        wrong = tokens.clone()
        wrong[:, slot] = tokens.roll(1, 0)[:, slot]
        gaps[name] = round(condition_gap(prior, coefficients, tokens, wrong, _GAP_SIGMA), 4)
    gaps["all"] = round(
        condition_gap(prior, coefficients, tokens, tokens.roll(1, 0), _GAP_SIGMA), 4
    )
    return gaps
