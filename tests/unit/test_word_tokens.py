# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts as tokens: learnt words, words that stand for them, plurals, slips and the rest."""

from __future__ import annotations

import pytest
from maquette.core.conditioning.word_tokens import (
    FIRST_WORD,
    PADDING,
    WordTable,
    read_table,
    write_table,
)

LEARNT = ("a", "red", "sofa", "table", "cherry", "box")
OTHERS = {"settee": "sofa", "crimson": "red", "cable": None, "tables": "table"}
TABLE = WordTable(LEARNT, OTHERS)


def test_learnt_words_have_the_tokens_of_their_order() -> None:
    reading = TABLE.read("A red SOFA")

    assert reading.tokens == (FIRST_WORD, FIRST_WORD + 1, FIRST_WORD + 2)
    assert reading.known == ("a", "red", "sofa")
    assert reading.taken == reading.unknown == ()


def test_a_word_that_stands_for_another_has_its_token_and_is_told() -> None:
    reading = TABLE.read("a crimson settee, a crimson sofa")

    assert reading.tokens == TABLE.read("a red sofa a red sofa").tokens
    assert reading.taken == (("crimson", "red"), ("settee", "sofa"))


@pytest.mark.parametrize(
    ("written", "learnt"),
    [("sofas", "sofa"), ("cherries", "cherry"), ("boxes", "box"), ("settees", "sofa")],
)
def test_plurals_are_their_singular(written: str, learnt: str) -> None:
    assert TABLE.read(written).known == (learnt,)


@pytest.mark.parametrize("slip", ["chery", "cherrry", "chrery", "cherru"])
def test_a_slip_of_one_letter_is_understood_and_told(slip: str) -> None:
    reading = TABLE.read(slip)

    assert reading.known == ("cherry",)
    assert reading.taken == ((slip, "cherry"),)


@pytest.mark.parametrize("word", ["cable", "rad", "bxo", "cherry9", "zzzzz"])
def test_other_words_short_words_and_numbers_are_no_slips(word: str) -> None:
    reading = TABLE.read(word)

    assert reading.known == ()
    assert reading.unknown == (word,)


def test_a_slip_that_could_be_two_words_is_unknown() -> None:
    table = WordTable(("stable", "sable"), {})

    assert table.read("stabel").known == ("stable",)
    assert table.read("xtable").known == ("stable",)
    assert table.read("ssable").unknown == ("ssable",)


def test_unknown_words_are_listed_once_and_left_out() -> None:
    reading = TABLE.read("a dragon, red dragon & Maßwerk")

    assert reading.known == ("a", "red")
    assert reading.unknown == ("dragon", "maßwerk")


def test_a_row_ends_with_the_highest_token_and_is_padded_or_cut() -> None:
    assert TABLE.row([2, 3], 5) == [2, 3, TABLE.end, PADDING, PADDING]
    assert TABLE.row([2, 3, 4, 5, 6], 4) == [2, 3, 4, TABLE.end]
    assert max(TABLE.row(range(2, 8), 20)) == TABLE.end == TABLE.num_tokens - 1


def test_the_nearest_spelling_is_suggested_if_any_is_near() -> None:
    assert TABLE.nearest("tabla") == "table"
    assert TABLE.nearest("xylophone") is None


def test_what_is_written_is_read_again() -> None:
    again = read_table(write_table(TABLE), LEARNT)

    assert again.learnt == TABLE.learnt
    assert again.others() == TABLE.others() == OTHERS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "no table of words"),
        ("[1]", "no table of words"),
        ("nonsense", "Expecting value"),
        (write_table(WordTable(LEARNT[1:], {})), "'a' does not have the token 2"),
        (write_table(TABLE).replace('"settee": 4', '"settee": 99'), "which is no word's"),
        (write_table(TABLE).replace('"settee": 4', '"settee": "4"'), "which is no word's"),
    ],
)
def test_another_text_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_table(text, LEARNT)


def test_no_word_stands_for_one_that_was_not_learnt() -> None:
    with pytest.raises(KeyError):
        WordTable(LEARNT, {"dragon": "lizard"})
