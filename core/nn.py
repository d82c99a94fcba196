# SPDX-License-Identifier: GPL-3.0-or-later
"""Layers that several networks are made of."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Pre-norm self-attention and MLP."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.norm_attn = nn.LayerNorm(width)
        self.attn = SelfAttention(width, num_heads)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = MLP(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, T, W] to tokens [B, T, W]."""
        x = x + self.attn(self.norm_attn(x))
        return x + self.mlp(self.norm_mlp(x))  # type: ignore[no-any-return]


class SelfAttention(nn.Module):
    """Multi-head attention over all tokens, no mask.

    Rows of `qkv` are ordered [q, k, v] x heads x head width; published weights interleave the
    three per head and are reordered when they are loaded.
    """

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, T, W] to tokens [B, T, W]."""
        batch, num_tokens, width = x.shape
        shape = (batch, num_tokens, 3, self.num_heads, width // self.num_heads)
        qkv = self.qkv(x).view(shape)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, T, W / heads]
        attended = F.scaled_dot_product_attention(q, k, v)
        return self.out(attended.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class MLP(nn.Module):
    """Linear, exact GELU, linear."""

    def __init__(self, width: int, hidden_width: int) -> None:
        super().__init__()
        self.fc = nn.Linear(width, hidden_width)
        self.proj = nn.Linear(hidden_width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., W] to [..., W]."""
        return self.proj(F.gelu(self.fc(x)))  # type: ignore[no-any-return]
