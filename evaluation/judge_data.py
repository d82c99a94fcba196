# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground truth for judges to learn from and to be tried on: clouds, and what to ask of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..training.shapes.colours import COLOURS
from ..training.shapes.field import ShapeBatch
from ..training.shapes.labels import SceneLabels
from ..training.shapes.pieces import Shape
from ..training.shapes.scenes import build_scene, sample_object, sample_pair
from .judge import MAIN_PART, JudgeSpec
from .streams import Stream, stream_generator, stream_rng
from .surface import ground_truth_clouds, ground_truth_points

NO_ANSWER = -100
"""Target of a part that the shape does not have; cross entropy leaves it out."""
STORED_POINTS = 1280
STORED_SCENE_POINTS = 768

_BATCH = 8
_PAIR_SHARE = 0.85
"""Of scenes that hold two objects; the others teach that a second one need not be there."""


@dataclass(frozen=True, slots=True)
class JudgeData:
    """Clouds of single objects with what there is to know about them."""

    points: Tensor  # [S, N, 3]
    colors: Tensor  # [S, N, 3], sRGB
    kinds: Tensor  # [S, K], 1 for the kind
    parts: Tensor  # [S, 2], what is asked for: main and a second part
    part_colours: Tensor  # [S, 2]
    labels: tuple[SceneLabels, ...]


@dataclass(frozen=True, slots=True)
class SceneData:
    """Clouds of scenes with one or two objects, and which point belongs to which."""

    points: Tensor  # [S, N, 3]
    colors: Tensor  # [S, N, 3], sRGB
    sides: Tensor  # [S, N], 0: of the lower or left object, or of the only one; 1: of the other
    labels: tuple[SceneLabels, ...]


def draw_object(rng: np.random.Generator, spec: JudgeSpec) -> SceneLabels:
    """Draw one object with every kind and every main colour equally likely."""
    kind, colour = str(rng.choice(spec.kinds)), str(rng.choice(list(COLOURS)))
    return SceneLabels(objects=(sample_object(rng, kind=kind, color=colour, split="any"),))


def draw_scene(rng: np.random.Generator, spec: JudgeSpec) -> SceneLabels:
    """Draw two objects of different kinds, or one."""
    if rng.random() > _PAIR_SHARE:
        return draw_object(rng, spec)
    while True:
        pair = sample_pair(rng, "any")
        names = {each.kind for each in pair.objects}
        if len(names) == 2 and names <= set(spec.kinds):
            return pair


def generate_clouds(spec: JudgeSpec, stream: Stream, seed: int, count: int) -> JudgeData:
    """Build fresh single objects and spread points over them."""
    rngs = [stream_rng(stream, seed, index) for index in range(count)]
    clouds: list[tuple[Tensor, Tensor]] = []
    labels: list[SceneLabels] = []
    for start in range(0, count, _BATCH):
        drawn = [(draw_object(rng, spec), rng) for rng in rngs[start : start + _BATCH]]
        shapes = [build_scene(asked, rng) for asked, rng in drawn]
        generator = stream_generator(Stream.SURFACE, seed, start)
        clouds.append(ground_truth_clouds(ShapeBatch(shapes), STORED_POINTS, generator))
        labels.extend(_labels(shape) for shape in shapes)
    questions = [_ask_object(spec, each, rng) for each, rng in zip(labels, rngs, strict=True)]
    kinds = torch.zeros(count, len(spec.kinds))
    for row, each in enumerate(labels):
        kinds[row, spec.kinds.index(each.objects[0].kind)] = 1.0
    return JudgeData(
        points=torch.cat([points for points, _ in clouds]),
        colors=torch.cat([colors for _, colors in clouds]),
        kinds=kinds,
        parts=torch.tensor([parts for parts, _ in questions]),
        part_colours=torch.tensor([colours for _, colours in questions]),
        labels=tuple(labels),
    )


def _ask_object(
    spec: JudgeSpec, known: SceneLabels, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Return the parts to ask for, the second one drawn from those there are, and the answers."""
    first = known.objects[0]
    parts, main = [spec.parts.index(MAIN_PART)] * 2, spec.colours.index(first.color)
    there = [pair for pair in first.parts if pair[0] in spec.parts]
    if not there:
        return parts, [main, NO_ANSWER]
    part, colour = there[int(rng.integers(len(there)))]
    return [parts[0], spec.parts.index(part)], [main, spec.colours.index(colour)]


def generate_scenes(
    spec: JudgeSpec, stream: Stream, seed: int, count: int, num_points: int = STORED_SCENE_POINTS
) -> SceneData:
    """Build fresh scenes and spread points over them."""
    pieces: list[tuple[Tensor, Tensor, Tensor]] = []
    labels: list[SceneLabels] = []
    for start in range(0, count, _BATCH):
        rngs = [stream_rng(stream, seed, index) for index in range(start, count)[:_BATCH]]
        shapes = [build_scene(draw_scene(rng, spec), rng) for rng in rngs]
        batch = ShapeBatch(shapes)
        generator = stream_generator(Stream.SURFACE, seed, start)
        points, owners = ground_truth_points(batch, num_points, generator)
        sides = torch.stack(list(_sides(shapes, points, owners)))
        pieces.append((points, batch.colours[owners], sides))
        labels.extend(_labels(shape) for shape in shapes)
    points, colors, sides = (torch.cat(each) for each in zip(*pieces, strict=True))
    return SceneData(points, colors, sides, tuple(labels))


def _sides(shapes: list[Shape], points: Tensor, owners: Tensor) -> Iterator[Tensor]:
    """Yield the side of each point of each scene, [N]."""
    groups = torch.from_numpy(np.concatenate([shape.groups for shape in shapes]))[owners]
    for shape, cloud, group in zip(shapes, points, groups, strict=True):
        relation = _labels(shape).relation
        is_first_higher = relation == "on"
        if relation == "next to":
            first, second = (cloud[group == number, 0].mean() for number in (0, 1))
            is_first_higher = bool(first > second)
        yield 1 - group if is_first_higher else group


def _labels(shape: Shape) -> SceneLabels:
    """Return what there is in a scene; every scene that was built tells."""
    assert shape.labels is not None
    return shape.labels
