# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw attributes and build the shape that has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from .attributes import SAME, Kind, ShapeAttributes
from .builder import Shape, ShapeBuilder, Style
from .colours import COLOURS
from .kinds import FIRST_KINDS, KINDS, is_held_out

Split = Literal["train", "held_out", "any"]

_NATURAL_SHARE = 0.35
_SECOND_PART_SHARE = 0.55
_ADJECTIVE_SHARE = 0.35
_PART_JITTER = 0.03

STYLES = {
    "tall": Style(height=1.5, width=0.88),
    "short": Style(height=0.62, width=1.05),
    "wide": Style(height=0.9, width=1.5),
    "slim": Style(height=1.1, width=0.7, thickness=0.75),
    "chunky": Style(height=0.85, width=1.12, thickness=1.55),
    "small": Style(height=0.76, width=0.88, thickness=1.25),
}


def sample_attributes(
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    main_colour: str | None = None,
    split: Split = "train",
) -> ShapeAttributes:
    """Draw attributes; what is given is kept.

    Args:
        rng: source of the draw.
        kind: any of `KINDS`; drawn from `FIRST_KINDS` if None.
        main_colour: fixes it instead of drawing it.
        split: "train" avoids the held-out pairs, "held_out" draws nothing else.
    """
    if kind is None:
        kind = str(rng.choice(list(FIRST_KINDS)))
    entry = KINDS[kind]
    if main_colour is None:
        main_colour = draw_colour(rng, entry, split)
    adjective = None
    if rng.random() < _ADJECTIVE_SHARE:
        adjective = str(rng.choice(entry.adjectives))
    second_part = second_colour = None
    if entry.nameable_parts and rng.random() < _SECOND_PART_SHARE:
        part = entry.nameable_parts[int(rng.integers(len(entry.nameable_parts)))]
        second_part = part.name
        second_colour = draw_second_colour(rng, part.defaults, main_colour)
    return ShapeAttributes(
        kind=kind,
        main_colour=main_colour,
        second_part=second_part,
        second_colour=second_colour,
        adjective=adjective,
    )


def draw_colour(rng: np.random.Generator, kind: Kind, split: Split) -> str:
    """Draw a main colour, a natural one rather often."""

    def is_allowed(colour: str) -> bool:
        return split == "any" or is_held_out(kind.name, colour) == (split == "held_out")

    if split != "held_out" and rng.random() < _NATURAL_SHARE:
        return likeliest_first(rng, kind.natural)
    return str(rng.choice([colour for colour in COLOURS if is_allowed(colour)]))


def draw_second_colour(rng: np.random.Generator, defaults: Sequence[str], main_colour: str) -> str:
    """Draw a colour for a part that captions name, never the main one."""
    usual = [colour for colour in defaults if colour not in (SAME, main_colour)]
    if usual and rng.random() < 0.3:
        return str(rng.choice(usual))
    return str(rng.choice([colour for colour in COLOURS if colour != main_colour]))


def likeliest_first(rng: np.random.Generator, choices: Sequence[str]) -> str:
    """Draw a choice; each is 0.6 times as likely as the one before it."""
    weights = 0.6 ** np.arange(len(choices))
    return str(rng.choice(choices, p=weights / weights.sum()))


def build_shape(attributes: ShapeAttributes, rng: np.random.Generator) -> Shape:
    """Build one shape with these attributes; all else varies with `rng`."""
    kind = KINDS[attributes.kind]
    words = {"main": attributes.main_colour}
    for part in kind.parts:
        words[part.name] = draw_part_colour(rng, part.defaults, attributes.main_colour)
    if attributes.second_part is not None and attributes.second_colour is not None:
        words[attributes.second_part] = attributes.second_colour
    # A part in the main colour is exactly that, so jitter is drawn per colour word.
    drawn = {
        word: np.add(COLOURS[word].srgb, rng.uniform(-_PART_JITTER, _PART_JITTER, 3))
        for word in dict.fromkeys(words.values())
    }
    builder = ShapeBuilder(
        rng,
        _draw_style(rng, attributes.adjective),
        {part: drawn[word].tolist() for part, word in words.items()},
        {part: COLOURS[word].grain for part, word in words.items()},
        () if attributes.second_part is None else (attributes.second_part,),
    )
    kind.build(builder)
    return builder.finish(attributes)


def draw_part_colour(rng: np.random.Generator, defaults: Sequence[str], main_colour: str) -> str:
    """Draw a default colour; a part never takes the main colour by accident."""
    word = likeliest_first(rng, defaults)
    if word == SAME:
        return main_colour
    if word == main_colour:
        others = [d for d in defaults if d not in (SAME, main_colour)]
        return others[0] if others else ("white" if main_colour != "white" else "grey")
    return word


def _draw_style(rng: np.random.Generator, adjective: str | None) -> Style:
    base = STYLES[adjective] if adjective else Style()
    height, width, thickness = rng.uniform(0.93, 1.08, 3)
    return Style(
        height=base.height * height,
        width=base.width * width,
        thickness=base.thickness * thickness,
    )


def generate_shape(
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    main_colour: str | None = None,
    split: Split = "train",
) -> Shape:
    """Draw attributes and build a shape that has them."""
    attributes = sample_attributes(rng, kind=kind, main_colour=main_colour, split=split)
    return build_shape(attributes, rng)


def shape_rng(seed: int, index: int) -> np.random.Generator:
    """Return the generator of one object; objects are independent of how many are made."""
    return np.random.default_rng([seed, index])


def shape_at(seed: int, index: int, split: Split = "train") -> Shape:
    """Return object number `index` of the endless data set `seed`."""
    return generate_shape(shape_rng(seed, index), split=split)
