# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of two objects: which kinds are there, in which color, and where.

A network that knows no kinds divides the points among two objects, and the judge of single objects
looks at either of them, as if it stood there alone. Of divisions that are about as likely, the one
counts in which it is surest of both. What was asked for says only in which order to answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ..training.shapes.labels import SceneLabels
from ..training.shapes.pieces import HALF_EXTENT
from .divider import Divider, divide, load_divider
from .judge import MODELS_DIR, Judge, JudgeSpec, load_judge, look
from .judge import NUM_POINTS as NUM_OBJECT_POINTS

NAME = "judge_scenes"
"""Of the divider's files."""
NUM_POINTS = 2048

_GLANCE = 256
"""Points of an object by which divisions are compared."""
_DIVIDER_SAYS = 6.0
"""Weight of the divider's opinion beside the judge's."""
_LEAST_SHARE = 0.015
"""Of the points; fewer are no object."""
_STRAY_SHARE = 0.002
"""Of an object's points at either end of each axis, which say nothing of its size."""
_FRINGE_SHARE = 0.05
"""The same, where it is asked what lies over what."""
_SHARED_SIDE = 0.25
"""Of the narrower object's side, from which on two objects share a place on the ground."""


@dataclass(frozen=True, slots=True)
class SceneVerdict:
    """What the judge sees in one cloud of a scene."""

    kinds: tuple[str, ...]
    """Of the objects that are there, at most two, each kind once, the surest first."""
    colors: tuple[str, ...]
    """Of each object that was asked for, in its order."""
    relation: str
    """How the first object lies to the second, by where the points of either are; "" where there
    is but one."""


@dataclass(frozen=True, slots=True)
class SceneJudge:
    """Who divides scenes, and who judges their objects."""

    divider: Divider
    judge: Judge

    @property
    def spec(self) -> JudgeSpec:
        """What it can answer of either object."""
        return self.judge.spec


def load_scene_judge(folder: Path = MODELS_DIR) -> SceneJudge:
    """Read the divider and the judge of single objects from one folder.

    Raises:
        CheckpointError: a file is missing or damaged.
    """
    return SceneJudge(load_divider(folder, NAME), load_judge(folder))


@torch.inference_mode()
def judge_scene(
    judge: SceneJudge, points: Tensor, colors: Tensor, asked: SceneLabels
) -> SceneVerdict:
    """Say what there is in a cloud.

    Args:
        judge: in evaluation mode.
        points: in random order, a multiple of `GLANCE` of the divider, [N, 3].
        colors: sRGB in [0, 1], [N, 3].
        asked: one object, or two of different kinds, that the judge knows.
    """
    spec, places = judge.spec, _places(judge, points)
    looks = [_look(judge.judge, points[rows], colors[rows]) for rows in places]
    kinds = torch.stack([kind for kind, _ in looks]).log_softmax(dim=-1)  # [sides, K]
    order = _order(kinds[:, [spec.kinds.index(each.kind) for each in asked.objects]])
    surest = kinds.amax(dim=-1).argsort(descending=True).tolist()
    named = dict.fromkeys(spec.kinds[int(kinds[side].argmax())] for side in surest)
    shown = [spec.colours[int(looks[side][1].argmax())] for side in order]
    is_pair = len(places) == len(order) == 2
    relation = relation_of(*(points[places[side]] for side in order)) if is_pair else ""
    return SceneVerdict(tuple(named), tuple(shown), relation)


def _places(judge: SceneJudge, points: Tensor) -> list[Tensor]:
    """Return the rows of one or two objects' points, as the scene is divided best.

    That is where the judge is surest of what both objects are, whatever these are, and the divider
    does not object.
    """
    ways = divide(judge.divider, points)
    scores = _DIVIDER_SAYS * ways.likelihoods
    divided = [_objects(sides) for sides in ways.sides]
    for row, places in enumerate(divided):
        sure = [_sureness(judge.judge, points[rows]) for rows in places]
        # A single object counts twice, as two do.
        scores[row] += 2 * sum(sure) / len(sure)
    return divided[int(scores.argmax())]


def _objects(sides: Tensor) -> list[Tensor]:
    """Return the rows of the points of either side that is an object."""
    rows = [(sides == side).nonzero()[:, 0] for side in (0, 1)]
    return [each for each in rows if len(each) >= _LEAST_SHARE * len(sides)]


def _sureness(judge: Judge, points: Tensor) -> float:
    """Return the logarithm of the likeliest kind's share, by one glance at an object."""
    glance = settled(points)[torch.arange(_GLANCE) % len(points)]
    kind, _ = judge(glance[None], glance[None], torch.zeros(1, 1, dtype=torch.long))
    return float(kind.log_softmax(dim=-1).amax())


def _look(judge: Judge, points: Tensor, colors: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of kind [K] and main color [C] of one side of a scene."""
    # A small object has fewer points than the judge reads: it sees them several times.
    rows = torch.arange(NUM_OBJECT_POINTS) % len(points)
    kind, color = look(judge, settled(points)[rows], colors[rows], None)
    return kind, color[0]


def _order(fits: Tensor) -> tuple[int, ...]:
    """Return the side of each object asked for, by how well each side fits each, [sides, A]."""
    num_sides, num_asked = fits.shape
    if num_sides == 1 or num_asked == 1:
        return (int(fits[:, 0].argmax()),) * num_asked
    is_swapped = bool(fits[0, 1] + fits[1, 0] > fits[0, 0] + fits[1, 1])
    return (1, 0) if is_swapped else (0, 1)


def settled(points: Tensor) -> Tensor:
    """Return points as if their object stood alone: centred, in the generator's size, [N, 3]."""
    low, high = bounds(points, _STRAY_SHARE)
    longest = 0.5 * (high - low).max().clamp_min(1e-6)
    return (points - 0.5 * (low + high)) * (HALF_EXTENT / longest)


def bounds(points: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Return the corners of a box that leaves out a share of the points at each end, [3] each."""
    low, high = points.quantile(torch.tensor([share, 1 - share]), dim=0)
    return low, high


def relation_of(first: Tensor, second: Tensor) -> str:
    """Return how the first of two clouds lies to the second, [N, 3] and [M, 3].

    Two that share a place on the ground lie over each other, be it that one stands on the other or
    below it; the higher is the one whose box has its middle higher.
    """
    boxes = [torch.stack(bounds(cloud, _FRINGE_SHARE)) for cloud in (first, second)]
    low, high = torch.stack(boxes, dim=1)  # [2, 3] each
    shared = high.amin(dim=0) - low.amax(dim=0)
    if bool((shared < _SHARED_SIDE * (high - low).amin(dim=0))[:2].any()):
        return "next to"
    middle = (low + high)[:, 2]
    return "on" if middle[0] > middle[1] else "under"
