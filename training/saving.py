# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of a stage on disk: whole, or not there."""

from __future__ import annotations

from pathlib import Path

import torch


def save_whole(content: object, path: Path) -> None:
    """Write a file of `torch.save`; a process that is killed meanwhile leaves none of that name."""
    part = path.with_name(f"{path.name}.part")
    torch.save(content, part)
    part.replace(path)
