# SPDX-License-Identifier: GPL-3.0-or-later
"""Draw what a scene shall hold, and build it: one object, several alike, or two with a relation.

A scene depends on its seed and index alone, so that any process can make any part of a data set.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .arrange import COVERS, STANDS_BADLY, SUPPORTS, Patch, beneath, beside, upon
from .attributes import ShapeAttributes
from .generate import Split, shape_rng
from .kinds import KINDS, is_held_out_pair
from .labels import ObjectLabels, SceneLabels
from .objects import build_object, repaint, sample_object
from .pieces import Pieces, Shape, finished, settle

__all__ = [
    "build_object",
    "build_scene",
    "sample_object",
    "sample_pair",
    "sample_scene",
    "scene_at",
]

_COUNT_SHARE, _PAIR_SHARE = 0.1, 0.27
_RELATION_SHARES = {"on": 0.4, "next to": 0.35, "under": 0.25}
_ON_SUPPORT_SHARE = 0.25
"""How often what is under another bears it, where the upper one could also shelter it."""

_PAINT_STREAM = 3

_ANYWHERE = Patch(0.0, 0.0, 0.6, 0.6)


def sample_scene(
    rng: np.random.Generator, split: Split = "train", *, is_single: bool = False
) -> SceneLabels:
    """Draw what is asked of a scene: of its parts only those that shall have a color of their own.

    Args:
        rng: source of the draw.
        split: "train" has no held-out pair of kind and color and no held-out pair of kinds;
            "held_out" has nothing else; "any" does not look.
        is_single: one object and no more.
    """
    lot = rng.random()
    if is_single:
        lot = 1.0
    if lot < _PAIR_SHARE:
        return sample_pair(rng, split)
    count = int(rng.integers(2, 4)) if lot < _PAIR_SHARE + _COUNT_SHARE else 1
    return SceneLabels(objects=(sample_object(rng, split=split),), count=count)


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


def build_scene(
    asked: SceneLabels, rng: np.random.Generator, paint: np.random.Generator | None = None
) -> Shape:
    """Build a scene that is as asked; all else varies with `rng`, colors with `paint` if given.

    Returns:
        A shape whose labels tell everything that was built: what was asked, and besides the colors
        of all parts that have a name.
    """
    is_cover = asked.relation == "under" and asked.objects[-1].kind in COVERS
    built = [
        build_object(each, rng, height=1.3 if is_cover and index == 1 else 1.0, paint=paint)
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
        sheltered = _sheltered(objects, cover, 0.8 * size, seed)
        if sheltered is not None:
            return sheltered
        patch = SUPPORTS.get(asked.objects[0].kind, _ANYWHERE)
        raised = upon(objects[1], objects[0], patch, 1.2 * size, seed)
        return _swapped(raised)
    return objects[0]


def _sheltered(objects: list[Pieces], cover: str, size: float, seed: int) -> Pieces | None:
    """Return the first object under the second, None if that kind has no room under it."""
    if cover not in COVERS:
        return None
    return beneath(objects[0], objects[1], cover, size, seed)


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
    return replace(
        pieces,
        solids=pieces.solids[order],
        params=pieces.params[order],
        rotations=pieces.rotations[order],
        centres=pieces.centres[order],
        colours=pieces.colours[order],
        roles=pieces.roles[order],
        floors=pieces.floors[order],
        groups=1 - pieces.groups[order],
        parts=tuple(pieces.parts[index] for index in order),
    )


def scene_at(
    seed: int,
    index: int,
    split: Split = "train",
    num_paints: int = 1,
    *,
    is_single: bool = False,
) -> Shape:
    """Return scene number `index` of the endless data set `seed`.

    With several paints, as many scenes in a row have the same shape, in colors of their own: so
    nobody who learns from them can take a shape for a sign of its color.
    """
    number, copy = divmod(index, num_paints)
    rng = shape_rng(seed, number)
    asked = sample_scene(rng, split, is_single=is_single)
    if num_paints == 1:
        return build_scene(asked, rng)
    paint = np.random.default_rng([seed, number, copy, _PAINT_STREAM])
    return build_scene(_repainted(asked, paint, split) if copy else asked, rng, paint)


def _repainted(asked: SceneLabels, rng: np.random.Generator, split: Split) -> SceneLabels:
    objects: list[ObjectLabels] = []
    for each in asked.objects:
        # Two objects differ in color, and pairs of kinds that are held out have trained colors.
        colors: Split = "train" if len(asked.objects) == 2 and split == "held_out" else split
        objects.append(repaint(each, rng, colors, objects[0].color if objects else ""))
    return replace(asked, objects=tuple(objects))
