# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-rank additions to a frozen prior, trained in its place (LoRA, arXiv:2106.09685).

Each chosen layer answers W x + (alpha / R) B A x with W frozen, A random and B zero at first, so
that training begins at the pack as it is. `core/checkpoint/adapters.py` has the file's format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.checkpoint.adapters import DOWN, UP, merge
from ..core.prior.transformer import LatentPrior
from .values import Count, Positive

LayerGroup = Literal["attention", "mlp", "condition", "latent", "time"]

_GROUPS: dict[LayerGroup, str] = {
    "attention": r"blocks\.\d+\.attn\.(qkv|out)",
    "mlp": r"blocks\.\d+\.mlp\.(fc|proj)",
    "condition": r"condition_in|pooled_in",
    "latent": r"latent_(in|out)",
    "time": r"time_embed\.(fc|proj)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraConfig:
    """Which layers get additions, and of what rank."""

    rank: Count = 8
    alpha: Positive = 8.0
    """What is learnt counts by alpha / rank."""
    layers: tuple[LayerGroup, ...] = ("attention", "mlp", "condition")


class LoraLinear(nn.Module):
    """A frozen linear layer and the low-rank addition to it."""

    def __init__(self, base: nn.Linear, rank: int, scale: float) -> None:
        super().__init__()
        self.base = base
        self.scale = scale
        device = base.weight.device
        self.down = nn.Parameter(torch.empty(rank, base.in_features, device=device))
        self.up = nn.Parameter(torch.zeros(base.out_features, rank, device=device))
        nn.init.normal_(self.down, std=base.in_features**-0.5)

    @property
    def weight(self) -> Tensor:
        """The matrix that the layer amounts to, for those who slice it."""
        return self.base.weight + self.scale * (self.up @ self.down)

    @property
    def bias(self) -> Tensor:
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        """Map [..., in] to [..., out]."""
        added = F.linear(F.linear(x, self.down), self.up)
        return self.base(x) + self.scale * added  # type: ignore[no-any-return]


def add_lora(prior: LatentPrior, config: LoraConfig, seed: int) -> None:
    """Freeze a prior and give the chosen layers their additions, in place."""
    torch.manual_seed(seed)
    prior.requires_grad_(False)
    pattern = re.compile("|".join(_GROUPS[group] for group in config.layers))
    chosen = [
        (name, layer)
        for name, layer in prior.named_modules()
        if isinstance(layer, nn.Linear) and pattern.fullmatch(name)
    ]
    for name, layer in chosen:
        _replace(prior, name, LoraLinear(layer, config.rank, config.alpha / config.rank))


@torch.no_grad()
def merge_lora(prior: LatentPrior) -> None:
    """Add what was learnt to the frozen weights and be an ordinary prior again, in place."""
    for name, layer in _additions(prior).items():
        merge(layer.base, layer.down, layer.up * layer.scale)
        _replace(prior, name, layer.base)


def adapter_of(prior: LatentPrior) -> dict[str, Tensor]:
    """Return what was learnt as an adapter file holds it, in half precision.

    Raises:
        ValueError: a number does not fit half precision.
    """
    tensors = {}
    for name, layer in _additions(prior).items():
        # The scale goes to B alone, so that the file needs none.
        pair = (layer.down.detach(), layer.up.detach() * layer.scale)
        for suffix, factor in zip((DOWN, UP), pair, strict=True):
            tensors[name + suffix] = factor.cpu().half().contiguous()
            if not tensors[name + suffix].isfinite().all():
                raise ValueError(f"{name} does not fit half precision")
    return tensors


def save_adapter(prior: LatentPrior, path: Path, pack: str) -> None:
    """Write what was learnt; the file is whole when it is there."""
    part = path.with_suffix(".part")
    save_file(adapter_of(prior), part, metadata={"format": "pt", "pack": pack})
    part.replace(path)


def _additions(prior: LatentPrior) -> dict[str, LoraLinear]:
    return {name: layer for name, layer in prior.named_modules() if isinstance(layer, LoraLinear)}


def _replace(module: nn.Module, name: str, layer: nn.Module) -> None:
    parent, _, last = name.rpartition(".")
    setattr(module.get_submodule(parent), last, layer)
