# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluation prompts ask for what training never shows, in words that training uses."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from maquette.evaluation.prompts import held_out_prompts, plain_caption
from maquette.training.shapes.attributes import ADJECTIVES, ShapeAttributes
from maquette.training.shapes.colours import COLOURS
from maquette.training.shapes.generate import sample_attributes
from maquette.training.shapes.kinds import KINDS, is_held_out
from maquette.training.shapes.vocabulary import caption_words, vocabulary

pytestmark = pytest.mark.needs_torch


def test_every_prompt_asks_for_a_pair_kept_out_of_training() -> None:
    asked = [prompt.attributes for prompt in held_out_prompts(200, 0)]

    assert len(asked) == 200
    assert all(is_held_out(each.kind, each.main_colour) for each in asked)
    rng = np.random.default_rng(0)
    trained = (sample_attributes(rng, split="train") for _ in range(3000))
    shown = {(each.kind, each.main_colour) for each in trained}
    assert not shown & {(each.kind, each.main_colour) for each in asked}


def test_prompts_are_spread_evenly_over_kinds() -> None:
    counts = Counter(prompt.attributes.kind for prompt in held_out_prompts(3 * len(KINDS), 0))

    assert counts == dict.fromkeys(KINDS, 3)


def test_every_held_out_pair_is_asked_for_in_two_laps() -> None:
    asked = held_out_prompts(2 * len(KINDS), 0)

    pairs = {(each.attributes.kind, each.attributes.main_colour) for each in asked}
    assert pairs == {
        (kind, colour) for kind in KINDS for colour in COLOURS if is_held_out(kind, colour)
    }


def test_a_prompt_says_all_that_is_asked_for() -> None:
    for prompt in held_out_prompts(120, 3):
        text, asked = prompt.text, prompt.attributes
        assert any(noun in text for noun in KINDS[asked.kind].nouns), text
        assert any(word in text for word in COLOURS[asked.main_colour].words), text
        if asked.second_colour is not None:
            assert any(word in text for word in COLOURS[asked.second_colour].words), text
        if asked.adjective is not None:
            assert any(word in text for word in ADJECTIVES[asked.adjective]), text


def test_prompts_use_words_of_the_captions_only() -> None:
    words = {word for prompt in held_out_prompts(200, 1) for word in caption_words(prompt.text)}

    assert words <= set(vocabulary())


def test_caption_reads_as_people_write() -> None:
    known = ShapeAttributes(
        kind="mushroom", main_colour="orange", second_part="stem", second_colour="metal"
    )
    texts = {plain_caption(known, np.random.default_rng(seed)) for seed in range(200)}

    assert "an orange mushroom with a metal stem" in texts
    assert all(text.startswith(("an ", "a ")) for text in texts)


def test_same_seed_gives_same_prompts_and_other_seeds_others() -> None:
    assert held_out_prompts(20, 5) == held_out_prompts(20, 5)
    assert held_out_prompts(20, 5)[:10] == held_out_prompts(10, 5)
    assert held_out_prompts(20, 5) != held_out_prompts(20, 6)
