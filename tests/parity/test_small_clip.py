# SPDX-License-Identifier: GPL-3.0-or-later
"""Our small CLIP against open_clip's own factory, on the same files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.conditioning.clip import open_clip_module
from maquette.core.conditioning.small_clip import ClipReader, SmallClip
from maquette.core.conditioning.word_tokens import WordTable
from maquette.core.config import ReferenceImage
from maquette.core.specs import SmallClipSpec
from maquette.training.clip_export import write_clip
from PIL import Image

LEARNT = ("a", "red", "sofa", "with", "legs", "blue")
TABLE = WordTable(LEARNT, {"settee": "sofa", "crimson": "red", "cable": None})
SPEC = SmallClipSpec(
    vocabulary_size=TABLE.num_tokens,
    text_width=32,
    text_layers=2,
    text_heads=4,
    context_length=12,
    image_width=8,
    image_blocks=(1, 2, 1, 1),
    image_head_width=32,
    num_tokens=4,
    token_width=16,
)


@pytest.fixture
def reader(tmp_path: Path) -> ClipReader:
    torch.manual_seed(3)
    clip = SmallClip(SPEC)
    clip.visual.train()
    with torch.no_grad():
        for block in (*clip.visual.layer2, *clip.visual.layer4):
            block.bn3.weight.normal_(1.0, 0.1)  # As training leaves it; it begins at zero.
        for _ in range(3):
            clip.embed_pictures(torch.randn(8, 3, 64, 64))
    clip.half().float().eval()  # What the file can hold.
    write_clip(tmp_path, clip, TABLE)
    return ClipReader(clip, TABLE)


@pytest.fixture
def theirs(reader: ClipReader, tmp_path: Path) -> torch.nn.Module:
    model: torch.nn.Module = open_clip_module().create_model(f"local-dir:{tmp_path}")
    return model.eval()


def test_open_clip_loads_the_files_and_embeds_prompts_alike(
    reader: ClipReader, theirs: torch.nn.Module
) -> None:
    rows = [
        TABLE.row(TABLE.read(text).tokens, 12) for text in ("a red sofa", "sofa with blue legs")
    ]
    tokens = torch.tensor(rows)

    with torch.inference_mode():
        ours, other = reader.clip.embed_text(tokens), theirs.encode_text(tokens)

    torch.testing.assert_close(ours, other, atol=2e-5, rtol=2e-5)


def test_padding_that_is_cut_off_changes_nothing(reader: ClipReader) -> None:
    tokens = torch.tensor([TABLE.row(TABLE.read("a red sofa").tokens, 12)])

    with torch.inference_mode():
        long, short = (reader.clip.embed_text(tokens[:, :n]) for n in (12, 4))

    torch.testing.assert_close(long, short, atol=2e-5, rtol=2e-5)


def test_open_clip_embeds_pictures_alike(reader: ClipReader, theirs: torch.nn.Module) -> None:
    pixels = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(1))

    with torch.inference_mode():
        ours, other = reader.clip.embed_pictures(pixels), theirs.encode_image(pixels)

    torch.testing.assert_close(ours, other, atol=2e-4, rtol=2e-4)


def test_open_clip_prepares_pictures_alike(
    reader: ClipReader, theirs: torch.nn.Module, tmp_path: Path
) -> None:
    _, _, preprocess = open_clip_module().create_model_and_transforms(f"local-dir:{tmp_path}")
    levels = np.random.default_rng(2).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    opaque = np.concatenate([levels, np.full((90, 120, 1), 255, np.uint8)], axis=2)

    with torch.inference_mode():
        other = theirs.encode_image(preprocess(Image.fromarray(levels))[None])
    ours = reader.condition_image(ReferenceImage(pixels=opaque, source="noise"))

    # One level of rounding, as for the published CLIP.
    torch.testing.assert_close(ours, reader.clip.condition(other), atol=0.05, rtol=0)


def test_transformers_reads_prompts_through_the_same_table(
    reader: ClipReader, tmp_path: Path
) -> None:
    tokenizer = open_clip_module().get_tokenizer(f"local-dir:{tmp_path}")
    texts = ["A crimson settee, with blue legs!", "sofa", ""]

    expected = [TABLE.row(TABLE.read(text).tokens, 12) for text in texts]

    assert tokenizer(texts).tolist() == expected
    # What only our reader does: it leaves unknown words out, the table alone marks them.
    assert tokenizer(["a qqq sofa"]).tolist()[0][:4] == [2, 1, 4, TABLE.end]


def test_both_kinds_of_condition_are_normalised_tokens(reader: ClipReader) -> None:
    picture = np.random.default_rng(4).integers(0, 256, (80, 70, 4), dtype=np.uint8)

    text = reader.condition_text("a red sofa")
    image = reader.condition_image(ReferenceImage(pixels=picture, source="noise"))

    for tokens in (text, image):
        assert tokens.shape == (1, 4, 16)
        torch.testing.assert_close(tokens.mean(2), torch.zeros(1, 4), atol=1e-5, rtol=0)
        torch.testing.assert_close(tokens.var(2, correction=0), torch.ones(1, 4), atol=0.01, rtol=0)


def test_the_description_says_what_open_clip_needs(reader: ClipReader, tmp_path: Path) -> None:
    config = json.loads((tmp_path / "open_clip_config.json").read_text(encoding="utf-8"))

    assert set(config) == {"model_cfg", "preprocess_cfg"}
    assert config["model_cfg"]["embed_dim"] == 64
