# SPDX-License-Identifier: GPL-3.0-or-later
"""Words in, condition tokens out."""

from __future__ import annotations

import torch
from maquette.core.conditioning.word_encoder import Vocabulary, WordEncoder
from maquette.core.specs import WordEncoderSpec

WORDS = Vocabulary(("a", "red", "mushroom", "chair", "3d", "glass"))
SPEC = WordEncoderSpec(
    vocabulary_size=len(WORDS), width=16, num_layers=1, num_heads=2, num_slots=3, max_words=6
)


def test_words_are_told_apart_from_case_punctuation_and_plurals() -> None:
    reading = WORDS.read("A RED mushroom, red chairs; 3D glasses!")

    assert reading.known == ("a", "red", "mushroom", "red", "chair", "3d", "glass")
    assert reading.unknown == ()


def test_unknown_words_are_listed_once_in_any_script() -> None:
    reading = WORDS.read("a red dragon and a 椅子 dragon 🍄")

    assert reading.unknown == ("dragon", "and", "椅子")


def test_the_nearest_word_is_one_that_is_spelled_alike() -> None:
    assert WORDS.nearest("mushrom") == "mushroom"
    assert WORDS.nearest("xylophone") is None


def test_padding_does_not_change_the_condition() -> None:
    torch.manual_seed(0)
    encoder = WordEncoder(SPEC).eval()
    short = torch.tensor([WORDS.indices(("red", "chair"), 2)])
    padded = torch.tensor([WORDS.indices(("red", "chair"), 6)])

    with torch.inference_mode():
        torch.testing.assert_close(encoder(short), encoder(padded), rtol=1e-5, atol=1e-5)


def test_long_prompts_are_cut() -> None:
    assert len(WORDS.indices(("red",) * 50, 6)) == 6
