# SPDX-License-Identifier: GPL-3.0-or-later
"""Networks of the published architecture in the published layouts, for other programs and ours.

    openai      text_cond.pt or image_cond.pt, and transmitter.pt, fp32, as OpenAI's code loads them
    diffusers   a prior's config.json and diffusion_pytorch_model.safetensors, half precision

Each is the way back of what `core/checkpoint` reads.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..core.checkpoint.decoder_keys import decoder_key_map
from ..core.checkpoint.encoder_keys import encoder_key_map
from ..core.checkpoint.hub_config import hub_config
from ..core.checkpoint.prior_keys import prior_key_map
from ..core.decoder.stf import Decoder
from ..core.encoder.perceiver import AssetEncoder
from ..core.pack import PUBLISHED_ENCODER
from ..core.prior.transformer import LatentPrior
from .export_layout import take_apart
from .saving import save_whole
from .values import ConfigError

# Names that only one layout has, by which the map is chosen.
_OPENAI, _DIFFUSERS = ("wrapped.pos_emb",), ("proj_to_clip_embeddings.weight",)
_TRANSMITTER = ("renderer.nerstf.mlp.0.bias", "encoder.output_tokens")


def save_openai(prior: LatentPrior, folder: Path) -> Path:
    """Write `text_cond.pt` or `image_cond.pt` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "image_cond.pt" if prior.spec.normalizes_condition else "text_cond.pt"
    return _save(_tensors(prior, _OPENAI), folder / name)


def save_diffusers(prior: LatentPrior, folder: Path) -> Path:
    """Write the folder of a `PriorTransformer` and return its weights' path."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: each.half() for key, each in _tensors(prior, _DIFFUSERS).items()}
    # Left over in the published files, where they are zeros.
    unused = torch.zeros(1, 2 * prior.spec.channels, dtype=torch.float16)
    tensors |= {"clip_mean": unused, "clip_std": unused.clone()}
    path = folder / "diffusion_pytorch_model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    text = json.dumps(hub_config(prior.spec), indent=2) + "\n"
    (folder / "config.json").write_text(text, encoding="utf-8")
    return path


def save_transmitter(encoder: AssetEncoder, decoder: Decoder, folder: Path) -> Path:
    """Write `transmitter.pt`, the encoder and the decoder of stage 1, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = take_apart(decoder, decoder_key_map(decoder.spec, _TRANSMITTER))
    tensors |= take_apart(encoder, encoder_key_map(encoder.spec, _TRANSMITTER))
    # OpenAI's modules have these: what every latent overwrites, and what is behind all shapes.
    for number, shape in enumerate(decoder.spec.generated_shapes()):
        tensors[f"renderer.nerstf.mlp.{number}.weight"] = torch.zeros(shape)
    tensors["renderer.void.background"] = torch.zeros(3)
    return _save(tensors, folder / PUBLISHED_ENCODER)


def _save(tensors: dict[str, Tensor], path: Path) -> Path:
    save_whole({name: each.float() for name, each in tensors.items()}, path)
    return path


def _tensors(prior: LatentPrior, layout: tuple[str, ...]) -> dict[str, Tensor]:
    if prior.basis is not None:
        raise ConfigError("only priors of the published architecture have a published layout")
    return take_apart(prior, prior_key_map(prior.spec, layout))
