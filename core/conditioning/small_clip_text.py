# SPDX-License-Identifier: GPL-3.0-or-later
"""The text tower of a small CLIP; tensors are named as those of open_clip's `TextTransformer`."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import SmallClipSpec


class TextTower(nn.Module):
    """A causal transformer over words, read at the end of the prompt."""

    def __init__(self, spec: SmallClipSpec) -> None:
        super().__init__()
        width = spec.text_width
        self.token_embedding = nn.Embedding(spec.vocabulary_size, width)
        self.positional_embedding = nn.Parameter(torch.empty(spec.context_length, width))
        self.transformer = _Transformer(width, spec.text_layers, spec.text_heads)
        self.ln_final = nn.LayerNorm(width)
        self.text_projection = nn.Parameter(torch.empty(width, spec.embedding_width))
        self._initialise()

    def forward(self, tokens: Tensor) -> Tensor:
        """Return embeddings, [B, S * E].

        Args:
            tokens: as `WordTable.row` makes them, [B, T]; columns of padding alone may be cut off.
        """
        h = self.token_embedding(tokens) + self.positional_embedding[: tokens.shape[1]]
        h = self.transformer(h)
        # The end of the prompt has the highest token.
        ends = h[torch.arange(len(h), device=h.device), tokens.argmax(dim=1)]
        return self.ln_final(ends) @ self.text_projection  # type: ignore[no-any-return]

    def _initialise(self) -> None:
        """As open_clip does, but words begin larger: 0.02 takes a small model long to grow."""
        width, num_layers = self.token_embedding.embedding_dim, len(self.transformer.resblocks)
        nn.init.normal_(self.token_embedding.weight, std=0.2)
        nn.init.normal_(self.positional_embedding, std=0.05)
        nn.init.normal_(self.text_projection, std=width**-0.5)
        for block in self.transformer.resblocks:
            assert isinstance(block, _Block)
            nn.init.normal_(block.attn.in_proj_weight, std=width**-0.5)
            nn.init.normal_(block.attn.out_proj.weight, std=(2 * num_layers * width) ** -0.5)
            nn.init.normal_(block.mlp.c_fc.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp.c_proj.weight, std=(2 * num_layers * width) ** -0.5)


class _Transformer(nn.Module):
    def __init__(self, width: int, num_layers: int, num_heads: int) -> None:
        super().__init__()
        self.resblocks = nn.ModuleList(_Block(width, num_heads) for _ in range(num_layers))

    def forward(self, h: Tensor) -> Tensor:
        for block in self.resblocks:
            h = block(h)
        return h


class _Block(nn.Module):
    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = _CausalAttention(width, num_heads)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = _Mlp(width)

    def forward(self, h: Tensor) -> Tensor:
        h = h + self.attn(self.ln_1(h))
        return h + self.mlp(self.ln_2(h))  # type: ignore[no-any-return]


class _CausalAttention(nn.Module):
    """Each word sees itself and those before it."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)

    def forward(self, h: Tensor) -> Tensor:
        batch, num_words, width = h.shape
        shape = (batch, num_words, 3, self.num_heads, width // self.num_heads)
        mapped = F.linear(h, self.in_proj_weight, self.in_proj_bias).view(shape)
        q, k, v = mapped.permute(2, 0, 3, 1, 4)  # each [B, heads, T, W / heads]
        attended = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out_proj(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class _Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, h: Tensor) -> Tensor:
        return self.c_proj(F.gelu(self.c_fc(h)))  # type: ignore[no-any-return]
