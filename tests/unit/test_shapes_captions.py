# SPDX-License-Identifier: GPL-3.0-or-later
"""Captions say what is true, in words that the vocabulary knows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from maquette.training.shapes.attributes import ADJECTIVES, ShapeAttributes
from maquette.training.shapes.captions import caption
from maquette.training.shapes.colours import COLOURS
from maquette.training.shapes.generate import sample_attributes
from maquette.training.shapes.kinds import FIRST_KINDS, KINDS, held_out_combinations
from maquette.training.shapes.vocabulary import Meaning, caption_words, vocabulary


def many_captions(attributes: ShapeAttributes, count: int = 300) -> list[str]:
    rng = np.random.default_rng(4)
    return [caption(attributes, rng) for _ in range(count)]


def test_every_word_of_every_caption_is_in_the_vocabulary() -> None:
    rng, known = np.random.default_rng(0), vocabulary()

    for _ in range(1500):
        text = caption(sample_attributes(rng, split="any"), rng)
        assert set(caption_words(text)) <= set(known), text


def test_captions_vary_and_reach_the_documented_phrasings() -> None:
    attributes = ShapeAttributes(
        kind="mushroom", main_colour="red", second_part="stem", second_colour="white"
    )

    captions = set(many_captions(attributes, 6000))

    assert len(captions) > 1500
    assert "a red mushroom with a white stem" in captions
    assert "red mushroom, white stem" in captions
    assert "mushroom" in captions


def test_captions_say_the_kind_and_any_unusual_colour() -> None:
    known = vocabulary()
    attributes = ShapeAttributes(kind="tree", main_colour="blue")

    for text in many_captions(attributes):
        meanings = {meaning for word in caption_words(text) for meaning in known[word]}
        assert Meaning("kind", "tree") in meanings
        assert Meaning("colour", "blue") in meanings


def test_captions_leave_out_only_natural_colours() -> None:
    natural = many_captions(ShapeAttributes(kind="tree", main_colour="green"))
    bare = {"tree", "a tree", "an oak", "oak", "oak tree", "an oak tree"}

    assert bare & set(natural)
    assert len(set(natural)) > len(bare)


def test_complete_captions_name_everything() -> None:
    known, rng = vocabulary(), np.random.default_rng(1)
    attributes = ShapeAttributes(
        kind="house",
        main_colour="white",
        second_part="roof",
        second_colour="wooden",
        adjective="tall",
    )

    for _ in range(200):
        words = caption_words(caption(attributes, rng, is_complete=True))
        meanings = {meaning for word in words for meaning in known[word]}
        assert {
            Meaning("kind", "house"),
            Meaning("colour", "white"),
            Meaning("part", "roof"),
            Meaning("material", "wooden"),
            Meaning("adjective", "tall"),
        } <= meanings


def test_held_out_pairs_have_captions_of_their_own_colour() -> None:
    known, rng = vocabulary(), np.random.default_rng(2)

    for kind, colour in held_out_combinations():
        if kind not in FIRST_KINDS:
            continue
        attributes = ShapeAttributes(kind=kind, main_colour=colour)
        words = caption_words(caption(attributes, rng))
        assert any(meaning.value == colour for word in words for meaning in known[word])


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        ("couch", Meaning("kind", "sofa")),
        ("spaceship", Meaning("kind", "rocket")),
        ("crimson", Meaning("colour", "red")),
        ("navy", Meaning("colour", "blue")),
        ("steel", Meaning("material", "metal")),
        ("stalk", Meaning("part", "stem")),
        ("tiny", Meaning("adjective", "small")),
        ("please", Meaning("filler", "")),
    ],
)
def test_vocabulary_knows_synonyms(word: str, meaning: Meaning) -> None:
    assert meaning in vocabulary()[word]


def test_vocabulary_does_not_claim_what_no_shape_shows() -> None:
    known = vocabulary()

    for word in ("dragon", "two", "under", "burgundy"):
        assert word not in known


def test_synonyms_are_unambiguous_within_kinds_and_within_colours() -> None:
    nouns = [noun for kind in KINDS.values() for noun in kind.nouns]
    colours = [word for colour in COLOURS.values() for word in colour.words]
    adjectives = [word for words in ADJECTIVES.values() for word in words]

    assert len(nouns) == len(set(nouns))
    assert len(colours) == len(set(colours))
    assert len(adjectives) == len(set(adjectives))
    assert not set(colours) & set(adjectives)


def test_articles_fit_the_next_word() -> None:
    rng = np.random.default_rng(5)

    for _ in range(800):
        words = caption(sample_attributes(rng), rng).replace(",", "").replace(":", "").split()
        for article, following in pairwise(words):
            if article in ("a", "an"):
                assert (article == "an") == (following[0] in "aeiou")
