# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what a scene shall hold, and build it: one object, several alike, or two with a relation.

A scene depends on its seed and index alone, so that any process can make any part of a data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .arrange import COVERS, STANDS_BADLY, SUPPORTS, Patch, beneath, beside, upon
from .attributes import ShapeAttributes
from .builder import ShapeBuilder, Style
from .colours import COLOURS
from .generate import (
    STYLES,
    Split,
    draw_colour,
    draw_part_colour,
    draw_second_colour,
    shape_rng,
)
from .kinds import KINDS, is_held_out_pair
from .labels import ObjectLabels, SceneLabels
from .pieces import CUTTER_ROLE, Pieces, Shape, finished, settle

_COUNT_SHARE, _PAIR_SHARE = 0.1, 0.27
_RELATION_SHARES = {"on": 0.4, "next to": 0.35, "under": 0.25}
_PART_SHARES = (0.35, 0.4, 0.25)
"""How often none, one or two parts of a single object are asked for."""
_ADJECTIVE_SHARE = 0.3
_TINT_SHARE, _TINT, _TINT_GRAIN = 0.07, 0.22, 0.02
_TINTS = ("wooden", "metal", "stone")
_JITTER = 0.03
_ON_SUPPORT_SHARE = 0.25
"""How often what is under another bears it, where the upper one could also shelter it."""


_ANYWHERE = Patch(0.0, 0.0, 0.6, 0.6)


def sample_scene(rng: np.random.Generator, split: Split = "train") -> SceneLabels:
    """Draw what is asked of a scene: of its parts only those that shall have a color of their own.

    Args:
        rng: source of the draw.
        split: "train" has no held-out pair of kind and color and no held-out pair of kinds;
            "held_out" has nothing else; "any" does not look.
    """
    lot = rng.random()
    if lot < _PAIR_SHARE:
        return sample_pair(rng, split)
    count = int(rng.integers(2, 4)) if lot < _PAIR_SHARE + _COUNT_SHARE else 1
    return SceneLabels(objects=(sample_object(rng, split=split),), count=count)


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
    material = color if COLOURS[color].is_material else ""
    if not material and rng.random() < _TINT_SHARE:
        material = str(rng.choice(_TINTS))
    adjective = str(rng.choice(entry.adjectives)) if rng.random() < _ADJECTIVE_SHARE else ""
    return ObjectLabels(
        kind=entry.name, color=color, parts=tuple(parts), material=material, adjective=adjective
    )


def sample_pair(
    rng: np.random.Generator, split: Split = "train", relation: str | None = None
) -> SceneLabels:
    """Draw two objects with a relation that their kinds allow.

    The colors of held-out pairs of kinds are such as training shows, so that only the pair is new.
    """
    drawn = str(rng.choice(list(_RELATION_SHARES), p=list(_RELATION_SHARES.values())))
    relation = relation or drawn
    while True:
        first, second = _draw_kinds(rng, relation)
        if split == "any" or is_held_out_pair(first, second) == (split == "held_out"):
            break
    colors: Split = "any" if split == "any" else "train"
    one = sample_object(rng, kind=first, split=colors, max_parts=1)
    two = sample_object(rng, kind=second, split=colors, max_parts=1, avoid=one.color)
    return SceneLabels(objects=(one, two), relation=relation)


def _draw_kinds(rng: np.random.Generator, relation: str) -> tuple[str, str]:
    def pick(choices: Sequence[str]) -> str:
        return str(rng.choice(choices))

    if relation == "next to":
        return pick(list(KINDS)), pick(list(KINDS))
    standing = [kind for kind in KINDS if kind not in STANDS_BADLY]
    if relation == "on":
        return pick(standing), pick(list(SUPPORTS))
    if rng.random() < _ON_SUPPORT_SHARE:
        return pick(list(SUPPORTS)), pick(standing)
    return pick(standing), pick(list(COVERS))


@dataclass(frozen=True, slots=True)
class BuiltObject:
    """One object before it is placed."""

    pieces: Pieces
    labels: ObjectLabels
    """What was built: every part that has a name."""


def build_scene(asked: SceneLabels, rng: np.random.Generator) -> Shape:
    """Build a scene that is as asked; all else varies with `rng`.

    Returns:
        A shape whose labels tell everything that was built: what was asked, and besides the colors
        of all parts that have a name.
    """
    is_cover = asked.relation == "under" and asked.objects[-1].kind in COVERS
    built = [
        build_object(each, rng, height=1.3 if is_cover and index == 1 else 1.0)
        for index, each in enumerate(asked.objects)
    ]
    labels = replace(asked, objects=tuple(each.labels for each in built))
    pieces = _arranged(asked, [settle(each.pieces) for each in built], rng)
    first = asked.objects[0]
    attributes = ShapeAttributes(
        kind=first.kind,
        main_colour=first.color,
        second_part=first.parts[0][0] if first.parts else None,
        second_colour=first.parts[0][1] if first.parts else None,
        adjective=first.adjective or None,
    )
    return finished(settle(pieces), attributes, labels)


