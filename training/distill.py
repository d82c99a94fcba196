# SPDX-License-Identifier: GPL-3.0-or-later
"""STF distillation (arXiv:2305.02463, section 4): signed distance and texture by regression.

The paper's targets come from another model's distances of the point cloud and from its nearest
point. Here distances are exact where the mesh is closed; else the nearest point tells how far, and
the views or the NeRF's density on which side.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.decoder.nerf import RadianceField
from ..core.decoder.stf import Decoder
from .source import StfTargets
from .stage1_config import DistillConfig


def distill_loss(
    decoder: Decoder, weights: list[Tensor], targets: StfTargets, config: DistillConfig
) -> dict[str, Tensor]:
    """Return the L1 errors `stf_distance` and `stf_color` of B shapes at their points.

    Args:
        decoder: with the heads of an STF.
        weights: generated matrices, each [B, rows, columns].
        targets: signed distances, positive inside, and base colours.
        config: scale and reach.
    """
    points = targets.queries.points
    raw = decoder.mlp(points, weights)
    predicted = decoder.mlp.split(raw, "signed_distance").float().tanh()[..., 0]  # [B, P]
    color = decoder.mlp.split(raw, "stf_color").float().sigmoid()
    distance = targets.queries.distance
    if config.sign == "density" and not bool(targets.is_known.all()):
        distance = _signed_by_density(decoder, weights, targets, config)
    target = (distance / config.distance_scale).tanh()
    visible = (distance.abs() < config.color_distance).float()
    error = (color - targets.queries.colors).abs().mean(-1)
    return {
        "stf_distance": (predicted - target).abs().mean(),
        "stf_color": (error * visible).sum() / visible.sum().clamp(min=1),
    }


@torch.no_grad()
def _signed_by_density(
    decoder: Decoder, weights: list[Tensor], targets: StfTargets, config: DistillConfig
) -> Tensor:
    """Return distances whose signs, where they are not known, follow the NeRF, [B, P]."""
    points = targets.queries.points
    density, _ = RadianceField(decoder.mlp, weights).evaluate(points.flatten(0, 1), "fine")
    is_inside = density.view(points.shape[:2]) > config.inside_density
    magnitude = targets.queries.distance.abs()
    signed = torch.where(is_inside, magnitude, -magnitude)
    return torch.where(targets.is_known[:, None], targets.queries.distance, signed)
