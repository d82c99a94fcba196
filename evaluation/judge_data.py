# SPDX-License-Identifier: GPL-3.0-or-later
"""Ground truth for judges to learn from and to be tried on: clouds, and what to ask of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from ..training.shapes.colours import COLOURS
from ..training.shapes.field import ShapeBatch
from ..training.shapes.labels import SceneLabels
from ..training.shapes.scenes import build_scene, sample_object, sample_pair
from .judge import MAIN_PART, JudgeSpec
from .scene_judge import NUM_POINTS as NUM_SCENE_POINTS
from .streams import Stream, stream_generator, stream_rng
from .surface import ground_truth_clouds

NO_ANSWER = -100
"""Target of a part that the shape does not have; cross entropy leaves it out."""

_STORED_POINTS = 1280
_BATCH = 8
_PAIR_SHARE = 0.7
"""Of scenes that hold two objects; the others teach that a second one need not be there."""


@dataclass(frozen=True, slots=True)
class JudgeData:
    """Clouds of ground truth with what there is to know about them."""

    points: Tensor  # [S, N, 3]
    colors: Tensor  # [S, N, 3], sRGB
    kinds: Tensor  # [S, K], 1 for each kind that is there
    parts: Tensor  # [S, 2], what is asked for: main and a second part, or the kinds of a scene
    part_colours: Tensor  # [S, 2]
    labels: tuple[SceneLabels, ...]


Draw = Callable[[np.random.Generator, JudgeSpec], SceneLabels]
"""Draws what a shape shall be."""


def draw_object(rng: np.random.Generator, spec: JudgeSpec) -> SceneLabels:
    """Draw one object with every kind and every main colour equally likely."""
    kind, colour = str(rng.choice(spec.kinds)), str(rng.choice(list(COLOURS)))
    return SceneLabels(objects=(sample_object(rng, kind=kind, color=colour, split="any"),))


def draw_scene(rng: np.random.Generator, spec: JudgeSpec) -> SceneLabels:
    """Draw two objects of different kinds, or one to three that are alike."""
    if rng.random() > _PAIR_SHARE:
        return replace(draw_object(rng, spec), count=int(rng.integers(1, 4)))
    while True:
        pair = sample_pair(rng, "any")
        names = {each.kind for each in pair.objects}
        if len(names) == 2 and names <= set(spec.kinds):
            return pair


def generate_clouds(
    spec: JudgeSpec, stream: Stream, seed: int, count: int, draw: Draw = draw_object
) -> JudgeData:
    """Build fresh shapes and spread points over them."""
    clouds: list[tuple[Tensor, Tensor]] = []
    labels: list[SceneLabels] = []
    rngs = [stream_rng(stream, seed, index) for index in range(count)]
    num_points = NUM_SCENE_POINTS if draw is draw_scene else _STORED_POINTS
    for start in range(0, count, _BATCH):
        shapes = [build_scene(draw(rng, spec), rng) for rng in rngs[start : start + _BATCH]]
        generator = stream_generator(Stream.SURFACE, seed, start)
        clouds.append(ground_truth_clouds(ShapeBatch(shapes), num_points, generator))
        labels.extend(shape.labels for shape in shapes if shape.labels is not None)
    ask = _ask_scene if draw is draw_scene else _ask_object
    questions = [ask(spec, each, rng) for each, rng in zip(labels, rngs, strict=True)]
    kinds = torch.zeros(count, len(spec.kinds))
    for row, each in enumerate(labels):
        kinds[row, [spec.kinds.index(known.kind) for known in each.objects]] = 1.0
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


def _ask_scene(
    spec: JudgeSpec, known: SceneLabels, rng: np.random.Generator
) -> tuple[list[int], list[int]]:
    """Return the kinds whose colours are asked for, and the answers."""
    objects = [known.objects[0], known.objects[-1]]
    kinds = [spec.parts.index(each.kind) for each in objects]
    colours = [spec.colours.index(each.color) for each in objects]
    return kinds, colours if len(known.objects) == 2 else [colours[0], NO_ANSWER]
