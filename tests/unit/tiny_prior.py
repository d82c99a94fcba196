# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior in a basis that is small enough for closed forms."""

from __future__ import annotations

from dataclasses import replace

import torch
from maquette.core.prior.basis import LatentBasis
from maquette.core.specs import PRIORS

SPEC = replace(
    PRIORS["starter"],
    num_latents=6,
    channels=4,
    width=16,
    num_layers=1,
    num_heads=2,
    condition_width=8,
    basis_size=8,
    num_tokens=4,
    num_pooled=2,
)


def tiny_basis() -> LatentBasis:
    """Return a basis of eight coefficients, whose spreads differ."""
    basis = LatentBasis(6, 4, 8)
    torch.manual_seed(0)
    basis.rows.copy_(torch.linalg.qr(torch.randn(24, 8)).Q.T)
    basis.mean.copy_(torch.randn(24))
    basis.spread.copy_(torch.linspace(3, 0.5, 8))
    return basis
