# SPDX-License-Identifier: GPL-3.0-or-later
"""What the prior is told while it learns: condition tokens of captions and of pictures.

One prior serves both, so an example draws a caption or a picture of its shape, and sees one of
them. Tokens are computed once, since encoders are frozen by then and cost more than a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .values import ConfigError


class ConditionSource(Protocol):
    """Condition tokens of the shapes of a data set."""

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return tokens of one caption or picture of each of some shapes [B], fp32 [B, T, E]."""
        ...

    def first(self, indices: Tensor, what: str = "captions") -> Tensor:
        """Return tokens of the first caption, or picture, of some shapes [B], fp32 [B, T, E]."""
        ...


class Told(NamedTuple):
    """What some examples are told, [B]."""

    tokens: Tensor
    """Fp32, [B, T, E]."""
    caption: Tensor
    """Number of each one's caption."""
    is_picture: Tensor
    """Whether it is told by a picture instead."""


@dataclass(frozen=True, slots=True)
class CachedConditions:
    """Tokens that were computed before; tensors may be mapped from a file."""

    captions: Tensor
    """Of several captions of every shape, [N, count, T, E]."""
    pictures: Tensor | None = None
    """Of several pictures of every shape, [N, count, T, E], with the captions' T and E."""
    picture_share: float = 0.0
    """Of the examples that draw a picture."""

    def __post_init__(self) -> None:
        if self.pictures is None and self.picture_share:
            raise ConfigError(
                f"picture_share is {self.picture_share:g}, but no pictures are encoded: run `clip`"
                " on shards with pictures, or set it to 0"
            )
        if self.pictures is not None and self.pictures.shape[2:] != self.captions.shape[2:]:
            raise ConfigError(
                f"pictures have tokens of {list(self.pictures.shape[2:])}, captions of"
                f" {list(self.captions.shape[2:])}: one prior needs the same"
            )

    def draw(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        """Return tokens of one caption or picture of each of some shapes [B], fp32 [B, T, E]."""
        return self.draw_told(indices, generator).tokens

    def draw_told(self, indices: Tensor, generator: torch.Generator) -> Told:
        """Return what `draw` does, and what it was drawn from."""
        caption = torch.randint(self.captions.shape[1], indices.shape, generator=generator)
        tokens = self.captions[indices, caption].float()
        if self.pictures is None or not self.picture_share:
            return Told(tokens, caption, torch.zeros_like(caption, dtype=torch.bool))
        shows = torch.rand(len(indices), generator=generator) < self.picture_share
        view = torch.randint(self.pictures.shape[1], indices.shape, generator=generator)
        pictures = self.pictures[indices, view].float()
        return Told(torch.where(shows[:, None, None], pictures, tokens), caption, shows)

    def first(self, indices: Tensor, what: str = "captions") -> Tensor:
        """Return tokens of the first caption, or picture, of some shapes [B], fp32 [B, T, E]."""
        tokens = self.pictures if what == "pictures" else self.captions
        assert tokens is not None
        return tokens[indices, 0].float()

    def __len__(self) -> int:
        return len(self.captions)


def load_conditions(path: Path, picture_share: float) -> CachedConditions:
    """Read `conditions.pt`: tokens as `conditions`, and as `pictures` where there are any.

    Tokens are mapped, so that those of a large data set need not fit into memory.

    Raises:
        ConfigError: the file is missing, or has no pictures where some are asked for.
    """
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `text` or `clip` first")
    saved = torch.load(path, weights_only=True, mmap=True)
    return CachedConditions(saved["conditions"], saved.get("pictures"), picture_share)
