# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder of stage 1 as a run's settings have it; the network is core's."""

from __future__ import annotations

from ..core.encoder.cloud import CloudEncoder
from ..core.specs import CloudEncoderSpec, DecoderSpec
from .config import EncoderConfig
from .shapes.builder import HALF_EXTENT


class PointEncoder(CloudEncoder):
    """Maps coloured surface points to a latent in (-1, 1)."""

    def __init__(self, config: EncoderConfig, spec: DecoderSpec) -> None:
        super().__init__(cloud_encoder_spec(config, spec))


def cloud_encoder_spec(
    config: EncoderConfig, spec: DecoderSpec, *, num_points: int | None = None
) -> CloudEncoderSpec:
    """Return the architecture as a pack describes it.

    Args:
        config: of the run.
        spec: of the decoder that the latents are for.
        num_points: what the finished encoder reads; None for what it reads in training.
    """
    return CloudEncoderSpec(
        num_latents=spec.num_latents,
        channels=spec.channels,
        width=config.width,
        num_layers=config.num_layers,
        num_heads=config.num_heads,
        num_tokens=config.num_tokens,
        num_points=num_points or config.num_points,
        half_extent=HALF_EXTENT,
    )
