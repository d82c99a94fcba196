# SPDX-License-Identifier: GPL-3.0-or-later
"""Attention blocks of the encoder: tokens read data, or one another."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..interrupt import Check, ignore

_ROWS_AT_ONCE = 2048
"""Of data that become keys and values, and a quarter of it of tokens that read them."""


class ReadingBlock(nn.Module):
    """Pre-norm cross-attention from tokens to data, then an MLP."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm_attn = nn.LayerNorm(width)
        self.norm_data = nn.LayerNorm(width)
        self.attn = Attention(width, num_heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = MLP(width)

    def forward(self, tokens: Tensor, data: Tensor, check: Check = ignore) -> Tensor:
        """Return tokens [B, T, W] updated from data [B, D, W]; `check` is called on the way."""
        tokens = tokens + self.attn(self.norm_attn(tokens), self.norm_data(data), check)
        check()
        return tokens + self.mlp(self.norm_mlp(tokens))  # type: ignore[no-any-return]


class SelfBlock(nn.Module):
    """Pre-norm self-attention, then an MLP."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm_attn = nn.LayerNorm(width)
        self.attn = Attention(width, num_heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = MLP(width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Map tokens [B, T, W] to tokens [B, T, W]."""
        normed = self.norm_attn(tokens)
        tokens = tokens + self.attn(normed, normed)
        return tokens + self.mlp(self.norm_mlp(tokens))  # type: ignore[no-any-return]


class Attention(nn.Module):
    """Multi-head attention without a mask.

    Rows of `kv` are ordered [k, v] x heads x head width; published weights interleave them per
    head and are reordered when they are loaded.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, data: Tensor, check: Check = ignore) -> Tensor:
        """Return what tokens [B, T, W] read from data [B, D, W], [B, T, W].

        `check` is called between pieces: 2,048 tokens that read 20,480 take seconds on a CPU.
        """
        shared = []
        for start in range(0, data.shape[1], _ROWS_AT_ONCE):
            check()
            shared.append(self.kv(data[:, start : start + _ROWS_AT_ONCE]))
        kv = torch.cat(shared, dim=1)
        kv = kv.reshape(*kv.shape[:2], 2, self.num_heads, -1)
        k, v = kv.permute(2, 0, 3, 1, 4)  # each [B, heads, D, W / heads]
        q = self.q(tokens).reshape(*tokens.shape[:2], self.num_heads, -1).transpose(1, 2)
        read = []
        for start in range(0, q.shape[2], _ROWS_AT_ONCE // 4):
            check()
            part = q[:, :, start : start + _ROWS_AT_ONCE // 4]
            read.append(F.scaled_dot_product_attention(part, k, v))
        return self.out(torch.cat(read, dim=2).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, 4 * width)
        self.proj = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., W] to [..., W]."""
        return self.proj(F.gelu(self.fc(x)))  # type: ignore[no-any-return]
