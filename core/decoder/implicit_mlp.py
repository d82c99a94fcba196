# SPDX-License-Identifier: GPL-3.0-or-later
"""The implicit function of Shap-E: an MLP over positions whose first layers are generated.

A small field may have two of them, one for the distance and one for the color.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import DecoderSpec, Head
from .encoding import encode_position


class ImplicitMLP(nn.Module):
    """An MLP whose first weight matrices are given per shape, not learned.

    Only the biases and the later layers are parameters of this module: they are shared by all
    shapes. One row of a generated matrix comes from one latent vector.
    """

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.generated_biases = nn.ParameterList(
            nn.Parameter(torch.zeros(spec.hidden_width)) for _ in range(spec.num_generated)
        )
        widths = [spec.input_width(i) for i in range(spec.num_generated, spec.num_hidden)]
        self.shared = nn.ModuleList(nn.Linear(width, spec.hidden_width) for width in widths)
        self.output = nn.Linear(spec.hidden_width, sum(width for _, width in spec.heads))

    def forward(
        self, points: Tensor, weights: Sequence[Tensor], directions: Tensor | None = None
    ) -> Tensor:
        """Evaluate the field of each shape at its own points.

        Args:
            points: positions in [-1, 1]^3, [B, P, 3].
            weights: one matrix per generated layer, [B, H, E] then [B, H, H].
            directions: unit view directions, [B, P, 3]; None means none are known.

        Returns:
            Raw channels before the heads' activations, in the order of `spec.heads`, [B, P, C].
        """
        if len(weights) != self.spec.num_generated:
            raise ValueError(f"expected {self.spec.num_generated} weights, got {len(weights)}")
        dtype = self.output.weight.dtype
        h = encode_position(points, self.spec.position_frequencies).to(dtype)
        # Where nothing is learned, what a layer gives need not be kept beside its activation.
        in_place = not torch.is_grad_enabled()
        for weight, bias in zip(weights, self.generated_biases, strict=True):
            h = F.silu(_generated_layer(h, weight.to(dtype), bias), inplace=in_place)
        for i, layer in enumerate(self.shared, start=self.spec.num_generated):
            assert isinstance(layer, nn.Linear)
            h = self._shared_layer(layer, h, directions, takes_direction=self._takes(i))
            h = F.silu(h, inplace=in_place)
        return self.output(h)  # type: ignore[no-any-return]

    def split(self, channels: Tensor, head: Head) -> Tensor:
        """Return the raw channels of one head, [..., width]."""
        return _split(self.spec, channels, head)

    def only(self, head: Head, points: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Return the raw channels of one head, [B, P, width], at the cost of all."""
        return self.split(self(points, weights), head)

    def _takes(self, layer: int) -> bool:
        return layer == self.spec.direction_layer

    def _shared_layer(
        self, layer: nn.Linear, h: Tensor, directions: Tensor | None, *, takes_direction: bool
    ) -> Tensor:
        if not takes_direction:
            return layer(h)  # type: ignore[no-any-return]
        if directions is None:
            # An unknown direction is encoded as zeros, so its columns need not be read.
            return F.linear(h, layer.weight[:, : self.spec.hidden_width], layer.bias)
        encoded = encode_position(directions, self.spec.direction_frequencies).to(h.dtype)
        return layer(torch.cat([h, encoded], dim=-1))  # type: ignore[no-any-return]


class SplitMLP(nn.Module):
    """Two implicit functions side by side, of the distance and of the color.

    What colors a shape has then says nothing about its surface, and either is evaluated without
    the other.
    """

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        distance, color = spec.networks
        self.distance = ImplicitMLP(distance)
        self.color = ImplicitMLP(color)

    @property
    def output(self) -> nn.Linear:
        """A layer that is where all are, in the type of all."""
        return self.color.output

    def forward(
        self, points: Tensor, weights: Sequence[Tensor], directions: Tensor | None = None
    ) -> Tensor:
        """Evaluate both; as `ImplicitMLP` does, with the matrices of the distance first."""
        distance, color = self.parted(weights)
        return torch.cat(
            [self.distance(points, distance, directions), self.color(points, color, directions)],
            dim=-1,
        )

    def split(self, channels: Tensor, head: Head) -> Tensor:
        """Return the raw channels of one head, [..., width]."""
        return _split(self.spec, channels, head)

    def only(self, head: Head, points: Tensor, weights: Sequence[Tensor]) -> Tensor:
        """Return the raw channels of one head, [B, P, width], without computing the other."""
        distance, color = self.parted(weights)
        if head == self.spec.heads[0][0]:
            return self.distance.only(head, points, distance)
        return self.color.only(head, points, color)

    def parted(self, weights: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
        """Return the matrices of the distance, and those of the color."""
        count = self.spec.num_generated
        return weights[:count], weights[count:]


def implicit_function(spec: DecoderSpec) -> ImplicitMLP | SplitMLP:
    """Return the network or networks of a field, all zeros and random layers."""
    return SplitMLP(spec) if spec.color_width else ImplicitMLP(spec)


def _split(spec: DecoderSpec, channels: Tensor, head: Head) -> Tensor:
    start = 0
    for name, width in spec.heads:
        if name == head:
            return channels[..., start : start + width]
        start += width
    raise ValueError(f"this field has no head {head!r}")


def _generated_layer(h: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Return h [B, P, E] through the matrices of each shape [B, H, E], [B, P, H]."""
    if len(weight) == 1:
        # In half precision on a CPU a third faster than the product of a batch of one.
        return F.linear(h, weight[0], bias)
    return torch.baddbmm(bias.view(1, 1, -1), h, weight.transpose(1, 2))
