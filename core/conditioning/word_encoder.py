# SPDX-License-Identifier: GPL-3.0-or-later
"""The text encoder of packs without a CLIP: a closed vocabulary in, a few condition tokens out.

A prompt becomes `num_slots` vectors. During training each slot is asked to tell one attribute
(kind, main colour, second part, style), so that colours stay bound to their parts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..specs import WordEncoderSpec
from .spelling import forms_of, nearest_to, words_of

_PADDING = 0


@dataclass(frozen=True, slots=True)
class PromptReading:
    """How a prompt was understood."""

    known: tuple[str, ...]
    unknown: tuple[str, ...]
    """Words outside the vocabulary, in order, each once."""


class Vocabulary:
    """The words that a pack knows, each with its index; index 0 is padding."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        self._index = {word: i for i, word in enumerate(self.words, start=1)}

    def __len__(self) -> int:
        return len(self.words) + 1

    def read(self, prompt: str) -> PromptReading:
        """Split a prompt into known and unknown words; plurals count as their singular."""
        known: list[str] = []
        unknown: dict[str, None] = {}
        for word in words_of(prompt):
            match = self._match(word)
            if match is None:
                unknown[word] = None
            else:
                known.append(match)
        return PromptReading(tuple(known), tuple(unknown))

    def nearest(self, word: str) -> str | None:
        """Return the known word that is spelled most like `word`, if any is close."""
        return nearest_to(word, self.words)

    def indices(self, words: Sequence[str], length: int) -> list[int]:
        """Return indices of known words, cut or padded to a length."""
        indices = [self._index[word] for word in words[:length]]
        return indices + [_PADDING] * (length - len(indices))

    def _match(self, word: str) -> str | None:
        return next((form for form in forms_of(word) if form in self._index), None)


class WordEncoder(nn.Module):
    """Maps word indices to condition tokens."""

    def __init__(self, spec: WordEncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.word_embedding = nn.Embedding(spec.vocabulary_size, spec.width)
        self.position_embedding = nn.Parameter(torch.zeros(spec.max_words, spec.width))
        self.slots = nn.Parameter(torch.randn(spec.num_slots, spec.width) * 0.2)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                spec.width,
                spec.num_heads,
                4 * spec.width,
                dropout=0.0,
                activation="gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(spec.num_layers)
        )
        self.norm = nn.LayerNorm(spec.width)

    def forward(self, indices: Tensor) -> Tensor:
        """Encode prompts.

        Args:
            indices: word indices, 0 for padding, [B, T].

        Returns:
            Condition tokens with about unit variance per channel, fp32, [B, S, E].
        """
        words = self.word_embedding(indices) + self.position_embedding[: indices.shape[1]]
        slots = self.slots.expand(len(indices), -1, -1)
        h = torch.cat([slots, words], dim=1)  # [B, S + T, E]
        is_padding = torch.cat(
            [indices.new_zeros(slots.shape[:2], dtype=torch.bool), indices == _PADDING], dim=1
        )
        for block in self.blocks:
            h = block(h, src_key_padding_mask=is_padding)
        return self.norm(h[:, : self.spec.num_slots]).float()  # type: ignore[no-any-return]
