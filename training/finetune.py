# SPDX-License-Identifier: GPL-3.0-or-later
"""Teaching a pack from some tens of assets: latents and conditions first, then stage 2 on them.

The prior learns as it did in stage 2, all of it or by low-rank additions (LoRA); everything else
of the pack stays as it is.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor

from ..core.config import GenerationRequest
from ..core.prior.transformer import LatentPrior
from ..datasets.layout import DATASET_FILE
from ..weights_fetch import pack_hash
from .asset_shapes import AssetShapes
from .assets import AssetLibrary
from .conditions import CachedConditions
from .finetune_config import FinetuneConfig
from .loop import Pictures, Run, rank
from .lora import add_lora
from .memory import Probe, probe_of
from .pictures import SampleGrid
from .stage2 import DecodedTruth, PriorData, PriorStage
from .tunable import PreparedAssets, TunablePack
from .values import ConfigError

logger = logging.getLogger(__name__)

PREPARED_FILE = "assets.pt"
_NUM_PICTURES = 9


@dataclass(frozen=True, slots=True)
class Assets:
    """What a fine-tuning learns from."""

    prepared: PreparedAssets
    shapes: AssetShapes


def finetune(pack: TunablePack, data: Path, folder: Path, config: FinetuneConfig) -> LatentPrior:
    """Teach a pack's prior, and return it with its additions, if it was taught by such.

    Args:
        pack: opened.
        data: what `maquette dataset build` was given as output.
        folder: of this run; a run that was stopped goes on there.
        config: the run.

    Raises:
        ConfigError: assets or settings cannot be used.
    """
    assets = _prepare(pack, data, folder, config)
    prior = pack.prior
    prior.requires_grad_(True)
    if config.lora is not None:
        add_lora(prior, config.lora, config.seed)
    run = Run("finetune", prior, config.stage, folder)
    prior_data = _prior_data(pack, assets, config)
    decoded = config.field_loss if config.prior_loss.decoded_weight else None
    stage = PriorStage(prior, prior_data, config.stage, config.prior_loss, decoded)
    run.train(stage.losses(run), config.seed, _pictures(pack, prior_data, prior, config))
    run.use_average()
    return prior.eval()


def finetune_probe(pack: TunablePack, config: FinetuneConfig) -> Probe:
    """Return a step of the fine-tuning for `memory.measure`."""
    prior = LatentPrior(pack.prior_spec).requires_grad_(True)
    if config.lora is not None:
        add_lora(prior, config.lora, config.seed)
    return probe_of(prior, config.stage, config.prior_loss)


def _prior_data(pack: TunablePack, assets: Assets, config: FinetuneConfig) -> PriorData:
    prepared = assets.prepared
    captions, pictures, share = prepared.captions, prepared.pictures, 0.0
    if captions is None:
        captions, pictures = pictures, None
    elif pictures is not None:
        share = config.prior_loss.picture_share or 0.5
    assert captions is not None
    truth = None
    if config.prior_loss.decoded_weight:
        truth = DecodedTruth(assets.shapes, pack.decoder)
    conditions = CachedConditions(captions, pictures, share)
    return PriorData(prepared.latents, None, conditions, truth, num_validation=0)


def _prepare(pack: TunablePack, data: Path, folder: Path, config: FinetuneConfig) -> Assets:
    """Return the assets, from what an earlier start left if nothing has changed since."""
    path = folder / PREPARED_FILE
    library = open_assets(data)
    name = _name(pack, data, config)
    if rank() == 0 and _read(path, name) is None:
        prepared, shapes = pack.prepare(library)
        _write(path, name, prepared, shapes)
    if dist.is_initialized():
        dist.barrier()
    found = _read(path, name)
    if found is None:
        raise ConfigError(f"{folder} must be a folder that all machines share")
    return found


def open_assets(data: Path) -> AssetLibrary:
    """Return what `maquette dataset build` was given as output.

    Raises:
        ConfigError: it is no data set.
    """
    try:
        return AssetLibrary(data)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigError(
            f"{data} is no data set ({error}): make one with `maquette dataset build`"
        ) from error


def _name(pack: TunablePack, data: Path, config: FinetuneConfig) -> str:
    """Name everything that the prepared assets depend on."""
    parts = [
        pack_hash(pack.base),
        hashlib.sha256((data / DATASET_FILE).read_bytes()).hexdigest(),
        repr([config.seed, config.source, config.pictures_per_asset]),
        repr([asdict(config.fit), asdict(config.field_loss)]),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _write(path: Path, name: str, prepared: PreparedAssets, shapes: AssetShapes) -> None:
    tensors: dict[str, Tensor | None] = {
        "latents": prepared.latents,
        "captions": prepared.captions,
        "pictures": prepared.pictures,
        "surface": shapes.surface,
        "around": shapes.around,
    }
    part = path.with_suffix(".part")
    torch.save({"name": name} | tensors, part)
    part.replace(path)


def _read(path: Path, name: str) -> Assets | None:
    if not path.exists():
        return None
    saved = torch.load(path, weights_only=True, mmap=True)
    if saved["name"] != name:
        return None
    return Assets(
        PreparedAssets(saved["latents"], saved["captions"], saved["pictures"]),
        AssetShapes(saved["surface"], saved["around"]),
    )


def _pictures(
    pack: TunablePack, data: PriorData, prior: LatentPrior, config: FinetuneConfig
) -> Pictures | None:
    """Return what TensorBoard shows: samples of the first assets' conditions."""
    if not config.stage.pictures_every or rank() != 0:
        return None
    chosen = torch.arange(min(_NUM_PICTURES, len(data.latents)))
    sampler = pack.models.sampler(GenerationRequest(prompt="any"))
    grid = SampleGrid(data.conditions.first(chosen), pack.decoder, sampler)
    return lambda: {"samples": grid.draw(prior)}
