# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a prior in bf16 as CPUs run them fastest.

Matrices are brought into order once, see `packed_linear`. And where a CPU has bf16 but no AMX,
torch's fused attention is hardly faster in bf16 than in fp32, while plain products of matrices are:
there attention is put together from those.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..device import cpu_has_amx
from ..interrupt import Check, ignore
from ..nn import MLP, Block, SelfAttention
from ..packed_linear import PackedLinear, Then, is_available
from .transformer import LatentPrior

_HEADS_AT_ONCE = 2
"""Whose scores lie in the caches together."""


def pack_blocks(
    prior: LatentPrior,
    num_condition_tokens: int,
    *,
    fuses_attention: bool | None = None,
    check: Check = ignore,
) -> LatentPrior:
    """Replace the layers of a prior's blocks by faster ones, in place, and return it.

    Where this torch cannot, the prior stays as it is.

    Args:
        prior: in bf16, on the CPU. It can neither be trained nor moved afterwards.
        num_condition_tokens: T of the conditions that it will be given.
        fuses_attention: whether attention stays torch's own; None decides by the CPU.
        check: called before each block, for whose weights there is room twice.
    """
    if not is_available():
        return prior
    num_rows = 2 * (num_condition_tokens + 1 + prior.spec.num_latent_tokens)
    is_fused = cpu_has_amx() if fuses_attention is None else fuses_attention
    for block in prior.blocks:
        check()
        if not isinstance(block, Block):
            continue
        attn: Any = block.attn
        attn.qkv, attn.out = (_packed(each, num_rows) for each in (attn.qkv, attn.out))
        layers: Any = block
        layers.mlp = PackedMLP(block.mlp, num_rows)
        layers.attn = attn if is_fused else AttentionByProducts(attn)
    return prior


class PackedMLP(nn.Module):
    """`MLP` of two packed layers."""

    def __init__(self, mlp: MLP, num_rows: int) -> None:
        super().__init__()
        self.fc = _packed(mlp.fc, num_rows, then="gelu")
        self.proj = _packed(mlp.proj, num_rows)

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., W] to [..., W]."""
        mapped: Tensor = self.proj(self.fc(x))
        return mapped


class AttentionByProducts(nn.Module):
    """`SelfAttention`, some heads at a time, as two products of matrices and a softmax."""

    def __init__(self, attention: SelfAttention) -> None:
        super().__init__()
        self.num_heads = attention.num_heads
        self.qkv, self.out = attention.qkv, attention.out

    def forward(self, x: Tensor) -> Tensor:
        """Map tokens [B, T, W] to tokens [B, T, W]."""
        batch, num_tokens, width = x.shape
        head_width = width // self.num_heads
        qkv = self.qkv(x).view(batch, num_tokens, 3, self.num_heads, head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each [B, heads, T, W / heads]
        q, k, v = (q * head_width**-0.5).contiguous(), k.contiguous(), v.contiguous()
        attended, at_once = torch.empty_like(v), min(_HEADS_AT_ONCE, self.num_heads)
        # In memory that the caches still hold.
        scores, shares = x.new_empty(2, at_once, num_tokens, num_tokens)
        for item in range(batch):
            for start in range(0, self.num_heads, at_once):
                heads = slice(start, min(start + at_once, self.num_heads))
                some = slice(heads.stop - start)
                torch.bmm(q[item, heads], k[item, heads].transpose(1, 2), out=scores[some])
                torch.softmax(scores[some], dim=-1, out=shares[some])
                torch.bmm(shares[some], v[item, heads], out=attended[item, heads])
        mapped: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return mapped


def _packed(linear: nn.Linear, num_rows: int, *, then: Then = "none") -> PackedLinear:
    return PackedLinear(linear.weight, linear.bias, num_rows, then=then)
