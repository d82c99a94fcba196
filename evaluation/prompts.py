# SPDX-License-Identifier: GPL-3.0-or-later
"""What packs are asked for: pairs that training never shows, words it never says, two objects."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from ..core.config import MAX_SEED
from ..training.shapes.attributes import held_out_colours
from ..training.shapes.generate import Split
from ..training.shapes.kinds import KINDS, known_combinations
from ..training.shapes.labels import MATERIALS, ObjectLabels, SceneLabels
from ..training.shapes.scenes import sample_object, sample_pair
from ..training.shapes.synonyms import (
    ADJECTIVE_WORDS,
    COLOR_WORDS,
    KIND_NOUNS,
    PART_NOUNS,
    RELATION_WORDS,
    UNSEEN_SYNONYMS,
)
from .streams import Stream, stream_rng

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPrompt:
    """One prompt and what a right answer is."""

    text: str
    asked: SceneLabels
    """Everything that the text says."""
    seed: int
    """Of the noise that the answer starts from."""
    unseen: str = ""
    """A word in it that no training caption has."""

    @property
    def part(self) -> tuple[str, str] | None:
        """The second part that it names, with its color."""
        parts = self.asked.objects[0].parts
        return parts[0] if parts else None


def held_out_prompts(
    num_prompts: int, seed: int, kinds: Collection[str] = KINDS.keys()
) -> tuple[EvaluationPrompt, ...]:
    """Return prompts spread evenly over kinds, and over the held-out colors of each kind."""
    names = stream_rng(Stream.PROMPTS, seed).permutation(sorted(kinds)).tolist()
    prompts = []
    for index in range(num_prompts):
        rng = stream_rng(Stream.PROMPTS, seed, index + 1)
        lap, place = divmod(index, len(names))
        colors = held_out_colours(KINDS[names[place]])
        asked = draw_object(
            rng, kind=names[place], color=colors[lap % len(colors)], split="held_out"
        )
        prompts.append(_object_prompt(asked, rng))
    return tuple(prompts)


def random_prompts(
    num_prompts: int,
    seed: int,
    kinds: Collection[str] = KINDS.keys(),
    stream: Stream = Stream.SHEET,
) -> tuple[EvaluationPrompt, ...]:
    """Return prompts as they come: any kind, any color, nothing chosen."""
    names = sorted(kinds)
    prompts = []
    for index in range(num_prompts):
        rng = stream_rng(stream, seed, index)
        asked = draw_object(rng, kind=names[int(rng.integers(len(names)))], split="any")
        prompts.append(_object_prompt(asked, rng))
    return tuple(prompts)


def synonym_prompts(
    num_prompts: int, seed: int, kinds: Collection[str] = KINDS.keys()
) -> tuple[EvaluationPrompt, ...]:
    """Return prompts with one word for a kind or a color that no training caption has.

    All else is in trained words, and the pair of kind and color is one that training shows, so
    that only the word is new. Words are asked for in turn, in an order drawn once.
    """
    words = [
        word
        for word, meaning in UNSEEN_SYNONYMS.items()
        if meaning in kinds or meaning in COLOR_WORDS
    ]
    words = stream_rng(Stream.SYNONYMS, seed).permutation(words).tolist()
    known = [pair for pair in known_combinations() if pair[0] in kinds]
    prompts = []
    for index in range(num_prompts):
        rng = stream_rng(Stream.SYNONYMS, seed, index + 1)
        word = words[index % len(words)]
        meaning = UNSEEN_SYNONYMS[word]
        kind, color = _pick(rng, [pair for pair in known if meaning in pair])
        said = (color, word) if meaning == kind else (word, KIND_NOUNS[kind][0])
        asked = SceneLabels(objects=(ObjectLabels(kind=kind, color=color),))
        text = with_article(" ".join(said))
        prompts.append(EvaluationPrompt(text=text, asked=asked, seed=_noise_seed(rng), unseen=word))
    return tuple(prompts)


def scene_prompts(
    num_prompts: int, seed: int, kinds: Collection[str] = KINDS.keys()
) -> tuple[EvaluationPrompt, ...]:
    """Return prompts for two objects, one on, next to or under the other.

    Training never shows their kinds together, but each of them with others, in colors that it
    shows.
    """
    relations = list(RELATION_WORDS)
    prompts = []
    for index in range(num_prompts):
        rng = stream_rng(Stream.SCENES, seed, index)
        relation = relations[index % len(relations)]
        objects = _held_out_pair(rng, relation, kinds)
        asked = SceneLabels(objects=objects, relation=relation)
        phrases = [plain_caption(each, rng) for each in objects]
        text = f"{phrases[0]} {_word(RELATION_WORDS[relation], rng)} {phrases[1]}"
        prompts.append(EvaluationPrompt(text=text, asked=asked, seed=_noise_seed(rng)))
    return tuple(prompts)


def _held_out_pair(
    rng: np.random.Generator, relation: str, kinds: Collection[str]
) -> tuple[ObjectLabels, ...]:
    """Draw two objects of different kinds; of each the kind and the main color are asked for."""
    while True:
        drawn = sample_pair(rng, "held_out", relation).objects
        names = {each.kind for each in drawn}
        if len(names) == 2 and names <= set(kinds):
            return tuple(ObjectLabels(kind=each.kind, color=each.color) for each in drawn)


def draw_object(
    rng: np.random.Generator, *, kind: str, split: Split, color: str | None = None
) -> ObjectLabels:
    """Draw what to ask of one object of a kind: at most one part, and no tint of a material."""
    drawn = sample_object(rng, kind=kind, color=color, split=split, max_parts=1)
    return replace(drawn, material=drawn.color if drawn.color in MATERIALS else "")


def plain_caption(asked: ObjectLabels, rng: np.random.Generator) -> str:
    """Say everything there is to say as people ask for it: "a tall red mushroom with ...".

    The usual word stands for every kind and color half of the time, else any trained word for it.
    """
    words = [_word(COLOR_WORDS[asked.color], rng), _word(KIND_NOUNS[asked.kind], rng)]
    if asked.adjective:
        words.insert(0, _pick(rng, ADJECTIVE_WORDS[asked.adjective]))
    text = with_article(" ".join(words))
    if not asked.parts:
        return text
    part, color = asked.parts[0]
    noun = _pick(rng, PART_NOUNS[part])
    article, _, bare = noun.partition(" ")
    color = _word(COLOR_WORDS[color], rng)
    if article in ("a", "an"):
        return f"{text} with {with_article(f'{color} {bare}')}"
    return f"{text} with {color} {noun}"


def with_article(phrase: str) -> str:
    """Return the phrase with "a" or "an" before it."""
    return ("an " if phrase[0] in "aeiou" else "a ") + phrase


def _object_prompt(asked: ObjectLabels, rng: np.random.Generator) -> EvaluationPrompt:
    text = plain_caption(asked, rng)
    return EvaluationPrompt(text=text, asked=SceneLabels(objects=(asked,)), seed=_noise_seed(rng))


def _noise_seed(rng: np.random.Generator) -> int:
    return int(rng.integers(MAX_SEED))


def _word(words: Sequence[str], rng: np.random.Generator) -> str:
    return words[0] if rng.random() < 0.5 else _pick(rng, words)


def _pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    return choices[int(rng.integers(len(choices)))]
