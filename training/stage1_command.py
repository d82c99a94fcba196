# SPDX-License-Identifier: GPL-3.0-or-later
"""`stage1-views`: encoder and decoder from views, by one's own assets or by generated shapes."""

from __future__ import annotations

import argparse
import json
import logging
import sys
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from .asset_source import AssetSource
from .loop import rank
from .memory import describe, measure
from .saving import save_whole
from .shape_source import ShapeSource
from .source import Stage1Source
from .stage1_config import Stage1Config, load_stage1_config
from .stage1_measure import held_out_quality
from .stage1_model import ViewsAutoEncoder
from .stage1_probe import stage1_probe
from .stage1_views import train_stage1
from .views_latents import save_views_latents

logger = logging.getLogger(__name__)

DEFAULT_FILE = Path(__file__).parent / "configs" / "assets_laptop.toml"
MODEL_FILE = "stage1_views.pt"
_MEASURED_ASSETS = 16


def add_stage1_views(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument("--config", type=Path, default=DEFAULT_FILE, help="settings, TOML")
    parser.add_argument(
        "--data", type=Path, help="what `maquette dataset build` made (default: generated shapes)"
    )


def run_stage1_views(arguments: argparse.Namespace) -> None:
    """Train every phase, tell what held-out views say after each, and encode all assets.

    Raises:
        ConfigError: a setting or the data set cannot be used.
        FileNotFoundError: there is no data set.
    """
    config = load_stage1_config(arguments.config)
    need = describe(measure(lambda: stage1_probe(config)), "stage1-views")
    if arguments.print_memory:
        sys.stdout.write(need)
        return
    logger.info("%s", need.strip())
    source = open_source(config, arguments.data)
    arguments.run.mkdir(parents=True, exist_ok=True)

    def tell(phase: str, model: ViewsAutoEncoder) -> None:
        if rank() == 0:
            _tell(phase, model, source, arguments.run)

    model = train_stage1(config, source, arguments.run, arguments.device, tell)
    if rank() == 0:
        save_whole(model.state_dict(), arguments.run / MODEL_FILE)
        latents = encode_assets(model, source, config.seed)
        save_views_latents(latents, source.half_extent, arguments.run)


def open_source(config: Stage1Config, folder: Path | None) -> Stage1Source:
    """Return the assets of a data set, or generated shapes where there is none."""
    if folder is None:
        return ShapeSource(config.seed, config.encoder, config.source)
    return AssetSource(folder, config.encoder, config.source)


@torch.no_grad()
def encode_assets(model: ViewsAutoEncoder, source: Stage1Source, seed: int) -> Tensor:
    """Return the latent of every asset in the source's order, fp16, [N, L, C]."""
    device = next(model.parameters()).device
    model.eval()
    latents = []
    for index in torch.split(torch.arange(len(source)), 1):
        generator = torch.Generator().manual_seed(seed)
        inputs = source.inputs(index, generator).to(device)
        latents.append(model.encode(inputs, generator).half().cpu())
    return torch.cat(latents)


def _tell(phase: str, model: ViewsAutoEncoder, source: Stage1Source, folder: Path) -> None:
    """Keep what held-out views say of a phase, unless an earlier start of the run has."""
    path = folder / "stage1_views.json"
    told = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if phase in told:
        return
    size = model.config.picture_loss.image_size
    found = held_out_quality(model, source, num_assets=_MEASURED_ASSETS, size=size)
    if found is None:
        return
    logger.info("%s", f"after {phase}: {found}")
    told[phase] = asdict(found)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
