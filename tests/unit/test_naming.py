# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import unicodedata

import pytest
from maquette.core.naming import MAX_NAME_BYTES, object_name

FAMILY = "👩\u200d👩\u200d👧"
ASTRONAUT = "👩🏽\u200d🚀"
FLAG = "🇩🇪"


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a red mushroom", "Red mushroom"),
        ("The chair", "Chair"),
        ("an  old\n\tchair ", "Old chair"),
        ("anthill", "Anthill"),
        ("a", "A"),
        ("eine grüne Gießkanne", "Eine grüne Gießkanne"),
        ("ßword", "ßword"),
        ("ǆep", "ǅep"),
        ("გოგრა", "გოგრა"),
        ("一个红色的蘑菇", "一个红色的蘑菇"),
        ("فطر أحمر", "فطر أحمر"),
        ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e"),
        ("लाल मशरूम", "लाल मशरूम"),
        (ASTRONAUT, ASTRONAUT),
        ("e\u0301clair", "Éclair"),
        (".hidden", "Hidden"),
        ("...", "Maquette"),
        ("a/b\\c", "A/b\\c"),
        ("!", "!"),
        ("", "Maquette"),
        (" \n ", "Maquette"),
        ("\u200b\ufeff\u2060", "Maquette"),
        ("\u200d", "Maquette"),
        ("\u0301", "Maquette"),
        ("\u202echair\u2066", "Chair"),
        ("chair\x00\x07", "Chair"),
        ("\udce9tude", "Tude"),
        ("\ue000", "Maquette"),
    ],
)
def test_names(prompt: str, name: str) -> None:
    assert object_name(prompt) == name


def test_long_prompts_are_cut_between_words() -> None:
    name = object_name("a small red mushroom with a white stem and many round white spots")

    assert name == "Small red mushroom with a white stem and many"
    assert len(name.encode()) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("unit", "count"),
    [
        ("y", 48),
        ("é", 24),
        ("红", 16),
        ("ب", 24),
        ("🍄", 12),
        (FAMILY, 2),
        (ASTRONAUT, 3),
        (FLAG, 6),
        ("नि", 8),
        ("👍🏿", 6),
        ("q\u0323\u0307", 9),
    ],
)
@pytest.mark.parametrize("lead", ["", "x", "xx", "xxx", "xxxx", "xxxxxxx"])
def test_a_long_word_is_cut_between_characters_as_they_are_seen(
    unit: str, count: int, lead: str
) -> None:
    name = object_name(lead + unit * 60)

    assert len(name.encode()) <= MAX_NAME_BYTES
    whole = name.casefold().removeprefix(lead)
    unit = unicodedata.normalize("NFC", unit)
    assert whole == unit * (len(whole) // len(unit))
    space = MAX_NAME_BYTES - len(lead)
    assert len(whole) // len(unit) == min(count, space // len(unit.encode()))


def test_a_letter_under_more_marks_than_fit_still_makes_a_name() -> None:
    name = object_name("z" + "\u0323\u0307" * 100)

    assert unicodedata.normalize("NFD", name)[0] == "Z"
    assert len(name.encode()) <= MAX_NAME_BYTES


def test_every_name_can_be_written_as_utf_8_and_has_one_line() -> None:
    for start in range(0, 0x110000, 37):
        name = object_name("".join(map(chr, range(start, min(start + 60, 0x110000)))))
        assert 0 < len(name.encode()) <= MAX_NAME_BYTES
        assert len(name.splitlines()) == 1
        assert not name.startswith(".")
