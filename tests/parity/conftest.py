# SPDX-License-Identifier: GPL-3.0-or-later
"""The reference libraries are imported once, behind the torchvision that they need."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from maquette.core.conditioning.clip import open_clip_module

open_clip_module()

from transformers import CLIPTokenizer  # noqa: E402


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> CLIPTokenizer:
    """Return transformers' tokenizer over the merge table that comes with open_clip."""
    table = Path(open_clip_module().__file__).with_name("bpe_simple_vocab_16e6.txt.gz")
    with gzip.open(table, "rt", encoding="utf-8") as file:
        merges = file.read().split("\n")[1 : 49152 - 256 - 2 + 1]
    names = open_clip_module().tokenizer.SimpleTokenizer().encoder
    vocabulary = {
        name.replace("<start_of_text>", "<|startoftext|>").replace(
            "<end_of_text>", "<|endoftext|>"
        ): index
        for name, index in names.items()
    }
    folder = tmp_path_factory.mktemp("tokenizer")
    (folder / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    files = (str(folder / "vocab.json"), str(folder / "merges.txt"))
    return CLIPTokenizer(*files, model_max_length=77)
