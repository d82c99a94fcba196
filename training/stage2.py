# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 2: the prior learns to turn noise and a prompt into a latent."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import torch
from torch import Tensor

from ..core.conditioning.word_encoder import Vocabulary, WordEncoder
from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import PRIORS
from .config import TrainingConfig
from .dataset import NUM_VALIDATION, ShapeDataset
from .initialise import initialise_prior
from .loop import Run
from .prior_loss import condition_gap, prior_loss
from .shapes.attributes import ShapeAttributes
from .text import caption_indices

logger = logging.getLogger(__name__)

_GAP_EVERY = 1000


def train_prior(
    config: TrainingConfig,
    data: ShapeDataset,
    coefficients: Tensor,
    basis: LatentBasis,
    words: WordEncoder,
    vocabulary: Vocabulary,
    folder: Path,
) -> LatentPrior:
    """Train the prior on coefficients [N, K] and captions drawn anew each step."""
    torch.manual_seed(config.seed)
    prior = LatentPrior(PRIORS[config.architecture])
    initialise_prior(prior)
    assert prior.basis is not None
    prior.basis.load_state_dict(basis.state_dict())
    run = Run("stage2", prior, config.stage2, folder)
    encode = CaptionEncoder(words, vocabulary)

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        indices = data.training_indices(config.stage2.batch_size, generator)
        condition = encode([data.attributes[i] for i in indices.tolist()], generator)
        with torch.autocast("cpu", torch.bfloat16):
            result = prior_loss(
                prior, coefficients[indices], condition, config.prior_loss, generator
            )
        if run.step % _GAP_EVERY == _GAP_EVERY - 1:
            _log_gaps(prior, data, coefficients, encode, folder, run.step + 1)
        return result

    run.train(losses, config.seed + 2)
    run.use_average()
    return prior


class CaptionEncoder:
    """Attributes to condition tokens, through a random caption."""

    def __init__(self, words: WordEncoder, vocabulary: Vocabulary) -> None:
        self.words = words.eval()
        self.vocabulary = vocabulary

    @torch.no_grad()
    def __call__(self, attributes: list[ShapeAttributes], generator: torch.Generator) -> Tensor:
        """Return [B, S, E]."""
        length = self.words.spec.max_words
        indices = caption_indices(attributes, self.vocabulary, length, generator)
        return self.words(indices)  # type: ignore[no-any-return]


def _log_gaps(
    prior: LatentPrior,
    data: ShapeDataset,
    coefficients: Tensor,
    encode: CaptionEncoder,
    folder: Path,
    step: int,
) -> None:
    """Log how much the prior reads of colour and kind on shapes it was not trained on."""
    generator = torch.Generator().manual_seed(0)
    chosen = list(range(len(data) - NUM_VALIDATION, len(data)))
    right = [data.attributes[i] for i in chosen]
    clean = coefficients[chosen]
    tokens = encode(right, generator)
    gaps = {}
    for name, slot in (("kind", 0), ("colour", 1), ("part", 2)):
        wrong = tokens.clone()
        wrong[:, slot] = tokens.roll(1, 0)[:, slot]
        gaps[name] = round(condition_gap(prior, clean, tokens, wrong, sigma=3.0), 4)
    logger.info("stage2 step %d reads %s", step, gaps)
    with (folder / "stage2_gaps.jsonl").open("a") as file:
        file.write(json.dumps({"step": step} | gaps) + "\n")
