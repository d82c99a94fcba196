# SPDX-License-Identifier: GPL-3.0-or-later
"""Every message of the interface stands in every language, with the same placeholders."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from maquette.tools import translatable_strings

ROOT = Path(__file__).resolve().parents[2]
LANGUAGES = sorted(path.stem for path in (ROOT / "translations").glob("*.json"))

CODE = {"prompt, seed, count, preset, name"}
"""Names of columns, which stay as they are."""

ALPHABETS = {"ja_JP": "ぁみァヿ一鿿", "zh_HANS": "一鿿"}
"""First and last character of each range of letters of a language's own."""


def table(language: str) -> dict[str, str]:
    text = (ROOT / "translations" / f"{language}.json").read_text(encoding="utf-8")
    return json.loads(text, object_pairs_hook=unique)


def unique(pairs: list[tuple[str, str]]) -> dict[str, str]:
    assert len(dict(pairs)) == len(pairs), "a message stands twice"
    return dict(pairs)


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_the_five_languages_are_there() -> None:
    assert LANGUAGES == ["de_DE", "es", "fr_FR", "ja_JP", "zh_HANS"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_message_is_missing_and_none_is_left_over(language: str) -> None:
    known, used = set(table(language)), set(translatable_strings.messages())

    assert sorted(used - known) == []
    assert sorted(known - used) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_keep_the_placeholders(language: str) -> None:
    wrong = {
        message: translation
        for message, translation in table(language).items()
        if placeholders(message) != placeholders(translation)
    }

    assert wrong == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_are_filled_in_and_end_as_the_message_does(language: str) -> None:
    for message, translation in table(language).items():
        assert translation.strip() == translation != ""
        # Blender puts the full stop of a tooltip itself.
        assert translation[-1] not in ".。" or message[-1] == "."


@pytest.mark.parametrize("language", sorted(ALPHABETS))
def test_most_messages_are_written_in_the_language(language: str) -> None:
    ranges = ALPHABETS[language]
    pairs = list(zip(ranges[::2], ranges[1::2], strict=True))
    foreign = [
        message
        for message, translation in table(language).items()
        if not any(low <= letter <= high for letter in translation for low, high in pairs)
    ]

    assert len(foreign) <= 0.05 * len(table(language)), foreign


@pytest.mark.parametrize("language", ["de_DE", "es", "fr_FR"])
def test_few_messages_stay_as_they_are(language: str) -> None:
    """Some words are the same in two languages; sentences are not."""
    pairs = table(language).items()
    same = [message for message, text in pairs if message == text and message not in CODE]

    assert [message for message in same if len(message.split()) > 3] == []
    assert len(same) <= 0.1 * len(table(language)), same


def test_the_collector_finds_what_blender_shows() -> None:
    found = translatable_strings.messages()

    for message in ("Generate", "Maquette", "Prompt", "Enter a prompt first"):
        assert message in found
