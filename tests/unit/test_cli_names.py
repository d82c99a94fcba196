# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import unicodedata
from itertools import islice

import pytest
from maquette.cli.names import MAX_STEM_BYTES, MAX_STEM_CHARACTERS, candidates, file_stem


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ("a red mushroom with a white stem", "a-red-mushroom-with-a-white-stem"),
        ("  a   chair\n", "a-chair"),
        ("eine grüne Gießkanne", "eine-grüne-Gießkanne"),
        ("красный гриб", "красный-гриб"),
        ("一个红色的蘑菇", "一个红色的蘑菇"),
        ("लाल मशरूम", "लाल-मशरूम"),
        ("فطر أحمر", "فطر-أحمر"),
        ("a 2-seat sofa, no. 3", "a-2-seat-sofa-no-3"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\temp\\x", "C-temp-x"),
        ('a "thing" <with> |pipes|?*', "a-thing-with-pipes"),
        (".hidden", "hidden"),
        ("ends with a dot.", "ends-with-a-dot"),
        ("🍄", "maquette"),
        ("❤️ heart", "heart"),
        ("👩🏽‍🚀 astronaut", "astronaut"),
        ("!!!", "maquette"),
        ("", "maquette"),
    ],
)
def test_a_prompt_becomes_a_name(text, stem):
    assert file_stem(text) == stem


@pytest.mark.parametrize("name", ["con", "PRN", "aux", "NUL", "com1", "LPT9", "com²"])
def test_names_that_windows_keeps_for_itself_are_not_used(name):
    assert file_stem(name) == f"{name}-object"
    assert file_stem(f"{name} artist") == f"{name}-artist"


def test_a_long_prompt_is_cut_between_words():
    stem = file_stem("a very " + "long " * 100 + "prompt")

    assert len(stem) <= MAX_STEM_CHARACTERS
    assert stem.endswith("-long")


@pytest.mark.parametrize("word", ["x" * 10_000, "蘑" * 500, "\U0001d4b3" * 500, "कि" * 300])
def test_a_long_word_is_cut_between_letters(word):
    stem = file_stem(word)

    assert 0 < len(stem) <= MAX_STEM_CHARACTERS
    assert len(stem.encode()) <= MAX_STEM_BYTES
    assert word.startswith(stem)
    assert unicodedata.category(word[len(stem)])[0] != "M"


def test_both_ways_of_writing_an_umlaut_give_the_same_name():
    assert file_stem("gru\u0308n") == file_stem("grün") == "grün"


def test_candidates_go_on_without_end():
    assert list(islice(candidates("x", is_numbered=False), 3)) == ["x", "x-2", "x-3"]
    assert list(islice(candidates("x", is_numbered=True), 3)) == ["x-1", "x-2", "x-3"]
