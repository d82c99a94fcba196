# SPDX-License-Identifier: GPL-3.0-or-later
"""The word encoder learns to tell the attributes of a caption, before the prior is trained.

Each condition token answers for one attribute. That keeps "red" with the cap and "white" with
the stem: what a plain bag of words mixes up is already apart when the prior reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.conditioning.word_encoder import Vocabulary, WordEncoder
from ..core.specs import WordEncoderSpec
from .config import TrainingConfig
from .dataset import ShapeDataset
from .loop import Run
from .shapes.attributes import ADJECTIVES, ShapeAttributes
from .shapes.captions import caption
from .shapes.colours import COLOURS
from .shapes.kinds import FIRST_KINDS
from .shapes.vocabulary import vocabulary

_KINDS = tuple(FIRST_KINDS)
_COLOURS = tuple(COLOURS)
_ADJECTIVES = (None, *ADJECTIVES)
_PARTS = (
    None,
    *sorted({part.name for kind in FIRST_KINDS.values() for part in kind.nameable_parts}),
)

# Which condition token answers which question.
_QUESTIONS: tuple[tuple[str, int, tuple[str | None, ...]], ...] = (
    ("kind", 0, _KINDS),
    ("main_colour", 1, _COLOURS),
    ("second_part", 2, _PARTS),
    ("second_colour", 2, (None, *_COLOURS)),
    ("adjective", 3, _ADJECTIVES),
)
NUM_SLOTS = 4
_ROLE_ORDER = ("kind", "colour", "material", "part", "adjective", "filler")


class CaptionReader(nn.Module):
    """The word encoder with one linear answer per question; only the encoder is kept."""

    def __init__(self, spec: WordEncoderSpec) -> None:
        super().__init__()
        self.encoder = WordEncoder(spec)
        self.answers = nn.ModuleDict(
            {name: nn.Linear(spec.width, len(values)) for name, _, values in _QUESTIONS}
        )
        # The usual scale of 1 for embeddings would drown the position embedding.
        nn.init.normal_(self.encoder.word_embedding.weight, std=0.2)
        nn.init.normal_(self.encoder.position_embedding, std=0.1)

    def forward(self, indices: Tensor) -> dict[str, Tensor]:
        """Return logits by question for word indices [B, T]."""
        slots = self.encoder(indices)
        return {name: self.answers[name](slots[:, slot]) for name, slot, _ in _QUESTIONS}


def word_encoder_spec(max_words: int) -> WordEncoderSpec:
    """Return the architecture of a word encoder for captions of so many words."""
    return WordEncoderSpec(
        vocabulary_size=len(known_words()),
        width=128,
        num_layers=2,
        num_heads=4,
        num_slots=NUM_SLOTS,
        max_words=max_words,
    )


def word_roles() -> dict[str, str]:
    """Return every word of the captions with the most telling of its roles."""
    roles = {}
    for word, meanings in vocabulary().items():
        found = {meaning.role for meaning in meanings}
        roles[word] = next(role for role in _ROLE_ORDER if role in found)
    return roles


def known_words() -> Vocabulary:
    """Return the vocabulary of the captions."""
    return Vocabulary(tuple(word_roles()))


def draw_captions(
    attributes: Sequence[ShapeAttributes], words: Vocabulary, count: int, length: int, seed: int
) -> Tensor:
    """Return word indices of several random captions per shape, int16 [N, count, length].

    Drawn once, because drawing costs more than a training step of the encoder.
    """
    table = torch.empty(len(attributes), count, length, dtype=torch.int16)
    for i, each in enumerate(attributes):
        rng = np.random.default_rng([seed, i])
        rows = [words.indices(words.read(caption(each, rng)).known, length) for _ in range(count)]
        table[i] = torch.tensor(rows, dtype=torch.int16)
    return table


def train_word_encoder(
    config: TrainingConfig, data: ShapeDataset, captions: Tensor, folder: Path
) -> WordEncoder:
    """Train the word encoder on captions of the training shapes, [N, count, length]."""
    torch.manual_seed(config.seed)
    reader = CaptionReader(word_encoder_spec(captions.shape[2]))
    run = Run("text", reader, config.text, folder)
    targets = {
        name: torch.tensor([values.index(getattr(each, name)) for each in data.attributes])
        for name, _, values in _QUESTIONS
    }

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        drawn = data.training_indices(config.text.batch_size, generator)
        variant = torch.randint(captions.shape[1], drawn.shape, generator=generator)
        logits = reader(captions[drawn, variant].long())
        result = {
            name: F.cross_entropy(logits[name], targets[name][drawn]) for name, _, _ in _QUESTIONS
        }
        return {"loss": torch.stack(list(result.values())).sum()} | result

    run.train(losses, config.seed)
    return reader.encoder


@torch.no_grad()
def encode_captions(encoder: WordEncoder, captions: Tensor) -> Tensor:
    """Return the condition tokens of captions [N, count, length], half [N, count, S, E]."""
    encoder.eval()
    tokens = [encoder(rows.long()).half() for rows in captions.flatten(0, 1).split(512)]
    return torch.cat(tokens).view(*captions.shape[:2], NUM_SLOTS, -1)
