# SPDX-License-Identifier: GPL-3.0-or-later
"""The small CLIP learns a small world: two kinds, four colors, captions and flat pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.conditioning.small_clip import ClipReader, SmallClip, normalize_pictures
from maquette.core.native_condition import load_clip
from maquette.core.specs import SmallClipSpec
from maquette.training.clip import ClipReading, contrast, encode_scenes, train_clip
from maquette.training.clip_answers import answer_losses, truths_of
from maquette.training.clip_data import ClipData, as_floats, caption_table
from maquette.training.clip_export import write_clip
from maquette.training.clip_pictures import prepared
from maquette.training.clip_stage import load_clip_of, save_clip, settle_words
from maquette.training.config import StageConfig
from maquette.training.loop import LossFunction, Run
from maquette.training.shapes.labels import ObjectLabels, SceneLabels
from maquette.training.words import make_words

pytestmark = pytest.mark.needs_torch

COLORS = {
    "red": (210, 30, 30),
    "blue": (40, 80, 210),
    "black": (20, 20, 23),
    "green": (51, 153, 56),
}
WORDS = make_words(None)
TABLE = WORDS.table()
SPEC = SmallClipSpec(
    vocabulary_size=TABLE.num_tokens,
    text_width=32,
    text_layers=1,
    text_heads=2,
    context_length=20,
    image_size=32,
    image_width=8,
    image_blocks=(1, 1, 1, 1),
    token_width=16,
)
CONFIG = StageConfig(
    num_steps=30,
    batch_size=24,
    learning_rate=5e-3,
    warmup_steps=5,
    ema_decay=0.9,
    save_every=10,
    precision="fp32",
)


def picture(kind: str, color: str) -> torch.Tensor:
    """Return a disc for a mug and a bar for a chair, [32, 32, 4]."""
    place = torch.linspace(-1, 1, 32)
    disc = place[:, None] ** 2 + place**2 < 0.5
    bar = (place.abs() < 0.3).expand(32, 32)
    alpha = (disc if kind == "mug" else bar)[..., None] * 255
    rgb = torch.tensor(COLORS[color]).expand(32, 32, 3)
    return torch.cat([rgb, alpha], 2).to(torch.uint8)


@pytest.fixture(scope="module")
def data() -> ClipData:
    drawn = [(kind, color) for kind in ("mug", "chair") for color in COLORS] * 8
    labels = [SceneLabels(objects=(ObjectLabels(kind=k, color=c),)) for k, c in drawn]
    pictures = torch.stack([picture(*each) for each in drawn])[:, None]
    captions = caption_table(labels, TABLE, 3, SPEC.context_length, seed=1)
    return ClipData(truths_of(labels), pictures, captions, num_validation=8)


def losses_of(reading: ClipReading, data: ClipData) -> tuple[float, float]:
    """Return what captions and pictures of scenes that are not trained on are asked and miss."""
    scenes = torch.arange(data.num_training, len(data.pictures))
    clip = reading.eval().clip
    with torch.inference_mode():
        read = clip.embed_text(data.captions.tokens[scenes, 0].long())
        pixels = normalize_pictures(prepared(as_floats(data.pictures[scenes, 0])))
        seen = clip.embed_pictures(pixels)
        asked = [reading.answers(clip.condition(each)) for each in (read, seen)]
        truths = data.shown.at(scenes)
        one, two = (sum(map(float, answer_losses(each, truths).values())) for each in asked)
    return one, two


def test_captions_and_pictures_learn_to_answer(data: ClipData, tmp_path: Path) -> None:
    torch.manual_seed(2)
    before = losses_of(ClipReading(SPEC), data)

    after = losses_of(train_clip(SPEC, data, CONFIG, tmp_path, seed=2), data)

    assert after[0] < 0.6 * before[0]
    assert after[1] < 0.6 * before[1]


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not(
    data: ClipData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = replace(CONFIG, num_steps=6, save_every=3)
    whole = train_clip(SPEC, data, short, tmp_path / "whole", seed=2)
    journey = Run.train

    def interrupted(self: Run, losses: LossFunction, seed: int) -> None:
        def stopping(generator: torch.Generator) -> dict[str, torch.Tensor]:
            if self.step == 4:
                raise KeyboardInterrupt
            return losses(generator)

        journey(self, stopping, seed)

    with monkeypatch.context() as patch:
        patch.setattr(Run, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            train_clip(SPEC, data, short, tmp_path / "parts", seed=2)

    again = train_clip(SPEC, data, short, tmp_path / "parts", seed=2)

    for one, two in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two)


def test_a_second_run_sees_better_and_reads_the_same(data: ClipData, tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    brief = replace(CONFIG, num_steps=12)
    first = train_clip(SPEC, data, brief, tmp_path / "first", seed=2)

    again = train_clip(SPEC, data, brief, tmp_path / "second", seed=3, start=tmp_path / "first")

    before, after = (encode_scenes(each.clip, data) for each in (first, again))
    assert torch.equal(before["conditions"], after["conditions"])
    assert not torch.equal(before["pictures"], after["pictures"])
    (read, seen), (still, better) = (losses_of(each, data) for each in (first, again))
    assert still == read
    assert better < seen

    (tmp_path / "third").mkdir()
    third = train_clip(SPEC, data, brief, tmp_path / "third", seed=4, start=tmp_path / "second")
    assert torch.equal(encode_scenes(third.clip, data)["conditions"], after["conditions"])
    assert losses_of(third, data)[1] < seen


def test_what_stage_2_reads_is_what_the_pack_will_say(data: ClipData, tmp_path: Path) -> None:
    reading = train_clip(SPEC, data, replace(CONFIG, num_steps=2), tmp_path, seed=2)
    tokens = encode_scenes(reading.clip, data)
    save_clip(reading.clip, WORDS, tokens, tmp_path)
    found = load_clip_of(tmp_path)
    assert found is not None
    write_clip(tmp_path / "clip", found[0].clip, found[0].table)

    reader = load_clip(tmp_path / "clip", SPEC, tuple(found[1]))

    assert tokens["conditions"].shape == (64, 3, 8, 16)
    assert tokens["pictures"].shape == (64, 1, 8, 16)
    row = data.captions.tokens[:1, 0].long()
    with torch.inference_mode():
        again = reader.clip.condition(reader.clip.embed_text(row))
    torch.testing.assert_close(again[0], tokens["conditions"][0, 0].float(), atol=0.02, rtol=0.02)


def test_conditions_without_a_clip_are_told_apart(tmp_path: Path) -> None:
    torch.save({"conditions": torch.zeros(1)}, tmp_path / "conditions.pt")

    assert load_clip_of(tmp_path) is None


def test_words_that_no_caption_says_mean_what_others_do(data: ClipData) -> None:
    torch.manual_seed(2)
    clip = SmallClip(SPEC).eval()
    before = clip.text.token_embedding.weight.clone()

    settle_words(clip, data.captions.tokens, WORDS)

    reads = ClipReader(clip, TABLE)
    for other, word in (("red mugs", "red mug"), ("a mug beneath a chair", "a mug a a chair")):
        one, another = reads.condition_text(other), reads.condition_text(word)
        torch.testing.assert_close(one, another)
    said = data.captions.tokens.unique().long()
    assert torch.equal(clip.text.token_embedding.weight[said], before[said])
    assert not torch.equal(reads.condition_text("red mug"), reads.condition_text("blue mug"))


def test_contrast_is_that_of_a_right_and_of_a_random_pairing() -> None:
    scale = torch.tensor(3.0)
    apart = torch.eye(4)

    right = contrast(apart, 5 * apart, scale)
    same = contrast(torch.ones(4, 4), torch.ones(4, 4), scale)

    expected = torch.log(1 + 3 * torch.exp(-scale.exp()))
    torch.testing.assert_close(right, expected)
    torch.testing.assert_close(same, torch.tensor(4.0).log())


def test_drawn_captions_lose_columns_of_padding_alone(data: ClipData) -> None:
    scenes = torch.arange(8)

    tokens, said = data.captions.draw(scenes, torch.Generator().manual_seed(0))

    assert tokens.shape[1] < SPEC.context_length
    assert bool((tokens == TABLE.end).any(1).all())
    assert said.kind.shape == (8, 2)
