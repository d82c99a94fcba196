# SPDX-License-Identifier: GPL-3.0-or-later
"""What a training run is: one TOML file, one frozen dataclass per stage."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class DataConfig:
    """The generated data set."""

    num_shapes: int
    shard_size: int
    num_surface: int
    num_queries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageConfig:
    """One optimisation: how many steps, how fast, how much per step."""

    num_steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 200
    weight_decay: float = 0.01
    ema_decay: float = 0.0
    """0 keeps no moving average of the weights."""
    save_every: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderConfig:
    """The point cloud encoder of stage 1 (not shipped)."""

    width: int
    num_layers: int
    num_heads: int
    num_tokens: int
    num_points: int
    """Surface points read per step, a random subset of those stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldLossConfig:
    """Supervision of the decoded field."""

    queries_per_shape: int
    near_distance: float
    """Distances below this, in units of the [-1, 1] box, count three times."""
    color_distance: float
    """Colours are asked for only this close to the surface."""
    color_weight: float
    distance_scale: float
    """Distances are compared after tanh(d / distance_scale)."""
    latent_noise: float
    """Standard deviation of noise on the latent, so that nearby latents decode alike."""
    rare_color_power: float = 0.0
    """A colour error counts by the share of its colour on the shape to minus this power: 0 counts
    every point alike, 1 every colour alike, so that a small part weighs as much as a large one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitConfig:
    """How far latents are moved towards what the decoder shows best; see fitting.py."""

    num_steps: int
    num_points: int
    """Surface points per step, a random subset of those the encoder read."""
    learning_rate: float
    color_weight: float
    rare_color_power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorLossConfig:
    """Noise levels and condition dropout of stage 2."""

    condition_dropout: float
    log_sigma_mean: float
    log_sigma_std: float
    spread_power: float
    """Loss weight of a coefficient is its spread to this power."""
    decoded_weight: float = 0.0
    """Weight of the field loss of the predicted latent, decoded by the frozen decoder; 0 = off."""
    decoded_points: int = 0
    """Surface points per shape of that loss; half as many query points are added."""
    decoded_color_weight: float = 0.0
    decoded_rare_power: float = 0.0
    """These two as in `FieldLossConfig`, but for that loss."""
    decoded_sigma: float = 1.0
    """Its weight falls by half at this noise level: beyond it a clean prediction is an average
    over many shapes, and should decode to none in particular."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Everything that decides the weights, besides the code."""

    seed: int
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


_Section = TypeVar("_Section")


def load_config(path: Path) -> TrainingConfig:
    """Read a TOML file; an unknown or missing key is an error that names it."""
    with path.open("rb") as file:
        table = tomllib.load(file)
    sections = {
        "data": DataConfig,
        "encoder": EncoderConfig,
        "field_loss": FieldLossConfig,
        "fit": FitConfig,
        "prior_loss": PriorLossConfig,
        "text": StageConfig,
        "stage1": StageConfig,
        "decoder": StageConfig,
        "stage2": StageConfig,
    }
    for name, section in sections.items():
        if name == "fit" and name not in table:
            continue
        if name not in table:
            raise ValueError(f"{path}: section [{name}] is missing")
        table[name] = _build(section, table[name], f"{path}: [{name}]")
    return _build(TrainingConfig, table, str(path))


def _build(section: type[_Section], values: dict[str, object], where: str) -> _Section:
    known = {field.name for field in fields(section)}  # type: ignore[arg-type]
    if unknown := sorted(set(values) - known):
        raise ValueError(f"{where} does not know {', '.join(unknown)}")
    return section(**values)