def _arranged(asked: SceneLabels, objects: list[Pieces], rng: np.random.Generator) -> Pieces:
    """Return the objects in one place, in the order of the labels."""
    size, seed = float(rng.uniform(0.55, 0.85)), int(rng.integers(2**31))
    if asked.count > 1:
        return _several(objects[0], asked.count, rng)
    if asked.relation == "next to":
        return _side_by_side(objects, rng)
    if asked.relation == "on":
        kind = asked.objects[1].kind
        return upon(objects[0], objects[1], SUPPORTS.get(kind, _ANYWHERE), size, seed)
    if asked.relation == "under":
        cover = asked.objects[1].kind
        sheltered = beneath(*objects, cover, 0.8 * size, seed) if cover in COVERS else None
        if sheltered is not None:
            return sheltered
        patch = SUPPORTS.get(asked.objects[0].kind, _ANYWHERE)
        raised = upon(objects[1], objects[0], patch, 1.2 * size, seed)
        return _swapped(raised)
    return objects[0]


def _several(pieces: Pieces, count: int, rng: np.random.Generator) -> Pieces:
    """Return two or three alike, in a row, the middle one of three perhaps behind."""
    copies = [
        pieces.moved(float(rng.uniform(0.9, 1.1)), (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        for _ in range(count)
    ]
    shifts = rng.uniform(-0.12, 0.12, count)
    gaps = rng.uniform(0.18, 0.35, count - 1)
    if count == 3 and rng.random() < 0.4:
        low, high = pieces.bounds()
        # Behind the other two and between them, which still leaves a gap on every side.
        shifts[1] += 1.15 * float(high[1] - low[1]) + 0.2
        gaps -= min(0.4 * float(high[0] - low[0]), 0.5)
    return beside(copies, gaps.tolist(), shifts.tolist())


def _side_by_side(objects: list[Pieces], rng: np.random.Generator) -> Pieces:
    scales = (1.0, float(rng.uniform(0.65, 1.25)))
    sized = [
        each.moved(scale, (0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
        for each, scale in zip(objects, scales, strict=True)
    ]
    gap, shifts = float(rng.uniform(0.1, 0.3)), rng.uniform(-0.15, 0.15, 2).tolist()
    if rng.random() < 0.5:
        return beside(sized, [gap], shifts)
    return _swapped(beside(sized[::-1], [gap], shifts))


def _swapped(pieces: Pieces) -> Pieces:
    """Return the pieces of two objects with the second one's first."""
    order = np.argsort(1 - pieces.groups, kind="stable")
    return Pieces(
        **{
            name: getattr(pieces, name)[order]
            for name in ("solids", "params", "rotations", "centres", "colours", "roles", "floors")
        },
        groups=1 - pieces.groups[order],
        parts=tuple(pieces.parts[index] for index in order),
    )


def build_object(
    asked: ObjectLabels, rng: np.random.Generator, *, height: float = 1.0
) -> BuiltObject:
    """Build one object as asked.

    Args:
        asked: its parts are built and have the colors given; others get colors that are usual.
        rng: source of all else.
        height: a factor on the usual height.
    """
    kind, given = KINDS[asked.kind], dict(asked.parts)
    words = {"main": asked.color}
    for part in kind.parts:
        usual = draw_part_colour(rng, part.defaults, asked.color)
        words[part.name] = given.get(part.name, usual)
    paint = {
        word: np.add(COLOURS[word].srgb, rng.uniform(-_JITTER, _JITTER, 3))
        for word in dict.fromkeys(words.values())
    }
    grains = {part: COLOURS[word].grain for part, word in words.items()}
    if asked.material not in ("", asked.color):
        tint = np.array(COLOURS[asked.material].srgb)
        paint[asked.color] = (1.0 - _TINT) * paint[asked.color] + _TINT * tint
        grains |= {part: _TINT_GRAIN for part, word in words.items() if word == asked.color}
    builder = ShapeBuilder(
        rng,
        _draw_style(rng, asked.adjective, height),
        {part: paint[word] for part, word in words.items()},
        grains,
        tuple(given),
    )
    builds = (kind.build, *kind.styles)
    builds[int(rng.integers(len(builds)))](builder)
    pieces = builder.pieces()
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


def scene_at(seed: int, index: int, split: Split = "train") -> Shape:
    """Return scene number `index` of the endless data set `seed`."""
    rng = shape_rng(seed, index)
    return build_scene(sample_scene(rng, split), rng)
