# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of words of a pack: captions, thesaurus and neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.training.shapes.phrases import caption_vocabulary, draw_caption
from maquette.training.shapes.scenes import sample_scene
from maquette.training.shapes.synonyms import KIND_NOUNS, TRAINED_WORDS, UNSEEN_SYNONYMS
from maquette.training.words import (
    head_word,
    load_words,
    make_words,
    neighbours,
    read_thesaurus,
    save_words,
    share_right,
    word_roles,
)

pytestmark = pytest.mark.needs_torch

WORDS = make_words(None)


class Angles:
    """A model whose vectors lie on a circle, at angles that are told."""

    def __init__(self, degrees: dict[str, float]) -> None:
        self.degrees = degrees

    def vectors(self, phrases: Sequence[str]) -> torch.Tensor:
        angles = torch.deg2rad(torch.tensor([self.degrees[phrase] for phrase in phrases]))
        return torch.stack([angles.cos(), angles.sin()], 1)

    def whole_words(self) -> list[str]:
        return []


def test_every_word_of_captions_is_learnt() -> None:
    assert set(WORDS.roles) == set(caption_vocabulary())
    table = WORDS.table()
    for index in range(50):
        rng = np.random.default_rng([9, index])
        reading = table.read(draw_caption(sample_scene(rng), rng).text)
        assert reading.unknown == reading.taken == ()


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("sofa", "kind"),
        ("sofas", "kinds"),
        ("cream", "kind"),
        ("kitchen", "filler"),
        ("red", "colour"),
        ("rock", "material"),
        ("stem", "part"),
        ("tiny", "adjective"),
        ("under", "relation"),
        ("three", "count"),
        ("with", "filler"),
    ],
)
def test_words_have_their_most_telling_role(word: str, role: str) -> None:
    assert word_roles()[word] == role


def test_every_kind_has_a_head_word_that_names_an_object() -> None:
    roles = word_roles()

    assert {roles[head_word(kind)] for kind in KIND_NOUNS} == {"kind"}


def test_the_thesaurus_speaks_of_what_captions_speak_of() -> None:
    for word, name in read_thesaurus().items():
        assert head_word(name) in WORDS.roles, (word, name)


def test_words_of_the_thesaurus_stand_for_their_head_word() -> None:
    reading = WORDS.table().read("a teal futon")

    assert reading.known == ("a", head_word("cyan"), head_word("sofa"))
    assert dict(reading.taken)["futon"] == head_word("sofa")


def test_words_kept_from_captions_are_in_no_caption_and_most_are_understood() -> None:
    assert not set(UNSEEN_SYNONYMS) & set(TRAINED_WORDS)
    assert share_right(WORDS, UNSEEN_SYNONYMS) > 0.9


def test_kept_words_are_not_told_by_the_thesaurus() -> None:
    without = make_words(None, kept=UNSEEN_SYNONYMS)

    assert not set(without.others) & set(UNSEEN_SYNONYMS)
    assert share_right(without, UNSEEN_SYNONYMS) < 0.1


def test_only_close_neighbours_count() -> None:
    model = Angles({"maroon": 10, "dragon": 50, "scarlet": 0, "fish": 90})

    near = neighbours(model, ["maroon", "dragon"], {"scarlet": "red", "fish": "fish"}, 0.9)

    assert near == {"maroon": "red"}


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    save_words(WORDS, tmp_path)

    assert load_words(tmp_path) == WORDS
    # The order gives the tokens.
    assert list(load_words(tmp_path).roles) == list(WORDS.roles)


def test_a_missing_table_names_the_stage_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="run `words` first"):
        load_words(tmp_path)
