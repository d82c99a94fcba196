# SPDX-License-Identifier: GPL-3.0-or-later
"""Trained modules to a pack: half precision safetensors, `pack.json` with hashes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from ..core.conditioning.small_clip import ClipReader
from ..core.conditioning.word_encoder import WordEncoder
from ..core.decoder.stf import Decoder
from ..core.encoder.cloud import CloudEncoder
from ..core.native_condition import CLIP_FOLDER
from ..core.pack import PACK_FILE, PackManifest
from ..core.prior.transformer import LatentPrior
from ..weights_fetch import pack_hash
from .clip_export import write_clip
from .config import EncoderConfig, FitConfig
from .encoder import PointEncoder

NUM_READ_POINTS = 1024
"""Surface points that the finished encoder reads."""


def export_pack(
    folder: Path,
    manifest: PackManifest,
    prior: LatentPrior,
    decoder: Decoder,
    reads: WordEncoder | ClipReader,
    encoder: CloudEncoder | None = None,
) -> None:
    """Write a pack; files that are already there are replaced.

    Args:
        folder: of the pack.
        manifest: its description, which tells of the encoder if there is one.
        prior, decoder: its networks.
        reads: what makes conditions of prompts, and with a CLIP of pictures.
        encoder: what reads meshes; None makes a pack that reads none.
    """
    if (encoder is None) != (manifest.encoder is None):
        raise ValueError("an encoder and its description belong together")
    folder.mkdir(parents=True, exist_ok=True)
    modules: dict[str, nn.Module] = {"prior": prior, "decoder": decoder}
    modules |= {"encoder": encoder} if encoder is not None else {}
    names: list[str] = []
    if isinstance(reads, ClipReader):
        written = write_clip(folder / CLIP_FOLDER, reads.clip, reads.table)
        names += [f"{CLIP_FOLDER}/{name}" for name in written]
    else:
        modules["words"] = reads
    for name, module in modules.items():
        names.append(f"{name}.safetensors")
        metadata = {"format": "pt", "pack": manifest.id}
        save_file(half_precision(module), folder / names[-1], metadata=metadata)
    files = {name: _facts(folder / name) for name in names}
    (folder / PACK_FILE).write_text(manifest.to_json(files), encoding="utf-8")


def export_encoder(
    folder: Path, config: EncoderConfig, encoder: PointEncoder, fit: FitConfig | None, pack: Path
) -> None:
    """Write stage 1's encoder, which measures reconstructions and is not part of the pack.

    With it goes how its latents were fitted before the prior saw them, if they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file(half_precision(encoder), folder / "encoder.safetensors")
    content: dict[str, object] = {
        "config": asdict(config),
        "pack_hash": pack_hash(pack),
        "num_points": NUM_READ_POINTS,
    }
    if fit is not None:
        content["fit"] = asdict(fit)
    (folder / "encoder.json").write_text(json.dumps(content, indent=1) + "\n")


def half_precision(module: nn.Module) -> dict[str, torch.Tensor]:
    """Return a module's tensors as packs hold them, on the CPU.

    Raises:
        ValueError: a number does not fit half precision.
    """
    state = {
        name: tensor.detach().cpu().half().contiguous()
        for name, tensor in module.state_dict().items()
    }
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} does not fit half precision")
    return state


def _facts(path: Path) -> dict[str, str | int]:
    return {"size": path.stat().st_size, "sha256": _sha256(path)}


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
