# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights that are read from their file when they are needed give what kept ones give."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from maquette.core.checkpoint.decoder_keys import decoder_key_map
from maquette.core.checkpoint.loader import load_module
from maquette.core.decoder.stf import Decoder
from maquette.core.errors import CheckpointError
from maquette.core.specs import DecoderSpec
from safetensors.torch import save_file
from torch import Tensor

pytestmark = pytest.mark.needs_torch

SPEC = DecoderSpec(
    num_latents=24,
    channels=8,
    hidden_width=12,
    num_generated=2,
    num_hidden=3,
    position_frequencies=2,
)
PROJECTION = [f"params_proj.matrices.{i}.weight" for i in range(SPEC.num_generated)]


def state_of(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(tensor.shape, generator=generator)
        for name, tensor in Decoder(SPEC).state_dict().items()
    }


def written(folder: Path, state: dict[str, Tensor], kind: str = "safetensors") -> Path:
    path = folder / f"decoder.{kind}"
    if kind == "pt":
        torch.save(state, path)
    else:
        save_file(state, path)
    return path


def load(path: Path, *, leaves: bool) -> Decoder:
    return load_module(
        lambda: Decoder(SPEC),
        path,
        partial(decoder_key_map, SPEC),
        keeps_half=PROJECTION,
        leaves=PROJECTION if leaves else (),
    )


@pytest.mark.parametrize("kind", ["safetensors", "pt"])
@torch.inference_mode()
def test_what_is_left_in_the_file_gives_the_same_weights(tmp_path: Path, kind: str) -> None:
    path = written(tmp_path, state_of(0), kind)
    latents = torch.randn(3, SPEC.num_latents, SPEC.channels)

    kept, left = load(path, leaves=False), load(path, leaves=True)

    assert set(kept.state_dict()) - set(left.state_dict()) == set(PROJECTION)
    for _ in range(2):
        for ours, expected in zip(left.weights(latents), kept.weights(latents), strict=True):
            assert torch.equal(ours, expected)


def test_half_precision_is_kept_in_memory(tmp_path: Path) -> None:
    state = state_of(0)
    state |= {name: state[name].half() for name in PROJECTION}

    decoder = load(written(tmp_path, state), leaves=True)

    assert [decoder.get_parameter(name).dtype for name in PROJECTION] == [torch.float16] * 2
    assert decoder.params_proj.is_usable


def test_what_is_left_is_checked_all_the_same(tmp_path: Path) -> None:
    state = state_of(0)
    state[PROJECTION[1]][5, 3] = torch.nan

    with pytest.raises(CheckpointError, match="not numbers"):
        load(written(tmp_path, state), leaves=True)


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_file_that_has_changed_is_not_read(tmp_path: Path, is_gone: bool) -> None:
    path = written(tmp_path, state_of(0))
    decoder = load(path, leaves=True)
    assert decoder.params_proj.is_usable

    path.unlink()
    if not is_gone:
        # One tensor more, as the clock of a file system may stand still between the two.
        torch.manual_seed(0)
        save_file(state_of(1) | {"more": torch.zeros(1)}, path)

    assert not decoder.params_proj.is_usable
    with pytest.raises(CheckpointError, match="changed while in use"):
        decoder.weights(torch.zeros(1, SPEC.num_latents, SPEC.channels))
