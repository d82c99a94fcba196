# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw and build one object of a scene."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .builder import ShapeBuilder, Style
from .colours import COLOURS
from .generate import STYLES, Split, draw_colour, draw_part_colour, draw_second_colour
from .kinds import KINDS
from .labels import ObjectLabels
from .pieces import CUTTER_ROLE, Pieces

_PART_SHARES = (0.35, 0.4, 0.25)
"""How often none, one or two parts of a single object are asked for."""
_ADJECTIVE_SHARE = 0.3
_TINT_SHARE, _TINT, _TINT_GRAIN = 0.07, 0.22, 0.02
_TINTS = ("wooden", "metal", "stone")
_JITTER = 0.03


def sample_object(
    rng: np.random.Generator,
    *,
    kind: str | None = None,
    color: str | None = None,
    split: Split = "train",
    max_parts: int = 2,
    avoid: str = "",
) -> ObjectLabels:
    """Draw one object; what is given is kept.

    Args:
        rng: source of the draw.
        kind, color: fix these instead of drawing them.
        split: "train" avoids the held-out pairs of kind and color, "held_out" draws only them.
        max_parts: how many parts may be asked for.
        avoid: a main color that is not drawn.
    """
    entry = KINDS[kind or str(rng.choice(list(KINDS)))]
    while color is None or color == avoid:
        color = draw_colour(rng, entry, split)
    names = [part.name for part in entry.nameable_parts]
    number = min(int(rng.choice(3, p=_PART_SHARES)), len(names), max_parts)
    parts: list[tuple[str, str]] = []
    for name in rng.permutation(names)[:number].tolist():
        part = next(part for part in entry.parts if part.name == name)
        parts.append((name, draw_second_colour(rng, part.defaults, color)))
    material = _draw_material(rng, color)
    adjective = str(rng.choice(entry.adjectives)) if rng.random() < _ADJECTIVE_SHARE else ""
    return ObjectLabels(
        kind=entry.name, color=color, parts=tuple(parts), material=material, adjective=adjective
    )


def repaint(
    labels: ObjectLabels, rng: np.random.Generator, split: Split = "train", avoid: str = ""
) -> ObjectLabels:
    """Draw other colors for an object and for the parts of it that are asked for.

    Args:
        labels: what is asked of it so far.
        rng: source of the draw.
        split: as for `sample_object`.
        avoid: a main color that is not drawn, besides its own.
    """
    entry = KINDS[labels.kind]
    color = labels.color
    while color in (labels.color, avoid):
        color = draw_colour(rng, entry, split)
    defaults = {part.name: part.defaults for part in entry.parts}
    parts = [(name, draw_second_colour(rng, defaults[name], color)) for name, _ in labels.parts]
    return replace(labels, color=color, parts=tuple(parts), material=_draw_material(rng, color))


def _draw_material(rng: np.random.Generator, color: str) -> str:
    if COLOURS[color].is_material:
        return color
    return str(rng.choice(_TINTS)) if rng.random() < _TINT_SHARE else ""


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """One object before it is placed."""

    pieces: Pieces
    labels: ObjectLabels
    """What was built: every part that has a name."""


def build_object(
    asked: ObjectLabels,
    rng: np.random.Generator,
    *,
    height: float = 1.0,
    paint: np.random.Generator | None = None,
) -> BuiltObject:
    """Build one object as asked.

    Args:
        asked: its parts are built and have the colors given; others get colors that are usual.
        rng: source of all else.
        height: a factor on the usual height.
        paint: source of what varies in color; then the shape follows from `rng` alone.
    """
    kind, given = KINDS[asked.kind], dict(asked.parts)
    painter = paint or rng
    words = {"main": asked.color}
    for part in kind.parts:
        usual = draw_part_colour(painter, part.defaults, asked.color)
        words[part.name] = given.get(part.name, usual)
    colors = {
        word: np.array(COLOURS[word].srgb) + painter.uniform(-_JITTER, _JITTER, 3)
        for word in dict.fromkeys(words.values())
    }
    grains = {part: COLOURS[word].grain for part, word in words.items()}
    if asked.material not in ("", asked.color):
        tint = np.array(COLOURS[asked.material].srgb)
        colors[asked.color] = (1.0 - _TINT) * colors[asked.color] + _TINT * tint
        grains |= {part: _TINT_GRAIN for part, word in words.items() if word == asked.color}
    paints = {part: colors[word].tolist() for part, word in words.items()}
    builds = (kind.build, *kind.styles)
    chosen = builds[int(rng.integers(len(builds)))]
    style = _draw_style(rng, asked.adjective, height)
    # A style without a part that was asked for gives way to the usual one, which has them all.
    for build in (chosen, kind.build):
        builder = ShapeBuilder(rng, style, paints, grains, tuple(given), paint)
        build(builder)
        pieces = builder.pieces()
        if set(given) <= set(pieces.parts):
            break
    return BuiltObject(pieces, replace(asked, parts=_named_parts(asked, pieces, words)))


def _named_parts(
    asked: ObjectLabels, pieces: Pieces, words: dict[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return the parts with a name that were built, those asked for first."""
    built = {
        part for part, role in zip(pieces.parts, pieces.roles, strict=True) if role != CUTTER_ROLE
    }
    names = dict.fromkeys(name for name, _ in asked.parts)
    names |= dict.fromkeys(part.name for part in KINDS[asked.kind].nameable_parts)
    return tuple((name, words[name]) for name in names if name in built)


def _draw_style(rng: np.random.Generator, adjective: str, height: float) -> Style:
    base = STYLES[adjective] if adjective else Style()
    high, wide, thick = rng.uniform(0.9, 1.12, 3)
    return Style(
        height=base.height * high * height,
        width=base.width * wide,
        thickness=base.thickness * thick,
    )
