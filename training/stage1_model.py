# SPDX-License-Identifier: GPL-3.0-or-later
"""Encoder and decoder of stage 1 in either size, and where their weights begin."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ..core.decoder.stf import Decoder
from ..core.encoder.bottleneck import noise_latent, training_timesteps
from ..core.encoder.patches import ViewTensors
from ..core.encoder.perceiver import AssetEncoder
from ..core.specs import EncoderSpec
from .encoder import PointEncoder
from .initialise import initialise_decoder
from .source import Inputs
from .stage1_config import Stage1Config

_FOG = 0.5
"""Density that a field begins with: below zero it would have no slope."""
_PUBLISHED_SCALE = 0.25
"""`init_scale` of OpenAI's encoder: spread of a weight times the square root of its inputs."""


class ViewsAutoEncoder(nn.Module):
    """From points, and views where the encoder reads them, to a field with the heads of both."""

    def __init__(self, config: Stage1Config) -> None:
        super().__init__()
        self.config = config
        decoder = config.decoder
        self.encoder: AssetEncoder | PointEncoder
        if isinstance(config.encoder, EncoderSpec):
            self.encoder = AssetEncoder(config.encoder)
            initialise_encoder(self.encoder)
        else:
            self.encoder = PointEncoder(config.encoder, decoder)
        self.decoder = Decoder(decoder)
        initialise_decoder(self.decoder)
        initialise_densities(self.decoder)

    def encode(self, inputs: Inputs, generator: torch.Generator) -> Tensor:
        """Return latents in (-1, 1), fp32, [B, L, C].

        The large encoder goes asset by asset and keeps nothing inside for its gradients, which
        it computes a second time: the views of one asset alone are gigabytes.

        Args:
            inputs: on the device of the weights.
            generator: on the CPU; the large encoder shuffles neighbourhoods.
        """
        if isinstance(self.encoder, PointEncoder):
            points = inputs.points
            return self.encoder(points[..., :3], points[..., 3:])  # type: ignore[no-any-return]
        latents = []
        for points, views in zip(inputs.points, inputs.views, strict=True):
            seed = int(torch.randint(2**62, (), generator=generator))
            # Seeded inside, so that the second computation shuffles as the first did.
            latents.append(checkpoint(self.encode_one, points, views, seed, use_reentrant=False))
        return torch.stack(latents)

    def encode_one(self, points: Tensor, views: ViewTensors, seed: int) -> Tensor:
        """Return the latent of one asset by the large encoder, keeping all inside, [L, C]."""
        generator = torch.Generator(points.device).manual_seed(seed)

        def draw(shape: tuple[int, ...]) -> Tensor:
            return torch.rand(shape, generator=generator, device=points.device)

        return self.encoder(points, views, draw)  # type: ignore[no-any-return]

    def noisy(self, latent: Tensor, generator: torch.Generator) -> Tensor:
        """Return latents [B, L, C] through the bottleneck of training.

        Args:
            latent: in (-1, 1).
            generator: on the CPU; decides which are noised and how.
        """
        schedule = self.config.encoder
        noise = schedule if isinstance(schedule, EncoderSpec) else self.config.noise
        timestep = training_timesteps(len(latent), generator, noise).to(latent.device)
        numbers = torch.randn(latent.shape, generator=generator).to(latent)
        return noise_latent(latent, timestep, numbers, noise)


def initialise_encoder(encoder: AssetEncoder) -> None:
    """Give tokens that core leaves empty random values, and linear maps the published spread."""
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=_PUBLISHED_SCALE * module.in_features**-0.5)
            nn.init.zeros_(module.bias)
    nn.init.normal_(encoder.output_tokens)
    nn.init.normal_(encoder.views_in.background, std=0.1)
    # Ours: at a quarter of it shapes would begin all but alike.
    nn.init.normal_(encoder.latent_out.weight, std=encoder.spec.width**-0.5)


def initialise_densities(decoder: Decoder) -> None:
    """Let the field of a NeRF begin as a thin fog nearly everywhere, so that all of it learns."""
    start = 0
    for name, width in decoder.spec.heads:
        if name in ("density_coarse", "density_fine"):
            nn.init.constant_(decoder.mlp.output.bias[start : start + width], _FOG)
        start += width
