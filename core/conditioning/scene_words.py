# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a prompt speaks of several objects: "an apple on a table", "three red apples".

Only what is certain is divided: words with one object, words for a relation, words with another; or
a number and a plural. All else is one thing to say, as it always was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from .spelling import forms_of, words_of
from .word_tokens import WordReading, WordTable

Relation = Literal["on", "next to", "under", "in a row"]
"""How the first of two objects lies to the second, or all of them lie."""

_MEANS: dict[str, Relation] = {
    "on": "on",
    "next": "next to",
    "beside": "next to",
    "under": "under",
    "below": "under",
    "underneath": "under",
}
_LEADS_IN = frozenset(("that", "is", "are", "standing"))
"""Words that belong to the relation that they stand before."""
_LEADS_ON = {"on": ("top", "of"), "next": ("to",)}
"""The same for those after it; who says "on top" need not say "of"."""
_EACH_OTHER = ("each", "other")
_SIDE_BY_SIDE = ("side", "by", "side")
_POSES = frozenset("lying parked perched placed put resting seated sits sitting stands".split())
"""Words that say no more than the relation that they stand before."""
_TURNS_ROUND = frozenset(("which", "whom"))
"""After these the halves may be the other way round."""
_WITH = frozenset(("with", "has", "have"))
_OF_ANOTHER = frozenset("hat hats cone cones pot pots flower flowers book books".split())
"""Kinds whose names are those of parts of others too: "a snowman with a red hat"."""

_NUMBERS = {"two": 2, "2": 2, "pair": 2, "three": 3, "3": 3}

_Span = tuple[int, int]
"""From a word to another, which is left out."""


@dataclass(frozen=True, slots=True)
class SceneReading:
    """A prompt about several objects."""

    whole: WordReading
    """Of all its words."""
    objects: tuple[WordReading, ...]
    """Of the words for each of them."""
    relation: Relation
    """Of all but the last to the last."""


@dataclass(frozen=True, slots=True)
class _Phrase:
    """Words that tell a relation."""

    start: int
    stop: int
    relation: Relation


def read_scene(table: WordTable, prompt: str, roles: Mapping[str, str]) -> SceneReading | None:
    """Return the objects of a prompt that speaks of several for certain, else None.

    Args:
        table: reads words.
        prompt: as it was written.
        roles: of every learnt word, as a pack's description has them.
    """
    reading = table.read(" ".join(_without_poses(words_of(prompt))))
    if not _TURNS_ROUND.isdisjoint(reading.unknown):
        return None
    words = _Words(reading.known, roles)
    found = [way for phrase in words.relations() for way in words.ways(phrase)]
    if len(found) == 1:
        before, after, relation = found[0]
        firsts = _several(table, _part(reading, before), roles)
        second = _part(reading, after)
        # What bears or covers others is taken for one thing.
        seconds = _several(table, second, roles) if relation == "next to" else (second,)
        return SceneReading(reading, (*firsts, *seconds), relation)
    number = words.number(is_whole=not reading.unknown)
    if number is None:
        return None
    return SceneReading(reading, (_each(table, reading, roles),) * number, "in a row")


def _without_poses(words: Sequence[str]) -> Iterator[str]:
    for index, word in enumerate(words):
        if word not in _POSES or _MEANS.keys().isdisjoint(words[index + 1 : index + 2]):
            yield word


def _part(reading: WordReading, span: _Span) -> WordReading:
    words = slice(*span)
    return WordReading(reading.tokens[words], reading.known[words], (), ())


def _several(
    table: WordTable, part: WordReading, roles: Mapping[str, str]
) -> tuple[WordReading, ...]:
    """Return the words for each object of a half: of "two red cats" twice those of a red cat."""
    number = _Words(part.known, roles).number(is_whole=False)
    return (part,) if number is None else (_each(table, part, roles),) * number


def _each(table: WordTable, reading: WordReading, roles: Mapping[str, str]) -> WordReading:
    """Return the words for one of several that are alike."""
    of_one = [word for word in reading.known if roles[word] != "relation"]
    text = " ".join(_single(word, roles) for word in of_one).replace("pair of ", "")
    left_out = (*_NUMBERS, *_EACH_OTHER)
    return table.read(" ".join(word for word in text.split() if word not in left_out))


