# SPDX-License-Identifier: GPL-3.0-or-later
"""Direct supervision of the decoded field by known distances and colours.

This is the shortcut that procedural shapes allow; the paper (arXiv:2305.02463, section 4.1)
learns through rendered views because its assets have no distances.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..core.decoder.stf import Decoder
from .config import FieldLossConfig
from .dataset import Queries
from .shapes.colours import COLOURS

_PALETTE = torch.tensor([colour.srgb for colour in COLOURS.values()])


def field_loss(
    decoder: Decoder,
    latent: Tensor,
    queries: Queries,
    config: FieldLossConfig,
    item_weight: Tensor | None = None,
) -> dict[str, Tensor]:
    """Return `loss`, `distance` and `color` of latents [B, L, C] at their query points.

    `item_weight` [B] says how much each shape counts; without it all count alike.
    """
    raw = decoder.mlp(queries.points, decoder.weights(latent))
    predicted = decoder.mlp.split(raw, "signed_distance").float().tanh()[..., 0]  # [B, P]
    color = decoder.mlp.split(raw, "stf_color").float().sigmoid()
    magnitude = queries.distance.abs()
    target = (queries.distance / config.distance_scale).tanh()
    near = 1 + 2 * (magnitude < config.near_distance)
    visible = (magnitude < config.color_distance).float()
    squared = ((color - queries.colors) ** 2).mean(-1)
    if config.rare_color_power:
        squared = squared * color_rarity(queries.colors, visible, config.rare_color_power)
    distance_error = (predicted - target).abs() * near
    if item_weight is not None:
        distance_error = distance_error * item_weight[:, None]
        squared = squared * item_weight[:, None]
    losses = {
        "distance": distance_error.mean(),
        "color": (squared * visible).sum() / visible.sum().clamp(min=1),
    }
    return {"loss": losses["distance"] + config.color_weight * losses["color"]} | losses


def color_rarity(colors: Tensor, visible: Tensor, power: float) -> Tensor:
    """Return a weight per point that grows with the rarity of its colour on its own shape.

    Colours are told apart by the nearest named one, so that grain and jitter make no difference.

    Args:
        colors: sRGB in [0, 1], [B, P, 3].
        visible: 1 where a point counts, else 0, [B, P].
        power: of the share, see `FieldLossConfig.rare_color_power`.

    Returns:
        Weights with a mean of 1 over the visible points of each shape, [B, P].
    """
    named = torch.cdist(colors, _PALETTE.to(colors).expand(len(colors), -1, -1)).argmin(-1)
    counts = colors.new_zeros(len(colors), len(_PALETTE)).scatter_add_(1, named, visible)
    weight = counts.clamp(min=1).pow(-power).gather(1, named)
    total = (weight * visible).sum(1, keepdim=True).clamp(min=1e-6)
    return weight * visible.sum(1, keepdim=True) / total
