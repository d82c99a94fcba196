# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts to the condition of the published text prior."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import ClipSpec
from .clip import build_tower, tokenize


class ClipTextEncoder(nn.Module):
    """CLIP's text tower and the scaling that the text prior was trained with."""

    def __init__(self, spec: ClipSpec) -> None:
        super().__init__()
        self.spec = spec
        self.tower = build_tower(spec)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the joint embedding read at the end token, neither normalised nor scaled.

        Args:
            tokens: ids as made by `tokenize`, [B, T].

        Returns:
            Embeddings, fp32, [B, E].
        """
        return self.tower(tokens).float()  # type: ignore[no-any-return]

    @torch.inference_mode()
    def condition(self, prompts: Sequence[str]) -> Tensor:
        """Return one condition token per prompt, fp32, [B, 1, E]."""
        device = next(self.tower.parameters()).device
        tokens = tokenize(list(prompts), self.spec.context_length)
        return scale_embedding(self(tokens.to(device)))[:, None]


def scale_embedding(embedding: Tensor) -> Tensor:
    """Return embeddings [B, E] at length sqrt(E), which is about unit variance per channel.

    The published prior takes the unit vector and multiplies it by sqrt(768) inside the network;
    here both steps belong to the condition, so that the prior is the same for every condition.
    """
    return F.normalize(embedding, dim=-1) * math.sqrt(embedding.shape[-1])
