# SPDX-License-Identifier: GPL-3.0-or-later
"""The small encoder of native packs: a coloured point cloud to a latent.

A Perceiver, as the published encoder, but over few tokens that each emit several latent
vectors: that keeps the latent's layout and cuts the cost (see training/README.md).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..encoding import encode_position
from ..nn import MLP, Block
from ..specs import CloudEncoderSpec


class CloudEncoder(nn.Module):
    """Maps coloured surface points to a latent in (-1, 1)."""

    def __init__(self, spec: CloudEncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        width = spec.width
        self.point_in = nn.Linear(3 + 6 * spec.frequencies + 3, width)
        self.point_mlp = MLP(width, 2 * width)
        self.queries = nn.Parameter(torch.randn(spec.num_tokens, width) * 0.5)
        self.reads = nn.ModuleList(CrossAttention(width, spec.num_heads) for _ in range(2))
        self.blocks = nn.ModuleList(Block(width, spec.num_heads) for _ in range(spec.num_layers))
        self.norm_out = nn.LayerNorm(width)
        self.out = nn.Linear(width, spec.num_latents * spec.channels // spec.num_tokens)

    def forward(self, points: Tensor, colors: Tensor) -> Tensor:
        """Encode surface points [B, N, 3] with sRGB colors [B, N, 3] to latents [B, L, C].

        The order of the points does not matter.
        """
        encoded = encode_position(points, self.spec.frequencies)
        h = self.point_in(torch.cat([encoded, colors * 2 - 1], dim=-1))
        h = h + self.point_mlp(F.layer_norm(h, h.shape[-1:]))
        tokens = self.queries.expand(len(points), -1, -1)
        half = len(self.blocks) // 2
        for i, block in enumerate(self.blocks):
            if i in (0, half):
                tokens = self.reads[0 if i == 0 else 1](tokens, h)
            tokens = block(tokens)
        out = self.out(self.norm_out(tokens)).float()
        latent: Tensor = out.reshape(len(points), self.spec.num_latents, self.spec.channels).tanh()
        return latent


class CrossAttention(nn.Module):
    """Tokens read from points."""

    def __init__(self, width: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm_tokens = nn.LayerNorm(width)
        self.norm_points = nn.LayerNorm(width)
        self.q = nn.Linear(width, width)
        self.kv = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor, points: Tensor) -> Tensor:
        """Return tokens [B, T, W] updated from points [B, N, W]."""
        q = self.q(self.norm_tokens(tokens)).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
        kv = self.kv(self.norm_points(points)).unflatten(-1, (2, self.num_heads, -1))
        k, v = kv.permute(2, 0, 3, 1, 4)  # each [B, heads, N, W / heads]
        read = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return tokens + self.out(read)  # type: ignore[no-any-return]
