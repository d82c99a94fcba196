# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of a prior in bf16 as CPUs run them fastest.

At every product oneDNN turns the matrix of weights into blocks that suit the CPU; here that is done
once. And where a CPU has bf16 but no AMX, torch's fused attention is hardly faster in bf16 than in
fp32, while plain products of matrices are: there attention is put together from those.
"""

from __future__ import annotations

import platform
from typing import Any

import torch
from torch import Tensor, nn

from ..device import choose_dtype, cpu_has_amx
from ..interrupt import Check, ignore
from ..nn import MLP, Block, SelfAttention
from .transformer import LatentPrior

_TRIED = ("x86_64", "amd64")
"""On ARM oneDNN leaves the work to another library."""
_HEADS_AT_ONCE = 4
"""Whose scores lie in the cache together."""


def is_available() -> bool:
    """Return whether this CPU is fast at bf16, and torch has its own compiler's way to use it."""
    is_fast = choose_dtype(torch.device("cpu"), "auto") == torch.bfloat16
    needed = ("_reorder_linear_weight", "_linear_pointwise")
    has_all = all(hasattr(torch.ops.mkldnn, name) for name in needed)
    return is_fast and has_all and platform.machine().lower() in _TRIED


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
        attn.qkv, attn.out = (PackedLinear(each, num_rows) for each in (attn.qkv, attn.out))
        layers: Any = block
        layers.mlp = PackedMLP(block.mlp, num_rows)
        layers.attn = attn if is_fused else AttentionByProducts(attn)
    return prior


class PackedLinear(nn.Module):
    """A linear layer in bf16 whose matrix oneDNN has turned round already."""

    def __init__(self, linear: nn.Linear, num_rows: int, *, then: str = "none") -> None:
        """Take over a layer.

        Args:
            linear: in bf16, on the CPU.
            num_rows: of what it is mostly applied to, which the order depends on.
            then: what follows each product before it is rounded: "none", or "gelu".
        """
        super().__init__()
        self._then = then
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), num_rows)
        self._bias = linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., outputs], bf16."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, self._then, [], "none"
        )
        return mapped


class PackedMLP(nn.Module):
    """`MLP` of two packed layers."""

    def __init__(self, mlp: MLP, num_rows: int) -> None:
        super().__init__()
        self.fc = PackedLinear(mlp.fc, num_rows, then="gelu")
        self.proj = PackedLinear(mlp.proj, num_rows)

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
        q = q * head_width**-0.5
        attended = x.new_empty(batch, num_tokens, self.num_heads, head_width)
        for item in range(batch):
            for start in range(0, self.num_heads, _HEADS_AT_ONCE):
                heads = slice(start, start + _HEADS_AT_ONCE)
                shares = torch.bmm(q[item, heads], k[item, heads].transpose(1, 2)).softmax(dim=-1)
                attended[item, :, heads] = torch.bmm(shares, v[item, heads]).transpose(0, 1)
        mapped: Tensor = self.out(attended.flatten(2))
        return mapped
