# SPDX-License-Identifier: GPL-3.0-or-later
"""What a small CLIP learns from: scenes with pictures, and captions drawn from their labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.conditioning.word_tokens import UNKNOWN, WordTable
from .clip_answers import Truths, truths_of
from .shapes.labels import SceneLabels
from .shapes.phrases import draw_caption

_UNKNOWN_SHARE = 0.04
"""Of captions that get a word which nobody knows; open_clip's tokenizer marks such words."""
_LOSS_SHARE = 0.05
"""Of captions that lose a word without meaning, as users leave them out."""
_LOOSE = ("a", "an", "the", "ice", "3d", "of", "that")
"""Words that may be lost; "ice", so that "cream" alone, which other words stand for, means it."""


@dataclass(frozen=True, slots=True)
class CaptionTable:
    """Captions of scenes as tokens, and what each of them says."""

    tokens: Tensor
    """int16 [N, count, T]."""
    said: Truths
    """Of N * count captions."""

    def draw(self, scenes: Tensor, generator: torch.Generator) -> tuple[Tensor, Truths]:
        """Return one caption of each of some scenes [B], without columns of padding alone."""
        count = self.tokens.shape[1]
        variant = torch.randint(count, scenes.shape, generator=generator)
        tokens = self.tokens[scenes, variant].long()
        longest = int((tokens > 0).sum(1).max())
        return tokens[:, :longest], self.said.at(scenes * count + variant)


@dataclass(frozen=True, slots=True)
class ClipData:
    """Scenes with pictures; the last ones are not trained on."""

    shown: Truths
    """What was built, of N scenes."""
    pictures: Tensor
    """Straight-alpha sRGB, uint8 [N, V, P, P, 4]."""
    captions: CaptionTable
    num_validation: int

    @property
    def num_training(self) -> int:
        """Scenes before the validation split."""
        return len(self.pictures) - self.num_validation

    def views(self, scenes: Tensor, generator: torch.Generator) -> Tensor:
        """Return one picture of each of some scenes [B], straight RGBA in [0, 1], [B, 4, P, P]."""
        view = torch.randint(self.pictures.shape[1], scenes.shape, generator=generator)
        return as_floats(self.pictures[scenes, view])


def as_floats(pictures: Tensor) -> Tensor:
    """Return uint8 pictures [..., P, P, 4] as RGBA in [0, 1], [..., 4, P, P]."""
    return pictures.movedim(-1, -3).float() / 255


def caption_table(
    labels: Sequence[SceneLabels], table: WordTable, count: int, length: int, seed: int
) -> CaptionTable:
    """Draw captions of scenes.

    Drawn once, because drawing costs more than a training step of the text tower.

    Args:
        labels: of N scenes.
        table: makes tokens.
        count: captions of each scene.
        length: tokens of a caption, T.
        seed: of the draw.
    """
    tokens = torch.zeros(len(labels), count, length, dtype=torch.int16)
    said: list[SceneLabels] = []
    for index, scene in enumerate(labels):
        rng = np.random.default_rng([seed, index])
        for variant in range(count):
            caption = draw_caption(scene, rng)
            said.append(caption.said)
            row = table.row(_varied(table.read(caption.text).tokens, table, rng), length)
            tokens[index, variant] = torch.tensor(row, dtype=torch.int16)
    return CaptionTable(tokens, truths_of(said))


def _varied(tokens: Sequence[int], table: WordTable, rng: np.random.Generator) -> list[int]:
    """Return a caption with an unknown word more, or a word without meaning less, now and then."""
    varied = list(tokens)
    if rng.random() < _UNKNOWN_SHARE:
        varied.insert(int(rng.integers(len(varied) + 1)), UNKNOWN)
    loose = {token for word in _LOOSE for token in table.read(word).tokens}
    places = [i for i, token in enumerate(varied) if token in loose]
    if places and len(varied) > 1 and rng.random() < _LOSS_SHARE * len(places):
        del varied[places[int(rng.integers(len(places)))]]
    return varied
