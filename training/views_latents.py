# SPDX-License-Identifier: GPL-3.0-or-later
"""What `stage1-views` leaves for the stages after it: the latent of every asset.

`stage2` reads them as they are where its prior has no basis; for one that has, `latents` adds the
basis to the same file.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import torch
from torch import Tensor

from .saving import save_whole
from .values import ConfigError

LATENTS_FILE = "latents.pt"


class ViewsLatents(TypedDict):
    """The part of `latents.pt` that is of `stage1-views`."""

    latents: Tensor
    """In the source's order, fp16, [N, L, C]."""
    half_extent: float
    """Half of an asset's longest side in the box from -1 to 1, as the encoder saw it."""


def save_views_latents(latents: Tensor, half_extent: float, folder: Path) -> None:
    """Write `latents.pt`."""
    save_whole(ViewsLatents(latents=latents, half_extent=half_extent), folder / LATENTS_FILE)


def load_views_latents(folder: Path) -> ViewsLatents | None:
    """Return what `stage1-views` left in a run's folder; None if another stage 1 ran there."""
    path = folder / LATENTS_FILE
    if not path.exists():
        return None
    saved = torch.load(path, weights_only=True, mmap=True)
    if "latents" not in saved:
        return None
    if "half_extent" not in saved:
        raise ConfigError(f"{path} is of an earlier version: give `stage1-views` once more")
    return ViewsLatents(latents=saved["latents"], half_extent=saved["half_extent"])
