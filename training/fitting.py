# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents fitted to the points that the encoder read, as a run's settings have it.

The steps in a basis are core's, which takes them for every mesh that is encoded; here they are
taken for a whole data set, in half precision. Where distances are known, latents are fitted to them
as well, as a decoder without an encoder learns them (Park et al., 2019, arXiv:1901.05103).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core import fitting
from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.specs import FitSpec
from .config import FieldLossConfig, FitConfig
from .dataset import Queries, ShapeDataset
from .field_loss import field_loss
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


def fit_latents(
    decoder: Decoder,
    latents: Tensor,
    data: ShapeDataset,
    indices: Tensor,
    config: FitConfig,
    loss: FieldLossConfig,
    generator: torch.Generator,
) -> Tensor:
    """Return latents [B, L, C] that decode to surface points and known distances more closely.

    Args:
        decoder: its parameters need no gradient.
        latents: where to start.
        data: shapes.
        indices: which of them the latents are of, [B].
        config: how far to go.
        loss: of the field, but for what `config` says of colours.
        generator: on the CPU; chooses the points of each step.
    """
    device = latents.device
    loss = replace(loss, color_weight=config.color_weight, rare_color_power=config.rare_color_power)

    def loss_of(fitted: Tensor) -> Tensor:
        queries = _known_points(data, indices, config, generator).to(device)
        with torch.autocast(device.type, torch.bfloat16, cache_enabled=False):
            return field_loss(decoder, fitted, queries, loss)["loss"]

    return fitting.descend(latents, config.num_steps, config.learning_rate, loss_of)


def _known_points(
    data: ShapeDataset, indices: Tensor, config: FitConfig, generator: torch.Generator
) -> Queries:
    points, colors = data.cloud(indices, config.num_points, generator)
    others = data.queries(indices, config.num_queries, generator)
    return Queries(
        torch.cat([points, others.points], dim=1),
        torch.cat([torch.zeros_like(points[..., 0]), others.distance], dim=1),
        torch.cat([colors, others.colors], dim=1),
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
        num_queries=config.num_queries,
    )
