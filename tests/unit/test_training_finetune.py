# SPDX-License-Identifier: GPL-3.0-or-later
"""From a pack and a data set of assets to a pack that loads, in little; stopped and resumed."""

from __future__ import annotations

import json
from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.config import GenerationRequest
from maquette.core.native_pack import NativePack
from maquette.core.pack import read_manifest
from maquette.datasets.layout import FORMAT, to_json, to_npy, write_json, write_tar
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from maquette.training import finetune as command
from maquette.training.assets import AssetLibrary
from maquette.training.conditions import load_conditions
from maquette.training.conditions_command import run_conditions
from maquette.training.finetune import finetune
from maquette.training.finetune_config import DEFAULT_FILE, FinetuneConfig, load_finetune_config
from maquette.training.finetune_export import PackName, export_adapter, export_merged
from maquette.training.lora import LoraConfig
from maquette.training.tunable import TunablePack
from maquette.training.values import ConfigError

CPU = torch.device("cpu")
NAME = PackName("striped", "Striped")
NUM_ASSETS = 3


def _sphere(rng: np.random.Generator, caption: str, *, is_closed: bool) -> dict[str, bytes]:
    points = rng.normal(size=(4096, 3)).astype(np.float32)
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    red = np.full_like(points, (0.9, 0.1, 0.1))
    anywhere = rng.uniform(-1, 1, (8192, 3)).astype(np.float32)
    distance = 1 - np.linalg.norm(anywhere, axis=1, keepdims=True)
    rows = np.concatenate([anywhere, distance, np.full_like(anywhere, 0.5)], axis=1)
    members = {
        "json": to_json({"captions": [caption, f"a {caption}"]}),
        "points.npy": to_npy(np.concatenate([points, red], axis=1)),
    }
    return members | ({"distances.npy": to_npy(rows.astype(np.float32))} if is_closed else {})


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    rng = np.random.default_rng(1)
    captions = ("red mushroom", "red chair", "chair with a red stem")
    samples = [
        (f"{index:05d}", _sphere(rng, caption, is_closed=index < 2))
        for index, caption in enumerate(captions)
    ]
    write_tar(folder / "shard-00000.tar", samples)
    shards = [{"name": "shard-00000.tar", "num_samples": NUM_ASSETS}]
    write_json(folder / "dataset.json", {"format": FORMAT, "shards": shards})
    return folder


@pytest.fixture
def config() -> FinetuneConfig:
    loaded = load_finetune_config(DEFAULT_FILE)
    return replace(
        loaded,
        stage=replace(
            loaded.stage, num_steps=6, batch_size=4, save_every=2, log_every=2, warmup_steps=1
        ),
        fit=replace(loaded.fit, num_steps=4, num_points=16),
        lora=LoraConfig(rank=2, alpha=2.0),
    )


def _teach(config: FinetuneConfig, tmp_path: Path, data: Path, run: str = "run"):
    if not (tmp_path / "tiny").exists():
        write_tiny_pack(tmp_path / "tiny")
    (tmp_path / run).mkdir(exist_ok=True)
    pack = TunablePack(tmp_path / "tiny", config, CPU)
    return pack, finetune(pack, data, tmp_path / run, config)


def test_adapter_and_merged_pack_are_the_prior_that_was_taught(
    config: FinetuneConfig, tmp_path: Path, data: Path
) -> None:
    pack, prior = _teach(config, tmp_path, data)

    export_adapter(pack, prior, NAME, tmp_path / "striped")
    export_merged(pack, prior, PackName("whole", "Whole"), tmp_path / "whole")

    begun = NativePack(tmp_path / "tiny", CPU, torch.float32)._prior.state_dict()
    adapted = NativePack(tmp_path / "striped", CPU, torch.float32)._prior.state_dict()
    merged = NativePack(tmp_path / "whole", CPU, torch.float32)._prior.state_dict()
    assert read_manifest(tmp_path / "whole").id == "whole"
    assert not torch.equal(adapted["blocks.0.attn.qkv.weight"], begun["blocks.0.attn.qkv.weight"])
    for name, taught in prior.state_dict().items():
        torch.testing.assert_close(merged[name], taught, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(adapted[name], taught, rtol=1e-3, atol=1e-4)
    files = {
        name: json.loads((tmp_path / name / "pack.json").read_text())["files"]
        for name in ("tiny", "striped", "whole")
    }
    assert list(files["striped"]) == ["adapter.safetensors"]
    assert files["whole"].keys() == files["tiny"].keys()


def test_a_killed_fine_tuning_continues_bit_for_bit(
    config: FinetuneConfig, tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, whole = _teach(config, tmp_path, data, "whole-run")
    drawn = command.CachedConditions.draw
    calls = 0

    def fails_at_the_fourth(source, indices, generator):
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return drawn(source, indices, generator)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(command.CachedConditions, "draw", fails_at_the_fourth)
        _teach(config, tmp_path, data, "broken-run")
    _, resumed = _teach(config, tmp_path, data, "broken-run")

    for name, expected in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], expected)


