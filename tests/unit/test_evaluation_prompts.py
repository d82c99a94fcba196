# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluation prompts ask for what training never shows, in words whose meaning is known."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from maquette.evaluation.prompts import (
    held_out_prompts,
    plain_caption,
    random_prompts,
    scene_prompts,
    synonym_prompts,
)
from maquette.training.shapes.arrange import SUPPORTS
from maquette.training.shapes.attributes import held_out_colours
from maquette.training.shapes.generate import sample_attributes
from maquette.training.shapes.kinds import KINDS, is_held_out, is_held_out_pair
from maquette.training.shapes.labels import ObjectLabels
from maquette.training.shapes.synonyms import (
    ADJECTIVE_WORDS,
    COLOR_WORDS,
    KIND_NOUNS,
    RELATION_WORDS,
    TRAINED_WORDS,
    UNSEEN_SYNONYMS,
)

pytestmark = pytest.mark.needs_torch

FEW = ("chair", "mushroom", "table", "cat")


def test_every_prompt_asks_for_a_pair_kept_out_of_training() -> None:
    asked = [prompt.asked.objects[0] for prompt in held_out_prompts(200, 0)]

    assert len(asked) == 200
    assert all(is_held_out(each.kind, each.color) for each in asked)
    rng = np.random.default_rng(0)
    trained = (sample_attributes(rng, split="train") for _ in range(2000))
    shown = {(each.kind, each.main_colour) for each in trained}
    assert not shown & {(each.kind, each.color) for each in asked}


def test_prompts_are_spread_evenly_over_kinds() -> None:
    prompts = held_out_prompts(3 * len(KINDS), 0)

    counts = Counter(prompt.asked.objects[0].kind for prompt in prompts)
    assert counts == dict.fromkeys(KINDS, 3)


def test_every_held_out_pair_is_asked_for_in_two_laps() -> None:
    asked = [prompt.asked.objects[0] for prompt in held_out_prompts(2 * len(FEW), 0, FEW)]

    pairs = {(each.kind, each.color) for each in asked}
    assert pairs == {(kind, color) for kind in FEW for color in held_out_colours(KINDS[kind])}


def test_a_prompt_says_all_that_is_asked_for() -> None:
    for prompt in held_out_prompts(120, 3):
        text, asked = prompt.text, prompt.asked.objects[0]
        assert any(noun in text for noun in KIND_NOUNS[asked.kind]), text
        assert any(word in text for word in COLOR_WORDS[asked.color]), text
        if prompt.part is not None:
            assert any(word in text for word in COLOR_WORDS[prompt.part[1]]), text
        if asked.adjective:
            assert any(word in text for word in ADJECTIVE_WORDS[asked.adjective]), text


def test_caption_reads_as_people_write() -> None:
    known = ObjectLabels(kind="mushroom", color="orange", parts=(("stem", "metal"),))
    texts = {plain_caption(known, np.random.default_rng(seed)) for seed in range(200)}

    assert "an orange mushroom with a metal stem" in texts
    assert all(text.startswith(("an ", "a ")) for text in texts)


def test_a_synonym_is_the_only_word_that_was_never_said() -> None:
    for prompt in synonym_prompts(150, 0):
        assert prompt.unseen in UNSEEN_SYNONYMS
        assert prompt.unseen not in TRAINED_WORDS
        others = prompt.text.replace(prompt.unseen, "").split()[1:]
        assert " ".join(others) in TRAINED_WORDS, prompt.text


def test_a_synonym_means_what_is_asked_for() -> None:
    for prompt in synonym_prompts(150, 1):
        asked = prompt.asked.objects[0]
        assert UNSEEN_SYNONYMS[prompt.unseen] in (asked.kind, asked.color)
        assert not is_held_out(asked.kind, asked.color)


def test_every_word_for_a_kind_or_a_color_has_its_turn() -> None:
    meanings = set(KIND_NOUNS) | set(COLOR_WORDS)
    words = {word for word, meaning in UNSEEN_SYNONYMS.items() if meaning in meanings}

    asked = synonym_prompts(len(words), 0)

    assert {prompt.unseen for prompt in asked} == words


def test_scenes_ask_for_two_kinds_that_training_never_shows_together() -> None:
    for prompt in scene_prompts(150, 0):
        first, second = prompt.asked.objects
        assert first.kind != second.kind
        assert first.color != second.color
        assert is_held_out_pair(first.kind, second.kind)
        assert not is_held_out(first.kind, first.color)
        relation = prompt.asked.relation
        assert relation != "on" or second.kind in SUPPORTS
        assert any(f" {word} " in prompt.text for word in RELATION_WORDS[relation]), prompt.text


def test_scenes_take_relations_in_turn() -> None:
    counts = Counter(prompt.asked.relation for prompt in scene_prompts(30, 2))

    assert counts == dict.fromkeys(RELATION_WORDS, 10)


@pytest.mark.parametrize(
    "prompts", [held_out_prompts, random_prompts, scene_prompts, synonym_prompts]
)
def test_same_seed_gives_same_prompts_and_other_seeds_others(prompts) -> None:
    assert prompts(20, 5) == prompts(20, 5)
    assert prompts(20, 5)[:10] == prompts(10, 5)
    assert prompts(20, 5) != prompts(20, 6)


@pytest.mark.parametrize("prompts", [held_out_prompts, random_prompts, synonym_prompts])
def test_only_kinds_that_the_judge_knows_are_asked_for(prompts) -> None:
    asked = {prompt.asked.objects[0].kind for prompt in prompts(60, 0, FEW)}

    assert asked <= set(FEW)
