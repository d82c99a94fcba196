# SPDX-License-Identifier: GPL-3.0-or-later
"""Training of the divider of scenes, and how well scenes are judged with it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .divider import GLANCE, Divider, divide
from .judge_data import SceneData
from .roughening import JudgeTraining, optimizer_of, shaken, with_hole
from .scene_judge import SceneJudge, judge_scene

logger = logging.getLogger(__name__)


def scene_training(seed: int) -> JudgeTraining:
    """Return how the divider is trained."""
    return JudgeTraining(
        seed=seed, num_shapes=10_000, num_steps=5000, batch_size=32, num_points=GLANCE
    )


def train_divider(config: JudgeTraining, data: SceneData) -> Divider:
    """Train on clouds of ground truth."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    divider = Divider()
    optimizer, schedule = optimizer_of(divider, config)
    for step in range(config.num_steps):
        rows = torch.randint(len(data.points), (config.batch_size,), generator=generator)
        points, sides = _batch(config, data, rows, generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = divider(points).float()
        loss = F.binary_cross_entropy_with_logits(logits, sides.expand_as(logits))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == config.num_steps - 1:
            share = ((logits[-1] > 0) == (sides > 0.5)).float().mean()
            logger.info("step %d: loss %.3f, %.3f right", step, loss.item(), share.item())
    return divider.eval()


def _batch(
    config: JudgeTraining, data: SceneData, rows: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return roughened points [B, N, 3], every second scene mirrored, and their sides [B, N]."""
    chosen = torch.randint(data.points.shape[1], (config.num_points,), generator=generator)
    points = data.points[rows[:, None], chosen]
    sides = data.sides[rows[:, None], chosen].float()[..., None]
    points, sides = with_hole(config, points, sides, generator)
    points = shaken(config, points, generator)
    is_beside = torch.tensor([data.labels[row].relation == "next to" for row in rows.tolist()])
    is_mirrored = torch.rand(len(rows), generator=generator) < 0.5
    flip = torch.where(is_mirrored, -1.0, 1.0)[:, None]
    points = torch.stack([points[..., 0] * flip, points[..., 1], points[..., 2]], dim=-1)
    swapped = (is_mirrored & is_beside)[:, None]
    return points, torch.where(swapped, 1 - sides[..., 0], sides[..., 0])


def try_scene_judge(judge: SceneJudge, data: SceneData) -> dict[str, object]:
    """Return the shares of right answers on fresh scenes of two objects.

    `points` is the share of points that the divider alone gives to the right side, `only` that of
    single objects beside which no other kind was seen; None where there was nothing to count.
    """
    rights, alone, points = [], [], []
    scenes = zip(data.points, data.colors, data.sides, data.labels, strict=True)
    for cloud, colors, sides, known in scenes:
        seen = judge_scene(judge, cloud, colors, known)
        if len(known.objects) == 1:
            alone.append(seen.kinds == (known.objects[0].kind,))
            continue
        points.append(float((divide(judge.divider, cloud).sides[0] == sides).float().mean()))
        has_kinds = set(seen.kinds) == {each.kind for each in known.objects}
        has_colors = seen.colors == tuple(each.color for each in known.objects)
        rights.append((has_kinds, has_kinds and has_colors, seen.relation == known.relation))
    names = ("kinds", "kinds_and_colours", "relation")
    columns = zip(*rights, strict=True) if rights else ((), (), ())
    return {
        "scenes": len(rights),
        "points": _mean(points),
        **{name: _mean(column) for name, column in zip(names, columns, strict=True)},
        "single_objects": len(alone),
        "only": _mean(alone),
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 4) if values else None
