# SPDX-License-Identifier: GPL-3.0-or-later
"""Positional encoding of NeRF as Shap-E has it: powers of two without pi, scale-major."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def encode_position(x: Tensor, num_frequencies: int) -> Tensor:
    """Return [x, sin(2^k x), sin(2^k x + pi/2)] for k = 0 .. num_frequencies - 1.

    Always computed in fp32: at 2^14 half precision would be wrong by whole turns.

    Args:
        x: positions, directions or colours, [..., D], D mostly 3.
        num_frequencies: octaves.

    Returns:
        The encoding, all sines first, octave outermost, fp32, [..., D * (1 + 2 * octaves)].
    """
    x = x.float()
    scales = 2.0 ** torch.arange(num_frequencies, device=x.device, dtype=torch.float32)
    scaled = (x[..., None, :] * scales[:, None]).flatten(-2)  # [..., D * octaves]
    return torch.cat([x, scaled.sin(), (scaled + math.pi / 2).sin()], dim=-1)
