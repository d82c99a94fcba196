# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 2: the prior learns to turn noise and a prompt into a latent."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from torch import Tensor

from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import PRIORS
from .config import TrainingConfig
from .dataset import NUM_VALIDATION
from .initialise import initialise_prior
from .loop import Run
from .prior_loss import condition_gap, prior_loss

logger = logging.getLogger(__name__)

_GAP_EVERY = 1000


def train_prior(
    config: TrainingConfig,
    coefficients: Tensor,
    basis: LatentBasis,
    conditions: Tensor,
    folder: Path,
) -> LatentPrior:
    """Train the prior.

    Args:
        config: the run.
        coefficients: of every shape in the basis, [N, K].
        basis: fixed.
        conditions: tokens of several captions of every shape, [N, count, S, E].
        folder: of the run.
    """
    torch.manual_seed(config.seed)
    prior = LatentPrior(PRIORS[config.architecture])
    initialise_prior(prior)
    assert prior.basis is not None
    prior.basis.load_state_dict(basis.state_dict())
    num_training = len(coefficients) - NUM_VALIDATION
    run = Run("stage2", prior, config.stage2, folder)

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        indices = torch.randint(num_training, (config.stage2.batch_size,), generator=generator)
        variant = torch.randint(conditions.shape[1], indices.shape, generator=generator)
        condition = conditions[indices, variant].float()
        with torch.autocast("cpu", torch.bfloat16):
            result = prior_loss(
                prior, coefficients[indices], condition, config.prior_loss, generator
            )
        if run.step % _GAP_EVERY == _GAP_EVERY - 1:
            chosen = slice(num_training, None)
            _log_gaps(prior, coefficients[chosen], conditions[chosen, 0].float(), run, folder)
        return result

    run.train(losses, config.seed + 2)
    run.use_average()
    return prior


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
