# SPDX-License-Identifier: GPL-3.0-or-later
"""CLIP's towers in open_clip, filled from published files, against transformers' CLIP."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.checkpoint.clip_keys import clip_key_map
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.pack_layout import read_layout
from maquette.core.conditioning.clip import open_clip_module, tokenize
from maquette.core.conditioning.clip_image import SPREAD, ClipImageEncoder, preprocess
from maquette.core.conditioning.clip_text import ClipTextEncoder
from maquette.core.config import ReferenceImage
from maquette.core.specs import CLIPS, ClipSpec
from maquette.tests.parity.reference_models import (
    TINY,
    export,
    reference_image_encoder,
    reference_text_encoder,
)
from PIL import Image
from torch import Tensor
from transformers import CLIPImageProcessor, CLIPTokenizer

PROMPTS = [
    "a red mushroom with a white stem",
    "",
    "An ARMCHAIR, shaped like an avocado!!  (with  spaces)",
    "une théière bleue, 3 cups & a €5 coin's edge",
    "chair " * 200,
]

TOLERANCE = 1e-5
"""Relative to the largest value: both sum the same numbers in another order."""


def load_text(path: Path, spec: ClipSpec) -> ClipTextEncoder:
    return load_module(lambda: ClipTextEncoder(spec), path, partial(clip_key_map, spec))


def load_image(path: Path, spec: ClipSpec) -> ClipImageEncoder:
    return load_module(lambda: ClipImageEncoder(spec), path, partial(clip_key_map, spec))


def assert_close(actual: Tensor, expected: Tensor) -> None:
    tolerance = TOLERANCE * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def picture(height: int, width: int) -> ReferenceImage:
    """Return smooth colours with a little noise, opaque."""
    rng = np.random.default_rng(height * 1000 + width)
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    smooth = np.stack([np.sin(7 * x + k) * np.cos(5 * y - k) for k in range(3)], axis=2)
    levels = 127.5 + 90 * smooth + rng.normal(0, 12, (height, width, 3))
    alpha = np.full((height, width, 1), 255)
    pixels = np.concatenate([levels, alpha], axis=2).clip(0, 255).astype(np.uint8)
    return ReferenceImage(pixels=pixels, source="test")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_tokens_equal_those_of_transformers(tokenizer: CLIPTokenizer, prompt: str) -> None:
    # Not padded by the library: its padding token would be cut out of the prompt as well.
    expected = tokenizer(prompt, truncation=True).input_ids

    tokens = tokenize([prompt], 77)

    assert tokens.tolist() == [expected + [0] * (77 - len(expected))]


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_text_embedding_equals_transformers(tmp_path: Path, name: str) -> None:
    spec = TINY.text_encoder
    reference = reference_text_encoder(spec, seed=1)
    export(reference, tmp_path / "text" / "text_encoder", name)
    tokens = tokenize(PROMPTS, 77)

    component = read_layout_part(tmp_path)
    ours = load_text(component, spec)

    with torch.inference_mode():
        assert_close(ours(tokens), reference(tokens).text_embeds)


def read_layout_part(folder: Path) -> Path:
    """Return the text encoder's file of a pack that has nothing else but a prior."""
    (folder / "text" / "prior").mkdir(parents=True)
    (folder / "text" / "prior" / "text_cond.pt").touch()
    component = read_layout(folder, TINY).text_encoder
    assert component is not None
    return component.path


def test_condition_is_the_unit_embedding_times_the_root_of_its_width(tmp_path: Path) -> None:
    spec = TINY.text_encoder
    reference = reference_text_encoder(spec, seed=2)
    ours = load_text(export(reference, tmp_path, "model.safetensors"), spec)

    condition = ours.condition(PROMPTS)

    with torch.inference_mode():
        embedding = reference(tokenize(PROMPTS, 77)).text_embeds
    unit = embedding / embedding.norm(dim=1, keepdim=True)
    assert_close(condition, (unit * math.sqrt(spec.embedding_width))[:, None])


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_grid_features_equal_transformers(tmp_path: Path, name: str) -> None:
    spec = TINY.image_encoder
    reference = reference_image_encoder(spec, seed=3)
    ours = load_image(export(reference, tmp_path, name), spec)
    images = [picture(300, 240), picture(224, 224)]

    condition = ours.condition(images)

    pixels = torch.stack([preprocess(image) for image in images])
    with torch.inference_mode():
        expected = reference(pixels).last_hidden_state[:, 1:]
    assert condition.shape == (2, 256, spec.width)
    assert_close(condition, expected)


@pytest.mark.parametrize(
    "size", [(224, 224), (512, 384), (225, 301), (100, 180), (1, 1), (640, 97)]
)
def test_preprocessing_equals_open_clip(size: tuple[int, int]) -> None:
    image = picture(*size)
    transform = open_clip_module().image_transform(224, is_train=False)
    expected = transform(Image.fromarray(image.pixels[..., :3]))

    pixels = preprocess(image)

    # Rounding to whole levels may fall the other way where the sum is close to a half.
    levels = (pixels - expected).abs() * torch.tensor(SPREAD)[:, None, None] * 255
    assert levels.max() < 1.01
    assert (levels > 0.5).float().mean() < 1e-3


def test_preprocessing_equals_transformers() -> None:
    image = picture(512, 384)
    processor = CLIPImageProcessor()
    expected = processor(Image.fromarray(image.pixels[..., :3]), return_tensors="pt").pixel_values[
        0
    ]

    assert (preprocess(image) - expected).abs().max() < 1.01 / 255 / 0.26


def test_text_encoder_of_official_size_equals_transformers(tmp_path: Path) -> None:
    spec = CLIPS["vit-l-14-text"]
    reference = reference_text_encoder(spec, seed=4)
    path = export(reference, tmp_path, "model.safetensors")
    ours = load_text(path, spec)
    path.unlink()
    tokens = tokenize(PROMPTS[:2], 77)

    with torch.inference_mode():
        assert_close(ours(tokens), reference(tokens).text_embeds)


def test_image_encoder_of_official_size_equals_transformers(tmp_path: Path) -> None:
    spec = CLIPS["vit-l-14-image"]
    reference = reference_image_encoder(spec, seed=5)
    path = export(reference, tmp_path, "model.safetensors")
    ours = load_image(path, spec)
    path.unlink()
    pixels = preprocess(picture(224, 224))[None]

    with torch.inference_mode():
        assert_close(ours(pixels), reference(pixels).last_hidden_state[:, 1:])
