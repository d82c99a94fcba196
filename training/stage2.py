# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 2: the prior learns to turn noise and a prompt into a latent."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import PRIORS
from .config import TrainingConfig
from .dataset import NUM_VALIDATION, Queries, ShapeDataset
from .initialise import initialise_prior
from .loop import Run
from .prior_loss import Decoding, condition_gap, prior_loss
from .warm_start import WarmStart

logger = logging.getLogger(__name__)

_GAP_EVERY = 1000


@dataclass(frozen=True, slots=True)
class DecodedTruth:
    """What latents should decode to, and through which decoder."""

    shapes: ShapeDataset
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

    coefficients: Tensor
    """Of every shape in the basis, [N, K]."""
    basis: LatentBasis
    conditions: Tensor
    """Tokens of several captions of every shape, [N, count, S, E]."""
    truth: DecodedTruth | None = None
    """Only with `PriorLossConfig.decoded_weight`."""


def train_prior(
    config: TrainingConfig, data: PriorData, folder: Path, start: WarmStart | None = None
) -> LatentPrior:
    """Train the prior, from scratch or from where an earlier run's ended."""
    torch.manual_seed(config.seed)
    prior = LatentPrior(PRIORS[config.architecture])
    initialise_prior(prior)
    assert prior.basis is not None
    prior.basis.load_state_dict(data.basis.state_dict())
    if start is not None:
        start.load_prior(prior)
    if data.truth is not None:
        data.truth.decoder.requires_grad_(False)
    coefficients, conditions = data.coefficients, data.conditions
    num_training = len(coefficients) - NUM_VALIDATION
    run = Run("stage2", prior, config.stage2, folder)

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        indices = torch.randint(num_training, (config.stage2.batch_size,), generator=generator)
        variant = torch.randint(conditions.shape[1], indices.shape, generator=generator)
        condition = conditions[indices, variant].float()
        with torch.autocast("cpu", torch.bfloat16):
            result = prior_loss(
                prior,
                coefficients[indices],
                condition,
                config.prior_loss,
                generator,
                _decoding(config, data.truth, indices, generator),
            )
        if run.step % _GAP_EVERY == _GAP_EVERY - 1:
            chosen = slice(num_training, None)
            _log_gaps(prior, coefficients[chosen], conditions[chosen, 0].float(), run, folder)
        return result

    run.train(losses, config.seed + 2)
    run.use_average()
    return prior


def _decoding(
    config: TrainingConfig, truth: DecodedTruth | None, indices: Tensor, generator: torch.Generator
) -> Decoding | None:
    if truth is None:
        return None
    chosen = config.prior_loss
    queries = truth.queries(indices, chosen.decoded_points, generator)
    loss = replace(
        config.field_loss,
        color_weight=chosen.decoded_color_weight,
        rare_color_power=chosen.decoded_rare_power,
    )
    return Decoding(truth.decoder, queries, loss)


def _log_gaps(
    prior: LatentPrior, coefficients: Tensor, tokens: Tensor, run: Run, folder: Path
) -> None:
    """Log how much the prior reads of kind, colour and part on shapes it was not trained on."""
    gaps: dict[str, float] = {"step": run.step + 1}
    for name, slot in (("kind", 0), ("colour", 1), ("part", 2)):
        wrong = tokens.clone()
        wrong[:, slot] = tokens.roll(1, 0)[:, slot]
        gaps[name] = round(condition_gap(prior, coefficients, tokens, wrong, sigma=3.0), 4)
    logger.info("stage2 reads %s", gaps)
    with (folder / "stage2_gaps.jsonl").open("a") as file:
        file.write(json.dumps(gaps) + "\n")
