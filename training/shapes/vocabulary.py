# SPDX-License-Identifier: GPL-3.0-or-later
"""Every word that captions of single objects use, and what each can mean."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from .attributes import ADJECTIVES
from .captions import CLOSERS, DECORATIONS, OPENERS
from .colours import COLOURS
from .kinds import FIRST_KINDS

Role = Literal["kind", "colour", "material", "part", "adjective", "filler"]

_GRAMMAR = (
    "a an the with and that is are has in of from out made painted coloured colored whose it its "
    "me make create give please generate one for on some very"
)


class Meaning(NamedTuple):
    """One thing a word can stand for."""

    role: Role
    value: str
    """Name of the kind, colour value, part or adjective; "" for fillers."""


def caption_words(text: str) -> list[str]:
    """Split a caption into lower-case words; everything but letters and digits separates."""
    return re.findall(r"[a-z0-9]+", text.lower())


def vocabulary() -> dict[str, tuple[Meaning, ...]]:
    """Return every known word, sorted, with all its meanings.

    The words of a noun of two words ("ice cream") both stand for its kind; a word is a filler only
    if it means nothing else.
    """
    meanings: dict[str, dict[Meaning, None]] = {}

    def learn(text: str, role: Role, value: str) -> None:
        for word in caption_words(text):
            if role == "part" and word in ("a", "an", "and"):
                continue
            meanings.setdefault(word, {})[Meaning(role, value)] = None

    for kind in FIRST_KINDS.values():
        for noun in kind.nouns:
            learn(noun, "kind", kind.name)
        for part in kind.nameable_parts:
            for noun in part.nouns:
                learn(noun, "part", part.name)
    for name, colour in COLOURS.items():
        for word in (*colour.words, *colour.substances):
            learn(word, "material" if colour.is_material else "colour", name)
    for name, words in ADJECTIVES.items():
        for word in words:
            learn(word, "adjective", name)
    for text in (*OPENERS, *DECORATIONS, *CLOSERS, _GRAMMAR):
        for word in caption_words(text):
            if word not in meanings:
                learn(word, "filler", "")
    return {word: tuple(meanings[word]) for word in sorted(meanings)}
