# SPDX-License-Identifier: GPL-3.0-or-later
"""The image tower of a small CLIP; tensors are named as those of open_clip's `ModifiedResNet`.

A residual network with a stem of three convolutions, mean pooling before strides and attention
instead of the last pooling (arXiv:2103.00020, section 2.4).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import SmallClipSpec

EXPANSION = 4
"""Channels that a block puts out for each that it computes with."""


class ImageTower(nn.Module):
    """Pictures to embeddings; the grid of features has a 32nd of the picture's side."""

    def __init__(self, spec: SmallClipSpec) -> None:
        super().__init__()
        width = spec.image_width
        self.conv1 = nn.Conv2d(3, width // 2, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width // 2)
        self.conv2 = nn.Conv2d(width // 2, width // 2, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width // 2)
        self.conv3 = nn.Conv2d(width // 2, width, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(width)
        one, two, three, four = spec.image_blocks
        self.layer1 = _stage(width, width, one, stride=1)
        self.layer2 = _stage(width * EXPANSION, 2 * width, two, stride=2)
        self.layer3 = _stage(2 * width * EXPANSION, 4 * width, three, stride=2)
        self.layer4 = _stage(4 * width * EXPANSION, 8 * width, four, stride=2)
        self.attnpool = _AttentionPool(
            spec.image_size // 32, 8 * width * EXPANSION, spec.image_heads, spec.embedding_width
        )

    def forward(self, pixels: Tensor) -> Tensor:
        """Return embeddings of normalised pictures [B, 3, P, P], [B, S * E]."""
        h = F.relu(self.bn1(self.conv1(pixels)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = F.relu(self.bn3(self.conv3(h)))
        h = F.avg_pool2d(h, 2)
        h = self.layer4(self.layer3(self.layer2(self.layer1(h))))
        return self.attnpool(h)  # type: ignore[no-any-return]


def _stage(num_inputs: int, width: int, num_blocks: int, stride: int) -> nn.Sequential:
    blocks = [_Bottleneck(num_inputs, width, stride)]
    blocks += [_Bottleneck(width * EXPANSION, width, 1) for _ in range(num_blocks - 1)]
    return nn.Sequential(*blocks)


class _Bottleneck(nn.Module):
    def __init__(self, num_inputs: int, width: int, stride: int) -> None:
        super().__init__()
        num_outputs = width * EXPANSION
        self.stride = stride
        self.conv1 = nn.Conv2d(num_inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, num_outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(num_outputs)
        nn.init.zeros_(self.bn3.weight)  # A block begins as what passes it by.
        self.downsample: nn.Sequential | None = None
        if stride > 1 or num_inputs != num_outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(num_inputs, num_outputs, 1, bias=False), nn.BatchNorm2d(num_outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(_pool(h, self.stride)))
        if self.downsample is not None:
            x = self.downsample(_pool(x, self.stride))
        return F.relu(h + x)


def _pool(x: Tensor, stride: int) -> Tensor:
    return F.avg_pool2d(x, stride) if stride > 1 else x


class _AttentionPool(nn.Module):
    """The mean of all places asks all places, and itself."""

    def __init__(self, side: int, width: int, num_heads: int, num_outputs: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.positional_embedding = nn.Parameter(torch.randn(side**2 + 1, width) / width**0.5)
        self.k_proj = nn.Linear(width, width)
        self.q_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.c_proj = nn.Linear(width, num_outputs)
        for linear in (self.k_proj, self.q_proj, self.v_proj, self.c_proj):
            nn.init.normal_(linear.weight, std=width**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        places = x.flatten(2).transpose(1, 2)  # [B, P, W]
        places = torch.cat([places.mean(1, keepdim=True), places], dim=1)
        places = places + self.positional_embedding
        heads: Any = (self.num_heads, -1)
        q = self.q_proj(places[:, :1]).unflatten(2, heads).transpose(1, 2)
        k = self.k_proj(places).unflatten(2, heads).transpose(1, 2)
        v = self.v_proj(places).unflatten(2, heads).transpose(1, 2)
        attended = F.scaled_dot_product_attention(q, k, v)  # [B, heads, 1, W / heads]
        return self.c_proj(attended.flatten(1))  # type: ignore[no-any-return]
