# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in words what a shape is, in many ways."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .attributes import ADJECTIVES, Part, ShapeAttributes
from .colours import COLOURS
from .kinds import KINDS

OPENERS = (
    "a 3d model of",
    "3d model of",
    "a model of",
    "a render of",
    "a sculpture of",
    "an object:",
    "please make",
    "create",
    "i want",
)
DECORATIONS = ("toy", "cartoon", "cute", "simple", "stylized", "low poly", "3d", "plain", "nice")
CLOSERS = (", 3d asset", ", game asset", " for a game", ", low poly", ", on a plain background")

_SECOND_PART_SHARE = 0.88
_ADJECTIVE_SHARE = 0.88
_NATURAL_COLOUR_SHARE = 0.5


def caption(
    attributes: ShapeAttributes, rng: np.random.Generator, *, is_complete: bool = False
) -> str:
    """Return one of the many captions that are true of these attributes.

    A caption may leave out the adjective, the second part, and a main colour that is natural for
    the kind; any other main colour is always named.

    Args:
        attributes: what the shape is.
        rng: chooses the words.
        is_complete: name everything there is to name.
    """
    says_colour = is_complete or rng.random() >= _NATURAL_COLOUR_SHARE
    says_adjective = is_complete or rng.random() < _ADJECTIVE_SHARE
    says_part = is_complete or rng.random() < _SECOND_PART_SHARE
    kind = KINDS[attributes.kind]
    says_colour = says_colour or attributes.main_colour not in kind.natural

    before, after = [], ""
    if says_adjective and attributes.adjective is not None:
        before.append(_pick(rng, ADJECTIVES[attributes.adjective]))
    if says_colour:
        if rng.random() < 0.75:
            before.append(colour_word(attributes.main_colour, rng))
            if rng.random() < 0.15:
                before.reverse()
        else:
            after = _colour_after(attributes.main_colour, "that is", rng)
    if rng.random() < 0.12:
        before.insert(0, _pick(rng, DECORATIONS))
    noun = kind.nouns[0] if rng.random() < 0.5 else _pick(rng, kind.nouns)
    phrase = " ".join([*before, noun]) + after

    if says_part and attributes.second_part is not None and attributes.second_colour is not None:
        part = next(part for part in kind.parts if part.name == attributes.second_part)
        phrase += _part_phrase(part, attributes.second_colour, rng)
    return _frame(phrase, rng)


def colour_word(colour: str, rng: np.random.Generator) -> str:
    """Return a word for a colour, the plain one half of the time."""
    words = COLOURS[colour].words
    return words[0] if rng.random() < 0.5 else _pick(rng, words)


def with_article(phrase: str) -> str:
    """Return the phrase with "a" or "an" before it."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _colour_after(colour: str, link: str, rng: np.random.Generator) -> str:
    """Return a colour as it follows a noun, with a leading space."""
    entry = COLOURS[colour]
    if entry.is_material:
        return f" made {_pick(rng, ('of', 'from', 'out of'))} {_pick(rng, entry.substances)}"
    word = colour_word(colour, rng)
    return _pick(rng, (f" {link} {word}", f" in {word}", f" painted {word}", f" coloured {word}"))


def _part_phrase(part: Part, colour: str, rng: np.random.Generator) -> str:
    """Return how a caption goes on about one part, with its leading space or comma."""
    noun = _pick(rng, part.nouns)
    article, _, bare = noun.partition(" ")
    has_article = article in ("a", "an")
    bare = bare if has_article else noun
    verb = "is" if has_article or not bare.endswith("s") else "are"
    word = colour_word(colour, rng)
    coloured = f"{word} {bare}"
    full = with_article(coloured) if has_article else coloured
    forms = (
        f" with {full}",
        f" with {full}",
        f" with {full}",
        f" with {coloured}",
        f", {coloured}",
        f" and {full}",
        f" that has {full}",
        f" with {noun}{_colour_after(colour, f'that {verb}', rng)}",
        f", the {bare} {verb} {word}",
        f" whose {bare} {verb} {word}",
    )
    return _pick(rng, forms)


def _frame(phrase: str, rng: np.random.Generator) -> str:
    """Put article, opening and closing words around a description."""
    if rng.random() < 0.6:
        phrase = with_article(phrase)
    if rng.random() < 0.12:
        phrase = f"{_pick(rng, OPENERS)} {phrase}"
    if rng.random() < 0.06:
        phrase += _pick(rng, CLOSERS)
    return phrase
