# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of two objects: which kinds are there, in which color, and where.

It is the network of `judge`, asked otherwise: each kind is there or not, whatever else is, and
instead of a part's points it finds a kind's. So no order of the objects needs to be known, and a
color is that of the points which are of its own object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..training.shapes.labels import SceneLabels
from .judge import Judge, JudgeSpec, current_spec

NAME = "judge_scenes"
"""Of its files."""
NUM_POINTS = 2048
GLANCE = 512

_THERE = 0.0
"""Logit from which a kind is said to be there: more likely than not."""


@dataclass(frozen=True, slots=True)
class SceneVerdict:
    """What the judge sees in one cloud of a scene."""

    kinds: tuple[str, ...]
    """Of those that are there, the two likeliest, the likeliest first."""
    colors: tuple[str, ...]
    """Of each object that was asked for, in its order."""
    relation: str
    """How the first object lies to the second, by where the points of either are."""


def scene_spec() -> JudgeSpec:
    """Return the answers that the generator of today calls for."""
    spec = current_spec()
    return JudgeSpec(spec.kinds, spec.colours, spec.kinds)


@torch.inference_mode()
def judge_scene(judge: Judge, points: Tensor, colors: Tensor, asked: SceneLabels) -> SceneVerdict:
    """Say what there is in a cloud.

    Args:
        judge: of scenes, in evaluation mode.
        points: in random order, a multiple of `GLANCE`, [N, 3].
        colors: sRGB in [0, 1], [N, 3].
        asked: two objects of different kinds that the judge knows.
    """
    spec = judge.spec
    questions = torch.tensor([[spec.kinds.index(each.kind) for each in asked.objects]])
    glances = [
        judge.read(glance[None], paint[None], questions)
        for glance, paint in zip(points.split(GLANCE), colors.split(GLANCE), strict=True)
    ]
    kind = torch.cat([each.kind for each in glances]).mean(dim=0)
    color = torch.cat([each.colour for each in glances]).mean(dim=0)
    places = torch.cat([each.places for each in glances]).mean(dim=0)  # [Q, 3]
    likeliest = [index for index in kind.topk(2).indices.tolist() if kind[index] > _THERE]
    return SceneVerdict(
        kinds=tuple(spec.kinds[index] for index in likeliest),
        colors=tuple(spec.colours[index] for index in color.argmax(dim=-1).tolist()),
        relation=relation_of(*places.tolist()),
    )


def relation_of(first: Sequence[float], second: Sequence[float]) -> str:
    """Return how the first of two places lies to the second: more above or below, or beside it."""
    across = ((first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2) ** 0.5
    up = first[2] - second[2]
    if abs(up) <= across:
        return "next to"
    return "on" if up > 0 else "under"
