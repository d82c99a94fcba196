# SPDX-License-Identifier: GPL-3.0-or-later
"""A native pack with a CLIP: files, prompts, pictures, and what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.config import GenerationRequest, ReferenceImage
from maquette.core.errors import CheckpointError, UnknownPromptError
from maquette.core.native_pack import NativePack
from maquette.core.pack import read_manifest
from maquette.core.pipeline import describe_pack
from maquette.tests.unit.tiny_clip_pack import write_tiny_clip_pack
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.needs_torch

CPU = torch.device("cpu")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny_clip_pack(tmp_path)
    return tmp_path


def opened(folder: Path) -> NativePack:
    return NativePack(folder, CPU, torch.float32)


def picture(seed: int) -> ReferenceImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 4), dtype=np.uint8)
    return ReferenceImage(pixels=pixels, source="noise")


def test_every_file_is_listed_with_its_size_and_hash(folder: Path) -> None:
    content = json.loads((folder / "pack.json").read_text(encoding="utf-8"))

    assert sorted(content["files"]) == [
        "clip/open_clip_config.json",
        "clip/open_clip_model.safetensors",
        "clip/tokenizer.json",
        "clip/tokenizer_config.json",
        "decoder.safetensors",
        "prior.safetensors",
    ]
    for name, facts in content["files"].items():
        data = (folder / name).read_bytes()
        assert facts == {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    assert "word_encoder" not in content and content["clip"]["num_tokens"] == 4


def test_a_description_is_read_as_it_was_written(tmp_path: Path) -> None:
    manifest = write_tiny_clip_pack(tmp_path)

    assert read_manifest(tmp_path) == manifest


def test_the_pack_takes_prompts_and_pictures(folder: Path) -> None:
    description = describe_pack(folder)

    assert description.has_text and description.has_image
    assert description.image_sampler == description.sampler


def test_prompts_and_pictures_give_tokens_of_the_same_shape(folder: Path) -> None:
    pack = opened(folder)

    text = pack.condition(GenerationRequest(prompt="a red mushroom"))
    image = pack.condition(GenerationRequest(image=picture(1)))

    assert text.tokens.shape == image.tokens.shape == (1, 4, 8)
    assert text.warnings == image.warnings == ()
    other = pack.condition(GenerationRequest(image=picture(2)))
    assert not torch.allclose(image.tokens, other.tokens)


def test_words_that_stand_for_others_are_told_and_unknown_ones_left_out(folder: Path) -> None:
    pack = opened(folder)

    plain = pack.condition(GenerationRequest(prompt="a red mushroom"))
    other = pack.condition(GenerationRequest(prompt="a Crimson qwertz toadstool"))

    torch.testing.assert_close(other.tokens, plain.tokens)
    assert other.warnings == (
        "the tiny pack takes 'crimson' for 'red'",
        "the tiny pack takes 'toadstool' for 'mushroom'",
        "the tiny pack does not know 'qwertz' and left it out",
    )


def test_several_objects_of_a_kind_are_objects(folder: Path) -> None:
    path = folder / "pack.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["words"]["chair"] = "kinds"  # As the plurals of the starter's words are.
    path.write_text(json.dumps(content), encoding="utf-8")

    assert opened(folder).condition(GenerationRequest(prompt="red chair")).warnings == ()


def test_a_prompt_without_an_object_is_refused_with_examples(folder: Path) -> None:
    with pytest.raises(UnknownPromptError) as caught:
        opened(folder).condition(GenerationRequest(prompt="a crimson charm"))

    assert caught.value.suggestions == (("charm", "chair"),)
    assert caught.value.examples == ("mushroom",)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"visual.bn1.running_var": None}, r"lacks 'visual.bn1.running_var' of a small CLIP"),
        ({"extra": torch.zeros(2)}, r"has 'extra', which a small CLIP does not have"),
        ({"logit_scale": torch.tensor(float("nan"))}, "values that are not numbers"),
        ({"logit_scale": torch.zeros(2)}, r"has shape \[2\], expected \[\]"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    folder: Path, change: dict[str, torch.Tensor | None], reason: str
) -> None:
    path = folder / "clip" / "open_clip_model.safetensors"
    state = load_file(path) | change
    save_file({name: tensor for name, tensor in state.items() if tensor is not None}, path)

    with pytest.raises(CheckpointError, match=reason):
        opened(folder)


@pytest.mark.parametrize(
    ("name", "old", "new", "reason"),
    [
        ("open_clip_config.json", '"layers": 1', '"layers": 2', "another model than pack.json"),
        ("open_clip_config.json", "{", "", "is not a description of a CLIP"),
        ("tokenizer.json", '"red": 3', '"red": 4', "table of this pack's words"),
        ("tokenizer.json", "{", "", "table of this pack's words"),
    ],
)
def test_files_that_do_not_fit_the_description_are_refused(
    folder: Path, name: str, old: str, new: str, reason: str
) -> None:
    path = folder / "clip" / name
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")

    with pytest.raises(CheckpointError, match=reason):
        opened(folder)


@pytest.mark.parametrize("name", ["open_clip_config.json", "tokenizer.json"])
def test_a_missing_description_is_told(folder: Path, name: str) -> None:
    (folder / "clip" / name).unlink()

    with pytest.raises(CheckpointError, match="cannot be read"):
        opened(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"token_width": 16}, "tokens its prior does not read"),
        ({"num_tokens": 2}, "fewer tokens than its prior pools"),
        ({"vocabulary_size": 99}, "another number of words"),
        ({"colour": 1}, "does not know colour"),
    ],
)
def test_a_clip_that_does_not_fit_the_pack_is_refused(
    folder: Path, change: dict[str, int], reason: str
) -> None:
    path = folder / "pack.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["clip"] |= change
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(CheckpointError, match=reason):
        read_manifest(folder)


@pytest.mark.parametrize(
    ("where", "tokens"),
    [("shape_tokens", []), ("shape_tokens", [4]), ("main_token", 4), ("part_tokens", [1, 4])],
)
def test_tokens_that_tell_shapes_and_paint_are_some_of_those_pooled(
    folder: Path, where: str, tokens: list[int] | int
) -> None:
    path = folder / "pack.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    gaussian = content["prior"]["gaussian"]
    (gaussian if where == "shape_tokens" else gaussian["paint"])[where] = tokens
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(CheckpointError, match="looks for shapes or paint in tokens"):
        read_manifest(folder)


def test_a_pack_needs_a_clip_or_a_word_encoder(folder: Path) -> None:
    path = folder / "pack.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["clip"]
    path.write_text(json.dumps(content), encoding="utf-8")

    with pytest.raises(CheckpointError, match="either a word encoder or a CLIP"):
        read_manifest(folder)
