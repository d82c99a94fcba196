# SPDX-License-Identifier: GPL-3.0-or-later
"""The leading points of a cloud as tokens: convolutions over what lies around each.

After PointNet++ (arXiv:1706.02413), as Shap-E's encoder has it: the members of a neighbourhood are
shuffled per channel before each convolution, in evaluation too, so the draws belong to the result.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..interrupt import Check, ignore
from ..specs import EncoderSpec

Draw = Callable[[tuple[int, ...]], Tensor]
"""Returns uniform numbers in [0, 1) of a shape; injected so that an encoding can be repeated."""

_CENTERS_AT_ONCE = 64
"""Bounds the memory, and the time between two looks whether to stop."""


class NeighborhoodTokens(nn.Module):
    """One token for each of the first points of a cloud."""

    def __init__(self, spec: EncoderSpec) -> None:
        super().__init__()
        self.spec = spec
        widths = (3 + spec.width, *spec.conv_widths)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, (spec.conv_size, 1), (spec.conv_stride, 1))
            for before, after in pairwise(widths)
        )

    def forward(
        self, points: Tensor, features: Tensor, draw: Draw, check: Check = ignore
    ) -> Tensor:
        """Return tokens, [B, num_centers, W].

        Args:
            points: positions, the farthest from one another first, [B, N, 3].
            features: of all points, [B, N, W].
            draw: called once per convolution, [B, channels, members, 1].
            check: called between groups of centres.
        """
        orders = self._orders(len(points), draw)
        tokens = []
        for start in range(0, self.spec.num_centers, _CENTERS_AT_ONCE):
            check()
            stop = min(start + _CENTERS_AT_ONCE, self.spec.num_centers)
            centers = points[:, start:stop]
            members = ball_members(centers, points, self.spec.radius, self.spec.num_neighbors)
            offsets = _gather(points, members) - centers[:, :, None]
            grouped = torch.cat([offsets.to(features.dtype), _gather(features, members)], dim=-1)
            tokens.append(self._convolve(grouped.permute(0, 3, 2, 1), orders))
        return torch.cat(tokens, dim=1)

    def _orders(self, batch: int, draw: Draw) -> list[Tensor]:
        """Return the order of members before each convolution, [B, channels, members, 1]."""
        members, orders = self.spec.num_neighbors, []
        for conv in self.convs:
            assert isinstance(conv, nn.Conv2d)
            orders.append(draw((batch, conv.in_channels, members, 1)).argsort(dim=2))
            # Circular padding by half the kernel on both sides.
            padded = members + 2 * (self.spec.conv_size // 2)
            members = (padded - self.spec.conv_size) // self.spec.conv_stride + 1
        return orders

    def _convolve(self, grouped: Tensor, orders: list[Tensor]) -> Tensor:
        """Map [B, channels, members, S] to tokens [B, S, W]."""
        half = self.spec.conv_size // 2
        for conv, order in zip(self.convs, orders, strict=True):
            grouped = grouped.gather(2, order.to(grouped.device).expand_as(grouped))
            grouped = F.silu(conv(F.pad(grouped, (0, 0, half, half), mode="circular")))
        return grouped.mean(dim=2).transpose(1, 2)


def ball_members(centers: Tensor, points: Tensor, radius: float, count: int) -> Tensor:
    """Return the first points around each centre in the cloud's order, [B, S, count].

    Where fewer are near, the first one stands in for the rest. A centre that is itself a point is
    never alone.

    Args:
        centers: [B, S, 3].
        points: [B, N, 3].
        radius: how far a member may lie.
        count: how many, at most N.
    """
    num_points = points.shape[1]
    # The published formula, expanded: another one would round points at the rim to its other side.
    # In half precision, which training may ask for, it would be wrong by more than the radius.
    with torch.autocast(points.device.type, enabled=False):
        squared = -2 * centers @ points.transpose(1, 2)
    squared += centers.square().sum(-1)[:, :, None]
    squared += points.square().sum(-1)[:, None]
    order = torch.arange(num_points, device=points.device)
    order = torch.where(squared > radius**2, num_points, order)
    first = order.topk(count, dim=-1, largest=False, sorted=True).values
    return torch.where(first == num_points, first[..., :1], first)


def _gather(values: Tensor, indices: Tensor) -> Tensor:
    """Return values [B, N, W] at indices [B, S, M], [B, S, M, W]."""
    rows = torch.arange(len(values), device=values.device)[:, None, None]
    return values[rows, indices]