def test_every_weight_learns_without_additions_and_the_decoded_loss_counts(
    config: FinetuneConfig, tmp_path: Path, data: Path
) -> None:
    loss = replace(config.prior_loss, decoded_weight=1.0, decoded_points=16)
    whole = replace(config, lora=None, prior_loss=loss)

    pack, prior = _teach(whole, tmp_path, data)

    begun = NativePack(tmp_path / "tiny", CPU, torch.float32)._prior
    names = dict(begun.named_parameters())
    assert all(not torch.equal(each, names[name]) for name, each in prior.named_parameters())
    row = json.loads((tmp_path / "run" / "finetune.jsonl").read_text().splitlines()[0])
    assert row["decoded_distance"] > 0
    assert pack.decoder.mlp.output.weight.grad is None


def test_prepared_assets_are_made_anew_when_what_they_stand_on_changes(
    config: FinetuneConfig, tmp_path: Path, data: Path
) -> None:
    _teach(config, tmp_path, data)
    path = tmp_path / "run" / "assets.pt"
    first = torch.load(path, weights_only=True)
    written = path.stat().st_mtime_ns

    _teach(config, tmp_path, data)
    kept = path.stat().st_mtime_ns
    (tmp_path / "run" / "finetune.pt").unlink()
    longer = replace(config, fit=replace(config.fit, num_steps=8))
    _teach(longer, tmp_path, data)
    second = torch.load(path, weights_only=True)

    assert kept == written
    assert first["latents"].shape == (NUM_ASSETS, 8)
    assert not torch.equal(first["latents"], second["latents"])
    assert torch.equal(first["captions"], second["captions"])


def test_open_meshes_are_known_by_their_surface_alone(tmp_path: Path, data: Path) -> None:
    from maquette.training.asset_shapes import load_shapes

    shapes = load_shapes(AssetLibrary(data), half_extent=0.5)

    radius = shapes.around[..., :3].float().norm(dim=-1)
    distance = shapes.around[..., 3].float()
    torch.testing.assert_close(distance[:2], 0.5 - radius[:2], atol=2e-3, rtol=0)
    assert float(distance[2].abs().max()) == 0.0
    torch.testing.assert_close(radius[2], torch.full_like(radius[2], 0.5), atol=1e-3, rtol=0)


def test_a_caption_that_the_pack_cannot_read_is_named(
    config: FinetuneConfig, tmp_path: Path, data: Path
) -> None:
    rng = np.random.default_rng(2)
    write_tar(data / "shard-00000.tar", [("dragon", _sphere(rng, "dragon", is_closed=True))])

    with pytest.raises(ConfigError, match="can read no caption of 'dragon'"):
        _teach(config, tmp_path, data)


def test_a_folder_without_assets_is_named(config: FinetuneConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no data set.*maquette dataset build"):
        _teach(config, tmp_path, tmp_path / "nothing")


@pytest.mark.parametrize("name", ["starter", "Mine", "a/b", "", "-x"])
def test_names_that_no_pack_can_have_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--id"):
        PackName(name, "Title")


def test_conditions_of_assets_are_what_the_pack_says_of_their_captions(
    tmp_path: Path, data: Path
) -> None:
    write_tiny_pack(tmp_path / "tiny")
    arguments = Namespace(
        pack=str(tmp_path / "tiny"),
        data=data,
        run=tmp_path / "run",
        source="text",
        device=CPU,
        print_memory=False,
    )

    run_conditions(arguments)

    pack = NativePack(tmp_path / "tiny", CPU, torch.float32)
    asked = (("red mushroom", "a red mushroom"), ("red chair", "a red chair"))
    found = load_conditions(tmp_path / "run" / "conditions.pt", 0.0)
    assert found.captions.shape[:2] == (NUM_ASSETS, 2) and found.pictures is None
    for tokens, prompts in zip(found.captions, asked, strict=False):
        for token, prompt in zip(tokens, prompts, strict=True):
            expected = pack.condition(GenerationRequest(prompt=prompt)).tokens[0]
            assert torch.equal(token, expected.half())


def test_conditions_of_nothing_are_refused(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path / "tiny")
    arguments = Namespace(
        pack=str(tmp_path / "tiny"),
        data=tmp_path / "nothing",
        run=tmp_path / "run",
        source="text",
        device=CPU,
        print_memory=False,
    )

    with pytest.raises(ConfigError, match="is no data set"):
        run_conditions(arguments)
