# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts for pairs of kind and colour that training never shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.config import MAX_SEED
from ..training.shapes.attributes import ADJECTIVES, ShapeAttributes, held_out_colours
from ..training.shapes.captions import colour_word, with_article
from ..training.shapes.generate import sample_attributes
from ..training.shapes.kinds import KINDS
from .streams import Stream, stream_rng


@dataclass(frozen=True, slots=True)
class EvaluationPrompt:
    """One prompt and what a right answer is."""

    text: str
    attributes: ShapeAttributes
    """Everything that the text says."""
    seed: int
    """Of the noise that the answer starts from."""


def held_out_prompts(num_prompts: int, seed: int) -> tuple[EvaluationPrompt, ...]:
    """Return prompts spread evenly over the kinds, and over the held-out colours of each kind."""
    kinds = stream_rng(Stream.PROMPTS, seed).permutation(list(KINDS)).tolist()
    prompts = []
    for index in range(num_prompts):
        rng = stream_rng(Stream.PROMPTS, seed, index + 1)
        lap, place = divmod(index, len(kinds))
        colours = held_out_colours(KINDS[kinds[place]])
        attributes = sample_attributes(
            rng, kind=kinds[place], main_colour=colours[lap % len(colours)], split="held_out"
        )
        text = plain_caption(attributes, rng)
        prompts.append(EvaluationPrompt(text, attributes, int(rng.integers(MAX_SEED))))
    return tuple(prompts)


def plain_caption(attributes: ShapeAttributes, rng: np.random.Generator) -> str:
    """Say everything there is to say as people ask for it: "a tall red mushroom with ...".

    The usual word stands for every kind and colour half of the time, else any word for it.
    """
    kind = KINDS[attributes.kind]
    noun = kind.nouns[0] if rng.random() < 0.5 else str(rng.choice(kind.nouns))
    words = [colour_word(attributes.main_colour, rng), noun]
    if attributes.adjective is not None:
        words.insert(0, str(rng.choice(ADJECTIVES[attributes.adjective])))
    text = with_article(" ".join(words))
    if attributes.second_part is None or attributes.second_colour is None:
        return text
    part = next(each for each in kind.parts if each.name == attributes.second_part)
    noun = str(rng.choice(part.nouns))
    article, _, bare = noun.partition(" ")
    colour = colour_word(attributes.second_colour, rng)
    if article in ("a", "an"):
        return f"{text} with {with_article(f'{colour} {bare}')}"
    return f"{text} with {colour} {noun}"
