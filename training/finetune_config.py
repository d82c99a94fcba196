# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a fine-tuning; `configs/finetune.toml` has those that are used without a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .config import FieldLossConfig, PriorLossConfig, StageConfig, read_toml
from .lora import LoraConfig
from .values import Count, NotNegative, Number, Positive, read_section

Source = Literal["text", "image", "both"]

DEFAULT_FILE = Path(__file__).parent / "configs" / "finetune.toml"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetFitConfig:
    """How the latents of assets are found where the pack has no encoder, or improved where it has.

    Gradient steps through the frozen decoder, on surface points and on known distances.
    """

    num_steps: Number
    num_points: Count
    """Surface points of an asset per step; as many query points are added."""
    learning_rate: Positive
    """Of a coefficient, in units of its spread."""
    spread_weight: NotNegative
    """What leaving the spread of the pack's own latents costs, so that the prior knows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinetuneConfig:
    """Everything that decides what a pack is taught, besides the assets."""

    seed: Number
    source: Source
    """Whether the prior reads captions, pictures, or now one and now the other."""
    pictures_per_asset: Count
    """Views of each asset that become conditions."""
    stage: StageConfig
    prior_loss: PriorLossConfig
    field_loss: FieldLossConfig
    fit: AssetFitConfig
    lora: LoraConfig | None = None
    """Without it every weight of the prior is trained."""


def load_finetune_config(path: Path) -> FinetuneConfig:
    """Read a TOML file.

    Raises:
        ConfigError: see `config.load_config`.
    """
    return read_section(FinetuneConfig, read_toml(path), str(path))
