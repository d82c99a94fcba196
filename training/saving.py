# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a stage on disk: whole, or not there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


def save_whole(content: object, path: Path) -> None:
    """Write a file of `torch.save`; a process that is killed meanwhile leaves none of that name."""
    part = path.with_name(f"{path.name}.part")
    torch.save(content, part)
    part.replace(path)


def averaged_state(saved: Mapping[str, Any], module: nn.Module) -> dict[str, Tensor]:
    """Return a checkpoint's weights, with their moving average for those that were trained.

    Args:
        saved: what `Run` wrote.
        module: of the same architecture; names what older checkpoints do not.
    """
    state: dict[str, Tensor] = dict(saved["module"])
    if saved["average"] is None:
        return state
    names = saved.get("names")
    if names is None:
        names = [name for name, each in module.named_parameters() if each.requires_grad]
    return state | dict(zip(names, saved["average"], strict=True))
