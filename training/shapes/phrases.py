# SPDX-License-Identifier: GPL-3.0-or-later
"""Say in words what a scene holds, in many ways, and only in trained words.

What a caption leaves out is told beside it: a reader can only be asked for what it has read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .captions import CLOSERS, DECORATIONS, OPENERS, with_article
from .colours import COLOURS
from .kinds import KINDS
from .labels import ObjectLabels, SceneLabels
from .synonyms import (
    ADJECTIVE_WORDS,
    COLOR_WORDS,
    COUNT_WORDS,
    KIND_NOUNS,
    PART_NOUNS,
    RELATION_WORDS,
    SUBSTANCES,
    bare,
    plural,
)

MORE_OPENERS = ("show me", "a picture of", "a scene with", "there is", "i would like", "draw")
_BACKGROUNDS = (", isolated", ", studio light")

_PART_SHARES = (0.3, 0.45, 0.25)
"""How often a caption names none, one or two parts; in scenes of two objects none or one each."""
_NATURAL_COLOR_SHARE = 0.45
_ADJECTIVE_SHARE = 0.85
_MATERIAL_SHARE = 0.8
_USUAL_NOUN_SHARE = 0.5
_SAME_COLOR_SHARE = 0.15
"""How often a part may be named that has the main color."""

_GRAMMAR = (
    "a an the with and that is are has have in of from out made painted colored whose it its there"
    " side by each other"
)


@dataclass(frozen=True, slots=True)
class Caption:
    """One caption and what it says."""

    text: str
    said: SceneLabels
    """The labels less the parts, adjectives and tints that the text leaves out. A main color stays
    though it be left out: that happens only where it is natural for the kind."""


def draw_caption(
    labels: SceneLabels, rng: np.random.Generator, *, is_complete: bool = False
) -> Caption:
    """Return one of the many captions that are true of a scene.

    Args:
        labels: of the scene.
        rng: chooses the words.
        is_complete: name every color, adjective and tint, and the first two parts.
    """
    is_pair = len(labels.objects) == 2
    said, phrases = [], []
    for each in labels.objects:
        chosen, has_color = _choose(each, rng, is_pair, is_complete)
        said.append(chosen)
        phrases.append(_noun_phrase(chosen, labels.count, rng, has_color, is_pair))
    text = _relate(phrases, labels.relation, rng) if is_pair else phrases[0]
    return Caption(_frame(text, rng), replace(labels, objects=tuple(said)))


def _choose(
    labels: ObjectLabels, rng: np.random.Generator, is_pair: bool, is_complete: bool
) -> tuple[ObjectLabels, bool]:
    """Return what a caption says of an object, and whether it names the main color."""
    kind = KINDS[labels.kind]
    parts = [part for part in labels.parts if part[1] != labels.color]
    if rng.random() < _SAME_COLOR_SHARE:
        parts = list(labels.parts)
    number = 2 if is_complete else int(rng.choice(3, p=_PART_SHARES))
    number = min(number, 1) if is_pair else number
    # The first ones were asked for; a caption about what is usual teaches less.
    if not is_complete and rng.random() < 0.25:
        parts = [parts[index] for index in rng.permutation(len(parts))]
    has_color = is_complete or labels.color not in kind.natural
    has_color = has_color or bool(rng.random() >= _NATURAL_COLOR_SHARE)
    has_tint = is_complete or rng.random() < _MATERIAL_SHARE
    has_adjective = is_complete or rng.random() < _ADJECTIVE_SHARE
    is_tinted = labels.material not in ("", labels.color)
    chosen = replace(
        labels,
        parts=tuple(parts[:number]),
        material=labels.material if has_tint or not is_tinted else "",
        adjective=labels.adjective if has_adjective else "",
    )
    return chosen, has_color


def _noun_phrase(
    labels: ObjectLabels, count: int, rng: np.random.Generator, has_color: bool, is_pair: bool
) -> str:
    """Return "a tall red chair with blue legs", with article or number.

    Beside a second object parts are told in the plainest way, lest they seem to be its own.
    """
    before, after = [], ""
    if labels.adjective:
        before.append(_pick(rng, ADJECTIVE_WORDS[labels.adjective]))
    is_tinted = labels.material not in ("", labels.color)
    if has_color and (is_tinted or rng.random() < 0.8):
        before.append(color_word(labels.color, rng))
        if rng.random() < 0.12:
            before.reverse()
    elif has_color:
        after = _color_after(labels.color, count, rng)
    if is_tinted:
        if rng.random() < 0.7:
            before.append(color_word(labels.material, rng))
        else:
            after = f" made of {_pick(rng, SUBSTANCES[labels.material])}"
    if rng.random() < 0.1:
        before.insert(0, _pick(rng, DECORATIONS))
    nouns = KIND_NOUNS[labels.kind]
    noun = nouns[0] if rng.random() < _USUAL_NOUN_SHARE else _pick(rng, nouns)
    noun = plural(noun) if count > 1 else noun
    phrase = " ".join([*before, noun]) + after
    if labels.parts:
        phrase += _parts_phrase(labels, count, rng, is_pair)
    if count > 1:
        return f"{_pick(rng, COUNT_WORDS[count])} {phrase}"
    return with_article(phrase) if rng.random() < 0.65 else phrase


def color_word(color: str, rng: np.random.Generator) -> str:
    """Return a word for a color, the plain one half of the time."""
    words = COLOR_WORDS[color]
    return words[0] if rng.random() < 0.5 else _pick(rng, words)


def _pick(rng: np.random.Generator, choices: Sequence[str]) -> str:
    return choices[int(rng.integers(len(choices)))]


def _color_after(color: str, count: int, rng: np.random.Generator) -> str:
    """Return a color as it follows a noun, with a leading space."""
    if COLOURS[color].is_material:
        return f" made {_pick(rng, ('of', 'from', 'out of'))} {_pick(rng, SUBSTANCES[color])}"
    word = color_word(color, rng)
    link = "that is" if count == 1 else "that are"
    return _pick(rng, (f" {link} {word}", f" in {word}", f" painted {word}"))


def _parts_phrase(labels: ObjectLabels, count: int, rng: np.random.Generator, is_pair: bool) -> str:
    """Return how a caption goes on about one or two parts, with its leading space or comma."""
    words = [color_word(color, rng) for _, color in labels.parts]
    nouns = [_pick(rng, PART_NOUNS[part]) for part, _ in labels.parts]
    full = [_colored(noun, word, count) for noun, word in zip(nouns, words, strict=True)]
    if is_pair:
        return f" with {full[0]}"
    if len(full) == 2:
        return _pick(
            rng,
            (
                f" with {full[0]} and {full[1]}",
                f" with {full[0]} and {full[1]}",
                f", {bare(full[0])}, {bare(full[1])}",
                f" that {'has' if count == 1 else 'have'} {full[0]} and {full[1]}",
                f" with {full[0]}, {bare(full[1])}",
            ),
        )
    forms = [f" with {full[0]}"] * 4 + [f" with {bare(full[0])}", f", {bare(full[0])}"]
    forms.append(f" that {'has' if count == 1 else 'have'} {full[0]}")
    if count == 1:
        verb = "are" if nouns[0] == bare(nouns[0]) and nouns[0].endswith("s") else "is"
        forms.append(f", the {bare(nouns[0])} {verb} {words[0]}")
        forms.append(f" whose {bare(nouns[0])} {verb} {words[0]}")
    return _pick(rng, forms)


def _colored(noun: str, word: str, count: int) -> str:
    """Return "a white stem", "white legs", or "white stems" of several objects."""
    name = bare(noun)
    if name == noun:
        return f"{word} {name}"
    return f"{word} {plural(name)}" if count > 1 else with_article(f"{word} {name}")


def _relate(phrases: Sequence[str], relation: str, rng: np.random.Generator) -> str:
    """Return a sentence about two objects of which the first has a relation to the second."""
    first, second = phrases
    word = _pick(rng, RELATION_WORDS[relation])
    forms = [f"{first} {word} {second}"] * 5
    forms += [f"{first} that is {word} {second}"]
    if relation == "next to":
        forms += [f"{second} {word} {first}", f"{first} and {second} side by side"]
        forms += [f"{first} and {second} next to each other"]
    elif word != "standing on":
        # "on top of" leans on what follows.
        forms += [f"{second} with {first} {word} it"]
    return _pick(rng, forms)


def _frame(phrase: str, rng: np.random.Generator) -> str:
    """Put opening and closing words around a description."""
    if rng.random() < 0.14:
        phrase = f"{_pick(rng, (*OPENERS, *MORE_OPENERS))} {phrase}"
    if rng.random() < 0.07:
        phrase += _pick(rng, (*CLOSERS, *_BACKGROUNDS))
    return phrase


def caption_words(text: str) -> list[str]:
    """Split a caption into lower-case words; everything but letters and digits separates."""
    return re.findall(r"[a-z0-9]+", text.lower())


def caption_vocabulary() -> tuple[str, ...]:
    """Return every single word that captions can use, sorted."""
    kinds = [noun for nouns in KIND_NOUNS.values() for noun in nouns]
    parts = [bare(noun) for nouns in PART_NOUNS.values() for noun in nouns]
    texts = [
        *kinds,
        *map(plural, kinds),
        *parts,
        *map(plural, parts),
        *(word for words in COLOR_WORDS.values() for word in words),
        *(word for words in SUBSTANCES.values() for word in words),
        *(word for words in ADJECTIVE_WORDS.values() for word in words),
        *(word for words in RELATION_WORDS.values() for word in words),
        *(word for words in COUNT_WORDS.values() for word in words),
        *(*OPENERS, *MORE_OPENERS, *DECORATIONS, *CLOSERS, *_BACKGROUNDS, _GRAMMAR),
    ]
    return tuple(sorted({word for text in texts for word in caption_words(text)}))
