# SPDX-License-Identifier: GPL-3.0-or-later
"""Low-rank additions: trained beside frozen weights, merged, kept in a file, loaded with a pack."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.checkpoint.adapters import add_adapter
from maquette.core.derived_pack import files_hash, read_derived
from maquette.core.errors import CheckpointError
from maquette.core.native_pack import NativePack
from maquette.core.pack import read_manifest
from maquette.core.prior.transformer import LatentPrior
from maquette.core.specs import PRIORS
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from maquette.training.initialise import initialise_prior
from maquette.training.lora import LoraConfig, LoraLinear, add_lora, merge_lora, save_adapter
from safetensors.torch import save_file
from torch import Tensor, nn

CPU = torch.device("cpu")
EVERYTHING = LoraConfig(
    rank=3, alpha=6.0, layers=("attention", "mlp", "condition", "latent", "time")
)
SPEC = replace(
    PRIORS["starter"],
    num_latents=16,
    channels=4,
    width=16,
    num_layers=2,
    num_heads=2,
    condition_width=8,
    basis_size=8,
    num_tokens=4,
)


def _prior(spec=SPEC) -> LatentPrior:
    torch.manual_seed(0)
    prior = LatentPrior(spec)
    initialise_prior(prior)
    nn.init.normal_(prior.latent_out.weight, std=0.1)
    return prior.requires_grad_(False).eval()


def _answer(prior: LatentPrior) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    coefficients = torch.randn(5, 8, generator=generator)
    condition = torch.randn(5, 4, 8, generator=generator)
    with torch.no_grad():
        return prior.residual(coefficients, torch.full((5,), 300.0), condition)


def _taught(config: LoraConfig) -> LatentPrior:
    """Return a prior whose additions are not zero any more."""
    prior = _prior()
    add_lora(prior, config, seed=1)
    for layer in prior.modules():
        if isinstance(layer, LoraLinear):
            nn.init.normal_(layer.up, std=0.2)
    return prior


def test_additions_begin_at_nothing_and_are_all_that_is_trained() -> None:
    before = _answer(_prior())
    prior = _prior()

    add_lora(prior, EVERYTHING, seed=1)

    trained = {name for name, each in prior.named_parameters() if each.requires_grad}
    assert torch.equal(_answer(prior), before)
    assert all(name.endswith((".down", ".up")) for name in trained)
    # 2 blocks x 4, 2 of conditions, 2 of latents and 2 of time, two factors each.
    assert len(trained) == 2 * (2 * 4 + 2 + 2 + 2)


def test_only_the_layers_asked_for_are_changed() -> None:
    prior = _prior()

    add_lora(prior, LoraConfig(rank=2, layers=("attention",)), seed=1)

    changed = {name for name, each in prior.named_modules() if isinstance(each, LoraLinear)}
    assert changed == {f"blocks.{i}.attn.{part}" for i in (0, 1) for part in ("qkv", "out")}


def test_a_layer_answers_by_the_formula() -> None:
    base = nn.Linear(4, 3)
    layer = LoraLinear(base, rank=2, scale=0.5)
    nn.init.normal_(layer.up)
    x = torch.randn(7, 4)

    matrix = base.weight + 0.5 * layer.up @ layer.down

    torch.testing.assert_close(layer(x), x @ matrix.T + base.bias)
    torch.testing.assert_close(layer.weight, matrix)


def test_merged_and_loaded_weights_answer_as_the_additions_did(tmp_path: Path) -> None:
    taught = _taught(EVERYTHING)
    expected = _answer(taught)
    assert not torch.allclose(expected, _answer(_prior()), atol=1e-3)
    save_adapter(taught, tmp_path / "adapter.safetensors", "tiny")

    merge_lora(taught)
    loaded = _prior()
    add_adapter(loaded, tmp_path / "adapter.safetensors")

    assert taught.state_dict().keys() == _prior().state_dict().keys()
    torch.testing.assert_close(_answer(taught), expected, rtol=1e-4, atol=1e-5)
    # The file is in half precision.
    torch.testing.assert_close(_answer(loaded), expected, rtol=1e-2, atol=5e-3)


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({}, "not a weights file|holds no adapter"),
        ({"blocks.0.attn.qkv.lora_A.weight": torch.zeros(2, 16)}, "lacks"),
        ({"blocks.9.attn.qkv.lora_A.weight": torch.zeros(2, 16)}, "does not have"),
        ({"blocks.0.attn.qkv.weight": torch.zeros(2, 16)}, "which no adapter has"),
        (
            {
                "blocks.0.attn.out.lora_A.weight": torch.zeros(2, 15),
                "blocks.0.attn.out.lora_B.weight": torch.zeros(16, 2),
            },
            "do not fit",
        ),
        (
            {
                "blocks.0.attn.out.lora_A.weight": torch.full((2, 16), torch.nan),
                "blocks.0.attn.out.lora_B.weight": torch.zeros(16, 2),
            },
            "not numbers",
        ),
    ],
)
def test_a_file_of_something_else_changes_nothing(
    tmp_path: Path, tensors: dict[str, Tensor], reason: str
) -> None:
    path = tmp_path / "adapter.safetensors"
    save_file(tensors, path)
    prior = _prior()
    before = _answer(prior)

    with pytest.raises(CheckpointError, match=reason):
        add_adapter(prior, path)

    assert torch.equal(_answer(prior), before)


def _derived(root: Path, **changes: object) -> Path:
    folder = root / "striped"
    folder.mkdir()
    content = {
        "format": 1,
        "id": "striped",
        "version": "7",
        "base": {"id": "tiny", "files": files_hash(root / "tiny")},
        "changes": {"all": {"kind": "adapter", "file": "adapter.safetensors"}},
        "files": {},
    }
    (folder / "pack.json").write_text(json.dumps(content | changes))
    return folder


def test_a_pack_that_stands_on_another_is_that_one_with_its_prior_changed(tmp_path: Path) -> None:
    manifest = write_tiny_pack(tmp_path / "tiny")
    folder = _derived(tmp_path)
    layer = "blocks.0.mlp.fc"
    generator = torch.Generator().manual_seed(2)
    down = torch.randn(2, 16, generator=generator)
    up = torch.randn(64, 2, generator=generator)
    save_file(
        {f"{layer}.lora_A.weight": down, f"{layer}.lora_B.weight": up},
        folder / "adapter.safetensors",
    )

    base = NativePack(tmp_path / "tiny", CPU, torch.float32)
    pack = NativePack(folder, CPU, torch.float32)

    assert read_manifest(folder) == replace(manifest, id="striped", version="7")
    for name, expected in base._prior.state_dict().items():
        if name == f"{layer}.weight":
            expected = expected + up @ down
        torch.testing.assert_close(pack._prior.state_dict()[name], expected)
    for name, expected in base.decoder.state_dict().items():
        assert torch.equal(pack.decoder.state_dict()[name], expected)


def test_another_version_of_the_base_is_refused(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path / "tiny")
    folder = _derived(tmp_path, base={"id": "tiny", "files": "0" * 16})

    with pytest.raises(CheckpointError, match="another version of the tiny pack"):
        read_manifest(folder)


@pytest.mark.parametrize("name", ["nobody", "..", "../tiny", "tiny\\x"])
def test_a_base_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    write_tiny_pack(tmp_path / "tiny")
    folder = _derived(tmp_path, base={"id": name, "files": ""})

    with pytest.raises(CheckpointError, match=r"not there|no pack"):
        read_derived(folder)


def test_a_change_outside_the_pack_is_refused(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path / "tiny")
    folder = _derived(tmp_path, changes={"all": {"kind": "adapter", "file": "../x.safetensors"}})

    with pytest.raises(CheckpointError, match="does not lie in the pack"):
        read_derived(folder)