def _single(word: str, roles: Mapping[str, str]) -> str:
    """Return the one thing that a plural is of, or any other word."""
    forms = (form for form in forms_of(word) if roles.get(form) == "kind")
    return next(forms, word) if roles[word] == "kinds" else word


class _Words:
    """The learnt words of one prompt."""

    def __init__(self, known: Sequence[str], roles: Mapping[str, str]) -> None:
        self._known = tuple(known)
        self._is_kind = [roles[word] in ("kind", "kinds") for word in known]
        self._is_plural = [roles[word] == "kinds" for word in known]

    def number(self, *, is_whole: bool) -> int | None:
        """Return how many of one object are meant: "three" before a plural that stands alone.

        Without a plural, "two-story house" must not be two: all words must be known then.
        """
        numbers = [index for index, word in enumerate(self._known) if word in _NUMBERS]
        if len(numbers) != 1 or not self._is_object((0, len(self._known))):
            return None
        kind = self._is_kind.index(True)
        while self._is_kind[kind : kind + 2] == [True, True]:
            kind += 1  # "ice creams"
        is_told = numbers[0] < self._is_kind.index(True)
        is_told &= self._is_plural[kind] or is_whole
        return _NUMBERS[self._known[numbers[0]]] if is_told else None

    def relations(self) -> Iterator[_Phrase]:
        """Yield all words for relations, with those around that belong to them."""
        for index, word in enumerate(self._known):
            if word in _MEANS:
                stop = index + 1
                for more in _LEADS_ON.get(word, ()):
                    stop += self._known[stop : stop + 1] == (more,)
                yield _Phrase(self._led_in(index), stop, _MEANS[word])
            elif self._known[index : index + 3] == _SIDE_BY_SIDE:
                yield _Phrase(index, index + 3, "next to")

    def ways(self, phrase: _Phrase) -> Iterator[tuple[_Span, _Span, Relation]]:
        """Yield how a prompt is to be divided at a relation: first, second, relation."""
        before, after = (0, phrase.start), (phrase.stop, len(self._known))
        rest = self._known[phrase.stop :]
        is_mutual = rest[:2] == _EACH_OTHER or self._known[phrase.start] == _SIDE_BY_SIDE[0]
        if is_mutual and not any(self._is_kind[phrase.stop :]):
            yield from (
                (*way, phrase.relation) for way in self._joined(phrase.start, frozenset(("and",)))
            )
        elif rest[:1] == ("it",) and not any(self._is_kind[phrase.stop :]):
            # "a table with an apple on it"
            halves = list(self._joined(phrase.start, _WITH))
            yield from ((apple, table, phrase.relation) for table, apple in halves)
        elif self._is_object(before) and self._is_object(after):
            yield before, after, phrase.relation

    def _led_in(self, index: int) -> int:
        while index and self._known[index - 1] in _LEADS_IN:
            index -= 1
        return index

    def _joined(self, stop: int, joints: frozenset[str]) -> Iterator[tuple[_Span, _Span]]:
        """Yield the objects before and after each joint that lies between two of them."""
        for index in range(stop):
            if self._known[index] not in joints:
                continue
            before, after = (0, self._led_in(index)), (index + 1, stop)
            if self._is_object(before) and self._is_object(after) and self._is_named(after):
                yield before, after

    def _is_named(self, span: _Span) -> bool:
        """Whether the object is named before its parts."""
        start, stop = span
        kind = self._is_kind.index(True, start, stop)
        return not _WITH.intersection(self._known[start:kind])

    def _is_object(self, span: _Span) -> bool:
        """Whether words name one kind, and further ones as parts of it at most."""
        start, stop = span
        kinds = [index for index in range(start, stop) if self._is_kind[index]]
        if not kinds:
            return False
        # Names of two words, such as "pine tree", are one kind.
        further = [later for earlier, later in pairwise(kinds) if later > earlier + 1]
        return all(
            self._known[index] in _OF_ANOTHER
            and any(word in _WITH for word in self._known[kinds[0] : index])
            for index in further
        )
