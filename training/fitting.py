# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents fitted to the points that the encoder read, as a run's settings have it.

The steps are core's, which takes them for every mesh that is encoded; here they are taken for a
whole data set, in half precision.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core import fitting
from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.specs import FitSpec
from .config import FitConfig
from .shapes.colours import COLOURS


def fit_coefficients(
    decoder: Decoder,
    basis: LatentBasis,
    coefficients: Tensor,
    cloud: tuple[Tensor, Tensor],
    config: FitConfig,
    generator: torch.Generator,
) -> Tensor:
    """Return coefficients [B, K] that decode to the surface points more closely.

    Arguments are those of `core.fitting.fit_coefficients`.
    """
    # Its cache would keep the latents as they were before the first step, for all of them.
    with torch.autocast(coefficients.device.type, torch.bfloat16, cache_enabled=False):
        return fitting.fit_coefficients(
            decoder, basis, coefficients, cloud, fit_spec(config), generator
        )


def fit_spec(config: FitConfig) -> FitSpec:
    """Return the settings as a pack describes them, with the colors of the generated shapes."""
    return FitSpec(
        num_steps=config.num_steps,
        num_points=config.num_points,
        learning_rate=config.learning_rate,
        color_weight=config.color_weight,
        rare_color_power=config.rare_color_power,
        palette=tuple((r, g, b) for r, g, b in (each.srgb for each in COLOURS.values())),
    )
