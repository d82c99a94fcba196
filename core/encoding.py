# SPDX-License-Identifier: GPL-3.0-or-later
"""Positional encoding of NeRF as Shap-E has it: powers of two without pi, scale-major."""

from __future__ import annotations

import math
from functools import cache

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
    if x.device.type == "cpu" and not torch.is_grad_enabled():
        return _encode_in_few_passes(x, num_frequencies)
    scales = 2.0 ** torch.arange(num_frequencies, device=x.device, dtype=torch.float32)
    scaled = (x[..., None, :] * scales[:, None]).flatten(-2)  # [..., D * octaves]
    return torch.cat([x, scaled.sin(), (scaled + math.pi / 2).sin()], dim=-1)


def _encode_in_few_passes(x: Tensor, num_frequencies: int) -> Tensor:
    """Do the same in half the time, to the same bit."""
    phases, scales = _angles(num_frequencies, x.shape[-1])
    flat = x.reshape(-1, x.shape[-1])
    # A product with a power of two is exact, and so is a sum with zeros: what rounds is what is
    # rounded above, the sum with the phase.
    encoded = torch.cat([flat, torch.addmm(phases, flat, scales).sin_()], dim=1)
    return encoded.view(*x.shape[:-1], encoded.shape[-1])


@cache
def _angles(num_frequencies: int, dimensions: int) -> tuple[Tensor, Tensor]:
    """Return the phase of each angle, [A], and what makes angles of coordinates, [D, A]."""
    octaves = 2.0 ** torch.arange(num_frequencies, dtype=torch.float32)
    scales = torch.kron(octaves[None], torch.eye(dimensions))  # [D, D * octaves]
    phases = torch.zeros(2, scales.shape[1])
    phases[1] = math.pi / 2
    return phases.flatten(), torch.cat([scales, scales], dim=1)
