# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions of scenes say what labels say, and never a word that is kept for the evaluation."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.training.shapes.labels import ObjectLabels, SceneLabels
from maquette.training.shapes.phrases import caption_vocabulary, caption_words, draw_caption
from maquette.training.shapes.scenes import sample_scene
from maquette.training.shapes.synonyms import (
    ADJECTIVE_WORDS,
    COLOR_WORDS,
    COUNT_WORDS,
    KIND_NOUNS,
    PART_NOUNS,
    RELATION_WORDS,
    SUBSTANCES,
    TRAINED_WORDS,
    UNSEEN_SYNONYMS,
    bare,
    plural,
)

TABLES = (KIND_NOUNS, COLOR_WORDS, SUBSTANCES, PART_NOUNS, ADJECTIVE_WORDS, RELATION_WORDS)


def contains(text: str, phrases: list[str]) -> bool:
    padded = f" {' '.join(caption_words(text))} "
    return any(f" {phrase} " in padded for phrase in phrases)


def color_words(color: str) -> list[str]:
    return [*COLOR_WORDS[color], *SUBSTANCES.get(color, ())]


def test_no_unseen_word_in_twenty_thousand_captions_and_all_words_known() -> None:
    rng, known = np.random.default_rng(0), set(caption_vocabulary())
    texts = set()

    for _ in range(5000):
        labels = sample_scene(rng, "any")
        for text in (draw_caption(labels, rng).text for _ in range(4)):
            words = set(caption_words(text))
            assert not words & set(UNSEEN_SYNONYMS), text
            assert words <= known, text
            texts.add(text)

    assert len(texts) > 13_000


def test_captions_mention_what_they_are_said_to_say() -> None:
    rng = np.random.default_rng(1)

    for _ in range(1500):
        caption = draw_caption(sample_scene(rng, "any"), rng)
        many = caption.said.count > 1
        for each in caption.said.objects:
            nouns = list(KIND_NOUNS[each.kind])
            assert contains(caption.text, [plural(n) for n in nouns] if many else nouns)
            for part, color in each.parts:
                names = [bare(noun) for noun in PART_NOUNS[part]]
                assert contains(caption.text, names + [plural(name) for name in names])
                assert contains(caption.text, color_words(color))
            if each.adjective:
                assert contains(caption.text, list(ADJECTIVE_WORDS[each.adjective]))
            if each.material not in ("", each.color):
                assert contains(caption.text, color_words(each.material))


def test_captions_name_relations_and_counts() -> None:
    rng = np.random.default_rng(2)

    for _ in range(1500):
        caption = draw_caption(sample_scene(rng, "any"), rng)
        if caption.said.count > 1:
            assert contains(caption.text, list(COUNT_WORDS[caption.said.count]))
        if caption.said.relation:
            words = [*RELATION_WORDS[caption.said.relation], "side by side"]
            assert contains(caption.text, words)


def test_said_is_part_of_the_truth() -> None:
    rng = np.random.default_rng(3)

    for _ in range(500):
        labels = sample_scene(rng, "any")
        said = draw_caption(labels, rng).said
        assert (said.count, said.relation) == (labels.count, labels.relation)
        for told, true in zip(said.objects, labels.objects, strict=True):
            assert (told.kind, told.color) == (true.kind, true.color)
            assert set(told.parts) <= set(true.parts)
            assert told.adjective in ("", true.adjective)


def test_complete_captions_name_every_color() -> None:
    rng = np.random.default_rng(4)
    labels = SceneLabels(
        objects=(
            ObjectLabels(kind="cat", color="orange", adjective="small"),
            ObjectLabels(kind="table", color="white", parts=(("legs", "wooden"),)),
        ),
        relation="under",
    )

    for _ in range(200):
        text = draw_caption(labels, rng, is_complete=True).text
        for phrases in (["cat", "kitten"], color_words("orange"), color_words("white"), ["legs"]):
            assert contains(text, phrases), text
        assert contains(text, color_words("wooden")), text


def test_captions_reach_plain_phrasings() -> None:
    rng = np.random.default_rng(5)
    labels = SceneLabels(
        objects=(ObjectLabels(kind="cat", color="black"), ObjectLabels(kind="table", color="red")),
        relation="on",
    )
    apples = SceneLabels(objects=(ObjectLabels(kind="apple", color="blue"),), count=3)

    pairs = {draw_caption(labels, rng).text for _ in range(4000)}
    counts = {draw_caption(apples, rng).text for _ in range(1000)}

    assert {"a black cat on a red table", "a red table with a black cat on it"} <= pairs
    assert {"three blue apples", "3 blue apples"} <= counts


def test_words_mean_one_thing() -> None:
    meanings: dict[str, set[str]] = {}
    for table in TABLES:
        for canonical, nouns in table.items():
            for noun in nouns:
                meanings.setdefault(bare(noun), set()).add(canonical)

    assert {word for word, found in meanings.items() if len(found) > 1} == set()


def test_unseen_synonyms_stand_for_trained_things_only() -> None:
    single = {word for phrase in TRAINED_WORDS for word in phrase.split()}
    known = {canonical for table in TABLES for canonical in table}

    assert len(UNSEEN_SYNONYMS) >= 60
    assert not single & set(UNSEEN_SYNONYMS)
    assert set(UNSEEN_SYNONYMS.values()) <= known
    assert {"settee", "crimson"} <= set(UNSEEN_SYNONYMS)


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("apple", "apples"),
        ("bus", "buses"),
        ("toy box", "toy boxes"),
        ("bench", "benches"),
        ("butterfly", "butterflies"),
        ("key", "keys"),
        ("fish", "fish"),
        ("snowman", "snowmen"),
        ("shelf", "shelves"),
    ],
)
def test_plurals(noun: str, expected: str) -> None:
    assert plural(noun) == expected
