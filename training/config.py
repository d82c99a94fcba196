# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run is: one TOML file, one frozen dataclass per stage.

A stage that needs settings of its own gets a dataclass here and a field of `TrainingConfig`, which
is a section of the file: required without a default, left out where it is None.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.specs import PRIORS
from .values import (
    ConfigError,
    Count,
    Finite,
    NotNegative,
    Number,
    Positive,
    Share,
    read_section,
)

TrainingPrecision = Literal["fp32", "bf16", "fp16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The generated data set."""

    num_shapes: Count
    shard_size: Count
    num_surface: Count
    num_queries: Count
    is_scenes: bool = False
    """Scenes of all kinds with labels; otherwise single objects of the first 51 kinds."""
    num_pictures: Number = 0
    """Of every scene; 0 stores none."""
    picture_size: Count = 64
    num_paints: Count = 1
    """Scenes in a row that have the same shape, each in colors of its own."""
    is_single: bool = False
    """Scenes of one object and no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """One optimisation: how many steps, how fast, how much per step."""

    num_steps: Count
    batch_size: Count
    """Of one share of a step; see `shares`."""
    learning_rate: Positive
    warmup_steps: Number = 200
    weight_decay: NotNegative = 0.01
    clip_norm: Positive = 1.0
    """Gradients longer than this are shortened to it."""
    ema_decay: Share = 0.0
    """0 keeps no moving average of the weights."""
    save_every: Count = 500
    log_every: Count = 100
    pictures_every: Number = 0
    """Steps between grids of samples in TensorBoard; 0 makes none."""
    precision: TrainingPrecision = "bf16"
    """Of what autocast may compute in less than fp32; weights and moments are always fp32."""
    shares: Number = 0
    """Batches whose mean gradient makes a step, spread evenly over the processes; 0 is one for
    each. With a number, the steps are the same whatever the number of processes."""
    recompute: bool = False
    """Compute the blocks of a transformer again for their gradients instead of keeping what is
    inside them: a third more work, a fraction of the memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The point cloud encoder of stage 1 (not shipped)."""

    width: Count
    num_layers: Count
    num_heads: Count
    num_tokens: Count
    num_points: Count
    """Surface points read per step, a random subset of those stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLossConfig:
    """Supervision of the decoded field."""

    queries_per_shape: Count
    near_distance: NotNegative
    """Distances below this, in units of the [-1, 1] box, count three times."""
    color_distance: NotNegative
    """Colours are asked for only this close to the surface."""
    color_weight: NotNegative
    distance_scale: Positive
    """Distances are compared after tanh(d / distance_scale)."""
    latent_noise: NotNegative
    """Standard deviation of noise on the latent, so that nearby latents decode alike."""
    rare_color_power: NotNegative = 0.0
    """A colour error counts by the share of its colour on the shape to minus this power: 0 counts
    every point alike, 1 every colour alike, so that a small part weighs as much as a large one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How far latents are moved towards what the decoder shows best; see fitting.py."""

    num_steps: Count
    num_points: Count
    """Surface points per step, a random subset of those the encoder read."""
    learning_rate: Positive
    color_weight: NotNegative
    rare_color_power: NotNegative
    num_queries: Number = 0
    """Points of known distance per step, besides. With any, the whole latent is moved and not its
    coefficients, and a new basis is fitted to what comes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorLossConfig:
    """Conditions and noise levels of stage 2."""

    condition_dropout: Share
    """Share of the examples that see no condition, for guidance."""
    log_sigma_mean: Finite
    log_sigma_std: NotNegative
    spread_power: NotNegative
    """Loss weight of a coefficient is its spread to this power; with a `gaussian`, the spread that
    this leaves open at the noise level."""
    picture_share: Share = 0.0
    """Share of the examples whose condition is a picture; the others read a caption."""
    decoded_weight: NotNegative = 0.0
    """Weight of the field loss of the predicted latent, decoded by the frozen decoder; 0 = off."""
    decoded_points: Number = 0
    """Surface points per shape of that loss; half as many query points are added."""
    decoded_color_weight: NotNegative = 0.0
    decoded_rare_power: NotNegative = 0.0
    """These two as in `FieldLossConfig`, but for that loss."""
    decoded_sigma: Positive = 1.0
    """Its weight falls by half at this noise level: beyond it a clean prediction is an average
    over many shapes, and should decode to none in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackConfig:
    """What `export` says of the pack."""

    version: str
    num_steps: Count
    """Of the sampler, unless the user asks for others."""
    guidance_scale: NotNegative
    fit: FitConfig | None = None
    """How far a mesh's latent is fitted when the pack reads one; None takes the run's own `fit`,
    which is shorter, since there it is done for every shape of the data set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the weights, besides the code."""

    seed: Number
    architecture: str
    """Key of the prior and decoder in core/specs.py."""
    data: DataConfig
    encoder: EncoderConfig
    field_loss: FieldLossConfig
    prior_loss: PriorLossConfig
    text: StageConfig
    stage1: StageConfig
    decoder: StageConfig
    stage2: StageConfig
    fit: FitConfig | None = None
    """Only for a run that goes on from another."""
    clip: StageConfig | None = None
    """In place of `text`, for a pack that takes pictures too."""
    gaussian: StageConfig | None = None
    """Only with an architecture that has one."""
    pack: PackConfig | None = None
    """None exports what the first runs were exported as."""


def load_config(path: Path) -> TrainingConfig:
    """Read a TOML file.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or missing, or a value cannot be
            used; the sentence names it.
    """
    config = read_section(TrainingConfig, read_toml(path), str(path))
    if config.architecture not in PRIORS:
        raise ConfigError(
            f"{path}: architecture must be one of {', '.join(PRIORS)}, not {config.architecture!r}"
        )
    return config


def read_toml(path: Path) -> dict[str, object]:
    """Return what a TOML file holds.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): give a TOML file") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not TOML ({error})") from error
