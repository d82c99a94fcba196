# SPDX-License-Identifier: GPL-3.0-or-later
"""Linear layers in bf16 whose matrices oneDNN has brought into its own order beforehand.

Left to itself it does so in every product. What follows a product, such as SiLU, it computes before
it rounds.
"""

from __future__ import annotations

import platform
from typing import Literal

import torch
from torch import Tensor, nn

from .device import choose_dtype

_TRIED = ("x86_64", "amd64")
"""On ARM oneDNN leaves the work to another library."""

Then = Literal["none", "gelu", "swish"]
"""What follows a product; swish is SiLU."""


def is_available() -> bool:
    """Return whether this CPU is fast at bf16, and torch has its own compiler's way to use it."""
    is_fast = choose_dtype(torch.device("cpu"), "auto") == torch.bfloat16
    needed = ("_reorder_linear_weight", "_linear_pointwise")
    has_all = all(hasattr(torch.ops.mkldnn, name) for name in needed)
    return is_fast and has_all and platform.machine().lower() in _TRIED


class PackedLinear(nn.Module):
    """A linear layer; it can neither be trained nor moved."""

    def __init__(self, weight: Tensor, bias: Tensor, num_rows: int, *, then: Then = "none") -> None:
        """Bring a matrix into order.

        Args:
            weight: bf16, on the CPU, [outputs, inputs].
            bias: bf16, [outputs].
            num_rows: of what it is mostly applied to, which the order depends on.
            then: what follows.
        """
        super().__init__()
        self._then = then
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), num_rows)
        self._bias = bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., inputs] to [..., outputs], bf16."""
        mapped: Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._weight, self._bias, self._then, [], "none"
        )
        return mapped
