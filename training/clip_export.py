# SPDX-License-Identifier: GPL-3.0-or-later
"""A trained small CLIP to files in open_clip's own format."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from ..core.conditioning.small_clip import SmallClip, open_clip_config, tokenizer_config
from ..core.conditioning.word_tokens import WordTable, write_table

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
TABLE, TABLE_CONFIG = "tokenizer.json", "tokenizer_config.json"


def write_clip(folder: Path, clip: SmallClip, table: WordTable) -> tuple[str, ...]:
    """Write the files that open_clip's `local-dir:` reads, and return their names.

    Raises:
        ValueError: the table has other tokens than the model, or a number does not fit half
            precision.
    """
    if table.num_tokens != clip.spec.vocabulary_size:
        raise ValueError(f"{table.num_tokens} tokens for a model of {clip.spec.vocabulary_size}")
    folder.mkdir(parents=True, exist_ok=True)
    save_file(_half_precision(clip), folder / WEIGHTS, metadata={"format": "pt"})
    _write_json(folder / CONFIG, open_clip_config(clip.spec))
    _write_json(folder / TABLE_CONFIG, tokenizer_config(clip.spec))
    (folder / TABLE).write_text(write_table(table), encoding="utf-8")
    return CONFIG, WEIGHTS, TABLE, TABLE_CONFIG


def _half_precision(clip: SmallClip) -> dict[str, torch.Tensor]:
    """Return all tensors; counters of batches stay whole numbers."""
    state = {}
    for name, tensor in clip.state_dict().items():
        kept = tensor.detach().cpu().contiguous()
        state[name] = kept.half() if kept.is_floating_point() else kept
        if not torch.isfinite(state[name]).all():
            raise ValueError(f"{name} does not fit half precision")
    return state


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
