# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run of stage 1 on views is: sizes, and which of its phases train for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ..core.specs import DECODERS, ENCODERS, DecoderSpec, EncoderSpec
from .config import EncoderConfig, FieldLossConfig, StageConfig, read_toml
from .values import ConfigError, Count, NotNegative, Number, Positive, Share, read_section


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Which assets and views are trained on."""

    held_out_views: Number = 0
    """Of each asset, the last ones: never a target, so that they can judge. An encoder that reads
    views reads them all the same, as its fixed input."""
    cache_gib: Positive = 2.0
    """Decoded pictures and points kept in memory."""
    num_shapes: Number = 0
    """Generated shapes to train on where no data set is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatentNoise:
    """The bottleneck, see core/encoder/bottleneck.py; published values."""

    num_timesteps: Count = 1024
    noise_power: Positive = 5.0
    noise_share: Share = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RayLossConfig:
    """Rays of NeRF training, per asset and step."""

    num_rays: Count
    num_views: Count
    """Views that they come from; `num_rays` is spread over them evenly."""
    num_coarse: Count = 64
    num_fine: Count = 128
    covered_share: Share = 0.0
    """Share of the rays through pixels that show the object; the others go anywhere."""
    rays_at_once: Number = 0
    """More rays per asset are rendered in portions and computed again for their gradients, which
    bounds the memory; 0 renders all at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DistillConfig:
    """Regression of signed distance and texture at points."""

    num_points: Count
    """Per asset and step."""
    distance_scale: Positive = 0.1
    """Distances are compared after tanh(d / distance_scale)."""
    color_distance: Positive = 4.0
    """Colours are asked for only this close to the surface; 4 is everywhere, as published."""
    distance_weight: NotNegative = 1.0
    color_weight: NotNegative = 1.0
    sign: Literal["depth", "density"] = "depth"
    """What tells inside from outside where a mesh is open: whether a view sees behind the point,
    or whether the NeRF is denser there than `inside_density`."""
    inside_density: Positive = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureLossConfig:
    """Pictures of the extracted mesh."""

    grid_resolution: Count
    """Nodes per axis of marching cubes."""
    image_size: Count
    """Pixels per side; divides that of the views."""
    num_views: Count
    """Per asset and step."""
    picture_weight: NotNegative = 1.0
    nerf_weight: NotNegative = 1.0
    distill_weight: NotNegative = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage1Config:
    """Everything that decides the weights of stage 1, besides code and data.

    Each phase whose section is there is run, in the order of the fields; it goes on from the
    average of the one before.
    """

    seed: Number
    architecture: str = ""
    """Key of published sizes in core/specs.py; else `decoder_size` and an encoder's section."""
    decoder_size: DecoderSpec | None = None
    points_encoder: EncoderConfig | None = None
    """The small encoder: points alone."""
    views_encoder: EncoderSpec | None = None
    """The paper's: points and views."""
    source: SourceConfig = SourceConfig()
    noise: LatentNoise = LatentNoise()
    rays: RayLossConfig
    distill_loss: DistillConfig
    picture_loss: PictureLossConfig
    field_loss: FieldLossConfig | None = None
    field: StageConfig | None = None
    """The shortcut: known distances alone, no views."""
    nerf: StageConfig | None = None
    distill: StageConfig | None = None
    finetune: StageConfig | None = None

    @property
    def decoder(self) -> DecoderSpec:
        """Sizes of the decoder; it has the heads of a NeRF and of an STF."""
        published = DECODERS["shap-e"]
        if self.decoder_size is None:
            return published
        return replace(self.decoder_size, heads=published.heads)

    @property
    def encoder(self) -> EncoderConfig | EncoderSpec:
        """Sizes of the encoder, whichever is asked for."""
        return self.points_encoder or self.views_encoder or ENCODERS["shap-e"]


def load_stage1_config(path: Path) -> Stage1Config:
    """Read a TOML file.

    Raises:
        ConfigError: a key is unknown or missing, or a value cannot be used; the sentence names it.
    """
    config = read_section(Stage1Config, read_toml(path), str(path))
    if problem := _problem(config):
        raise ConfigError(f"{path}: {problem}")
    return config


def _problem(config: Stage1Config) -> str:
    """Say which settings do not go together, or nothing."""
    if config.architecture not in ("", "shap-e"):
        return f"architecture must be shap-e or left out, not {config.architecture!r}"
    own = (config.decoder_size, config.points_encoder or config.views_encoder)
    if any(own) if config.architecture else not all(own):
        return "give architecture, or else [decoder_size] and one encoder's section"
    if config.points_encoder and config.views_encoder:
        return "[points_encoder] and [views_encoder] cannot be had at once"
    encoder, decoder = config.encoder, config.decoder
    if decoder.color_width:
        return "[decoder_size]: a field with the heads of a NeRF is one network: no color_width"
    rows = decoder.num_generated * decoder.hidden_width
    if decoder.num_latents != rows:
        return f"[decoder_size]: num_latents must be num_generated * hidden_width, {rows}"
    size = (decoder.num_latents, decoder.channels)
    if isinstance(encoder, EncoderSpec) and (encoder.num_latents, encoder.channels) != size:
        return "[views_encoder] and [decoder_size] must agree on num_latents and channels"
    if isinstance(encoder, EncoderConfig) and size[0] * size[1] % encoder.num_tokens:
        return "[points_encoder]: num_tokens must divide the numbers of a latent"
    if config.field and not config.field_loss:
        return "[field] needs a section [field_loss]"
    return ""
