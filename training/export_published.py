# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior of the published architecture in the published layouts, for other programs.

    openai      text_cond.pt or image_cond.pt, fp32, as OpenAI's code loads it
    diffusers   config.json and diffusion_pytorch_model.safetensors, half precision

Each is the way back of what `core/checkpoint/prior_keys.py` reads.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ..core.checkpoint.hub_config import hub_config
from ..core.checkpoint.key_maps import AsIs, InterleavedHeads, Layout, LeadingOne, StackedRows
from ..core.checkpoint.prior_keys import prior_key_map
from ..core.prior.transformer import LatentPrior
from .values import ConfigError

# A name that only one layout has, by which the map is chosen.
_OPENAI, _DIFFUSERS = ("wrapped.pos_emb",), ("proj_to_clip_embeddings.weight",)


def save_openai(prior: LatentPrior, folder: Path) -> Path:
    """Write `text_cond.pt` or `image_cond.pt` and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    name = "image_cond.pt" if prior.spec.normalizes_condition else "text_cond.pt"
    part = folder / f"{name}.part"
    torch.save({key: each.float() for key, each in _tensors(prior, _OPENAI).items()}, part)
    part.replace(folder / name)
    return folder / name


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


def _tensors(prior: LatentPrior, layout: tuple[str, ...]) -> dict[str, Tensor]:
    if prior.basis is not None:
        raise ConfigError("only priors of the published architecture have a published layout")
    key_map = prior_key_map(prior.spec, layout)
    state = prior.state_dict()
    found = {}
    for name, entry in key_map.entries_for(state.keys()).items():
        parts = _take_apart(state[name].detach().cpu(), entry.layout, len(entry.sources))
        for source, part in zip(entry.sources, parts, strict=True):
            # A storage of its own, or parts of one tensor would be saved as the whole of it.
            found[source] = part.clone(memory_format=torch.contiguous_format)
    return found


def _take_apart(tensor: Tensor, layout: Layout, num_sources: int) -> tuple[Tensor, ...]:
    """Return the sources of a tensor; the way back of `Layout.assemble`."""
    match layout:
        case AsIs():
            return (tensor,)
        case LeadingOne():
            return (tensor[None],)
        case StackedRows():
            return tensor.chunk(num_sources)
        case InterleavedHeads():
            rows = tensor.view(3, layout.num_heads, -1, *tensor.shape[1:])
            return (rows.transpose(0, 1).flatten(0, 2),)
    raise TypeError(f"no way back of {layout}")
