# SPDX-License-Identifier: GPL-3.0-or-later
"""The implicit function of one shape, with the matrices that are its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, nn

from ..packed_linear import PackedLinear, is_available
from ..specs import Head
from .encoding import encode_position
from .implicit_mlp import ImplicitMLP, SplitMLP
from .pieces import LARGEST


class BoundMLP(Protocol):
    """What is asked of it."""

    def only(self, head: Head, points: Tensor) -> Tensor:
        """Return the raw channels of one head at points [P, 3], [P, width]."""
        ...


def bound(mlp: ImplicitMLP | SplitMLP, weights: Sequence[Tensor]) -> BoundMLP:
    """Return the function of the shape that has these matrices, as it is evaluated fastest.

    Args:
        mlp: what all shapes share.
        weights: what this shape has of its own, each [1, rows, columns].
    """
    weight = mlp.output.weight
    is_half = weight.dtype == torch.bfloat16 and weight.device.type == "cpu"
    if not (is_half and is_available()):
        return _Plain(mlp, weights)
    return _PackedPair(mlp, weights) if isinstance(mlp, SplitMLP) else _Packed(mlp, weights)


class _Plain:
    """As it was trained."""

    def __init__(self, mlp: ImplicitMLP | SplitMLP, weights: Sequence[Tensor]) -> None:
        self._mlp, self._weights = mlp, weights

    def only(self, head: Head, points: Tensor) -> Tensor:
        return self._mlp.only(head, points[None], self._weights)[0]


class _Packed:
    """In bf16 on a CPU, without directions."""

    def __init__(self, mlp: ImplicitMLP, weights: Sequence[Tensor]) -> None:
        spec, width = mlp.spec, mlp.spec.hidden_width
        layers = [
            (weight[0], bias) for weight, bias in zip(weights, mlp.generated_biases, strict=True)
        ]
        for layer in mlp.shared:
            assert isinstance(layer, nn.Linear)
            # An unknown direction is encoded as zeros, so its columns need not be read.
            layers.append((layer.weight[:, :width].contiguous(), layer.bias))
        self._mlp, self._frequencies = mlp, spec.position_frequencies
        self._hidden = [
            PackedLinear(weight, bias, LARGEST, then="swish") for weight, bias in layers
        ]
        self._output = PackedLinear(mlp.output.weight, mlp.output.bias, LARGEST)

    def only(self, head: Head, points: Tensor) -> Tensor:
        h = encode_position(points, self._frequencies).bfloat16()
        for layer in self._hidden:
            h = layer(h)
        return self._mlp.split(self._output(h), head)


class _PackedPair:
    """Of the distance and of the color."""

    def __init__(self, mlp: SplitMLP, weights: Sequence[Tensor]) -> None:
        distance, color = mlp.parted(weights)
        self._head = mlp.spec.heads[0][0]
        self._distance, self._color = _Packed(mlp.distance, distance), _Packed(mlp.color, color)

    def only(self, head: Head, points: Tensor) -> Tensor:
        return (self._distance if head == self._head else self._color).only(head, points)
