# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct supervision of the decoded field by known distances and colours.

This is the shortcut that procedural shapes allow; the paper (arXiv:2305.02463, section 4.1)
learns through rendered views because its assets have no distances.
"""

from __future__ import annotations

from torch import Tensor

from ..core.decoder.stf import Decoder
from .config import FieldLossConfig
from .dataset import Queries


def field_loss(
    decoder: Decoder, latent: Tensor, queries: Queries, config: FieldLossConfig
) -> dict[str, Tensor]:
    """Return `loss`, `distance` and `color` of latents [B, L, C] at their query points."""
    raw = decoder.mlp(queries.points, decoder.weights(latent))
    predicted = decoder.mlp.split(raw, "signed_distance").float().tanh()[..., 0]  # [B, P]
    color = decoder.mlp.split(raw, "stf_color").float().sigmoid()
    magnitude = queries.distance.abs()
    target = (queries.distance / config.distance_scale).tanh()
    near = 1 + 2 * (magnitude < config.near_distance)
    distance_error = ((predicted - target).abs() * near).mean()
    visible = (magnitude < config.color_distance).float()
    squared = ((color - queries.colors) ** 2).mean(-1)
    color_error = (squared * visible).sum() / visible.sum().clamp(min=1)
    return {
        "loss": distance_error + config.color_weight * color_error,
        "distance": distance_error,
        "color": color_error,
    }
