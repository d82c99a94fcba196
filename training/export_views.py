# SPDX-License-Identifier: GPL-3.0-or-later
"""`export-views`: what `stage1-views` has learnt, as a pack.

published sizes    `transmitter.pt`, encoder and decoder as OpenAI's code loads them; `export` adds
                   the priors to the same folder
small encoder      a native pack of decoder, encoder and the prior that `stage2` trained in the run
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ..core.conditioning.small_clip import ClipReader
from ..core.conditioning.word_encoder import WordEncoder
from ..core.encoder.perceiver import AssetEncoder
from ..core.pack import PACK_FILE, PackManifest
from ..core.prior.transformer import LatentPrior
from ..core.specs import PRIORS
from .config import TrainingConfig, load_config
from .export import export_pack
from .export_published import save_transmitter
from .finetune_export import PackName
from .loop import Run
from .stage1_command import MODEL_FILE
from .stage1_config import Stage1Config, load_stage1_config
from .stage1_model import ViewsAutoEncoder
from .stages import reads_of, sampler_of
from .values import ConfigError
from .views_latents import load_views_latents


def add_export_views(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments."""
    parser.add_argument(
        "--config", type=Path, required=True, help="settings of `stage1-views`, TOML"
    )
    parser.add_argument("--stage2", type=Path, help="settings of `stage2`, for a native pack")
    parser.add_argument("--pack", type=Path, required=True, help="export target")
    parser.add_argument("--title", default="", help="what Blender calls a native pack")


def run_export_views(arguments: argparse.Namespace) -> None:
    """Write the pack.

    Raises:
        ConfigError: something was not trained yet, or has no layout that packs have.
    """
    config = load_stage1_config(arguments.config)
    model = _load_model(config, arguments.run)
    if isinstance(model.encoder, AssetEncoder):
        if not config.architecture:
            raise ConfigError(
                f"{arguments.config}: packs hold [points_encoder] or the published sizes, no other"
                " [views_encoder]"
            )
        save_transmitter(model.encoder, model.decoder, arguments.pack)
        return
    if arguments.stage2 is None:
        raise ConfigError("a native pack has a prior: give --stage2, the settings it learnt by")
    name = PackName(
        arguments.pack.name, arguments.title or arguments.pack.name.replace("-", " ").title()
    )
    export_native(model, load_config(arguments.stage2), arguments.run, arguments.pack, name)


def export_native(
    model: ViewsAutoEncoder, config: TrainingConfig, run: Path, folder: Path, name: PackName
) -> None:
    """Write a native pack of a model with the small encoder and the prior in a run's folder.

    Args:
        model: of stage 1.
        config: of stage 2.
        run: with `latents.pt`, `conditions.pt` and `stage2.pt`.
        folder: of the pack.
        name: of the pack.

    Raises:
        ConfigError: the prior is missing, or its latents are not the model's.
    """
    known = load_views_latents(run)
    if known is None:
        raise ConfigError(f"{run / 'latents.pt'} is not of `stage1-views`: train that in this run")
    prior = _load_prior(config, model, run)
    reads, words = reads_of(run)
    encoder = model.encoder
    assert not isinstance(encoder, AssetEncoder)
    manifest = PackManifest(
        id=name.id,
        version=config.pack.version if config.pack else "1",
        prior=prior.spec,
        decoder=model.decoder.spec,
        word_encoder=reads.spec if isinstance(reads, WordEncoder) else None,
        clip=reads.clip.spec if isinstance(reads, ClipReader) else None,
        sampler=sampler_of(config.pack),
        words=words,
        encoder=replace(encoder.spec, half_extent=known["half_extent"]),
    )
    export_pack(folder, manifest, prior, model.decoder, reads, encoder)
    _entitle(folder / PACK_FILE, name.title)


def _load_model(config: Stage1Config, run: Path) -> ViewsAutoEncoder:
    path = run / MODEL_FILE
    if not path.exists():
        raise ConfigError(f"{path} is missing: run `stage1-views` first")
    model = ViewsAutoEncoder(config)
    try:
        model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except RuntimeError as error:
        raise ConfigError(f"{path} was made with other settings: give those") from error
    return model.eval()


def _load_prior(config: TrainingConfig, model: ViewsAutoEncoder, run: Path) -> LatentPrior:
    spec, decoder = PRIORS[config.architecture], model.decoder.spec
    if (spec.num_latents, spec.channels) != (decoder.num_latents, decoder.channels):
        raise ConfigError(
            f"the prior {config.architecture} makes {spec.num_latents} x {spec.channels} latents,"
            f" and the decoder reads {decoder.num_latents} x {decoder.channels}"
        )
    if not (run / "stage2.pt").exists():
        raise ConfigError(f"{run / 'stage2.pt'} is missing: run `stage2` first")
    prior = LatentPrior(spec)
    Run("stage2", prior, config.stage2, run).use_average()
    return prior


def _entitle(path: Path, title: str) -> None:
    about: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    text = json.dumps(about | {"title": title}, indent=1, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8")
