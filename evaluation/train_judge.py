# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the judges on freshly generated ground truth: `python -m maquette.evaluation.train_judge`.

Main colours are drawn evenly, and positions and colours are roughened, so that the judges neither
expect what is usual nor trip over surfaces that are a little blobby. There are two: one of single
objects, and one of scenes with two of them (`scene_judge`).
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .judge import MODELS_DIR, NUM_POINTS, Judge, JudgeSpec, current_spec, mean_logits, save_judge
from .judge_data import NO_ANSWER, JudgeData, draw_object, draw_scene, generate_clouds
from .scene_judge import NAME as SCENE_JUDGE
from .scene_judge import judge_scene, scene_spec
from .streams import Stream

logger = logging.getLogger(__name__)

_NUM_TEST_SHAPES = 1020


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeTraining:
    """How the judge is trained."""

    num_shapes: int = 9000
    num_steps: int = 1800
    batch_size: int = 48
    num_points: int = 256
    learning_rate: float = 2e-3
    seed: int = 0
    jitter: float = 0.02
    """Largest standard deviation of the noise on positions; each cloud draws its own."""
    stretch: float = 0.08
    """Each axis is scaled by 1 plus or minus up to this."""
    largest_hole: float = 0.3
    """Radius of the ball whose points may be missing."""
    colour_shift: float = 0.03
    """Standard deviation of the error on all colours of a cloud together, and on each alone."""
    colour_bleed: float = 0.15
    """Share of the points that take on some of another point's colour."""
    is_of_scenes: bool = False
    """Whether several kinds may be there at once."""


def train_judge(config: JudgeTraining, data: JudgeData, spec: JudgeSpec) -> Judge:
    """Train on clouds of ground truth."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    judge = Judge(spec)
    rate = config.learning_rate
    optimizer = torch.optim.AdamW(judge.parameters(), lr=rate, weight_decay=0.02, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=rate, total_steps=config.num_steps, pct_start=0.1
    )
    for step in range(config.num_steps):
        rows = torch.randint(len(data.kinds), (config.batch_size,), generator=generator)
        points, colors = roughen(config, data, rows, generator)
        with torch.autocast("cpu", torch.bfloat16):
            kind, colour = judge(points, colors, data.parts[rows])
        kind_loss = _kind_loss(kind.float(), data.kinds[rows], config.is_of_scenes)
        answers, colour = data.part_colours[rows].flatten(), colour.float().flatten(0, 1)
        colour_loss = F.cross_entropy(colour, answers, ignore_index=NO_ANSWER)
        optimizer.zero_grad()
        (kind_loss + colour_loss).backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == config.num_steps - 1:
            logger.info(
                "step %d: kind %.3f, colours %.3f", step, kind_loss.item(), colour_loss.item()
            )
    return judge.eval()


def _kind_loss(logits: Tensor, kinds: Tensor, is_of_scenes: bool) -> Tensor:
    """Return how wrong the kinds are; in scenes each is there or not, whatever else is."""
    if not is_of_scenes:
        return F.cross_entropy(logits, kinds, label_smoothing=0.05)
    # Summed over the kinds: their mean would hide the two that are there among all the others.
    return F.binary_cross_entropy_with_logits(logits, kinds, reduction="sum") / len(logits)


def roughen(
    config: JudgeTraining, data: JudgeData, rows: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return some points of some clouds as a generated surface might have them, [B, N, 3] each."""
    size, count = len(rows), config.num_points

    def uniform(*shape: int) -> Tensor:
        return torch.rand(shape, generator=generator)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    chosen = torch.randint(data.points.shape[1], (count,), generator=generator)
    points, colors = data.points[rows[:, None], chosen], data.colors[rows[:, None], chosen]
    # A hole: its points are replaced by others, so that the count stays the same.
    radius = config.largest_hole * uniform(size, 1) * (uniform(size, 1) < 0.3)
    in_hole = ((points - points[:, :1]).norm(dim=-1) < radius)[..., None]
    points = torch.where(in_hole, points.roll(count // 2, dims=1), points)
    colors = torch.where(in_hole, colors.roll(count // 2, dims=1), colors)
    points = points * (1 + config.stretch * (2 * uniform(size, 1, 3) - 1))
    points = points + config.jitter * uniform(size, 1, 1) * normal(size, count, 3)
    share = uniform(size, count, 1) * (uniform(size, count, 1) < config.colour_bleed)
    colors = torch.lerp(colors, colors.roll(1, dims=1), share)
    colors = colors + config.colour_shift * (normal(size, 1, 3) + normal(size, count, 3))
    return points, colors.clamp(0, 1)


def try_judge(judge: Judge, data: JudgeData) -> dict[str, object]:
    """Return the shares of right answers on fresh shapes, and which kinds were mixed up."""
    clouds = data.points[:, :NUM_POINTS], data.colors[:, :NUM_POINTS]
    kind, colour = mean_logits(judge, *clouds, data.parts)
    seen, asked = kind.argmax(dim=-1), data.kinds.argmax(dim=-1)
    is_right = colour.argmax(dim=-1) == data.part_colours
    has_second = data.part_colours[:, 1] != NO_ANSWER
    names = judge.spec.kinds
    mistakes = Counter(
        f"{names[wanted]} taken for {names[found]}"
        for wanted, found in zip(asked.tolist(), seen.tolist(), strict=True)
        if wanted != found
    )
    return {
        "shapes": len(seen),
        "kind": round(float((seen == asked).float().mean()), 4),
        "main_colour": round(float(is_right[:, 0].float().mean()), 4),
        "part_colour": round(float(is_right[has_second, 1].float().mean()), 4),
        "mistakes": dict(mistakes.most_common()),
    }


def try_scene_judge(judge: Judge, data: JudgeData) -> dict[str, object]:
    """Return the shares of right answers on fresh scenes of two objects."""
    rights = []
    for points, colors, known in zip(data.points, data.colors, data.labels, strict=True):
        if len(known.objects) == 2:
            seen = judge_scene(judge, points, colors, known)
            has_kinds = set(seen.kinds) == {each.kind for each in known.objects}
            has_colors = seen.colors == tuple(each.color for each in known.objects)
            rights.append((has_kinds, has_kinds and has_colors, seen.relation == known.relation))
    shares = np.array(rights, dtype=np.float64).reshape(-1, 3).mean(axis=0).round(4).tolist()
    names = ("kinds", "kinds_and_colours", "relation")
    return {"scenes": len(rights)} | dict(zip(names, shares, strict=True))


def main() -> None:
    """Generate, train, test and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=MODELS_DIR)
    parser.add_argument("--only", choices=("objects", "scenes"), help="train one of the judges")
    parser.add_argument("--shapes", type=int, help="fewer shapes, for a trial")
    parser.add_argument("--steps", type=int, help="fewer steps, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    objects = JudgeTraining(seed=arguments.seed)
    scenes = replace(objects, is_of_scenes=True, num_shapes=12000, num_steps=2400, num_points=512)
    changes = {"num_shapes": arguments.shapes, "num_steps": arguments.steps}
    changes = {name: value for name, value in changes.items() if value is not None}
    if arguments.only != "scenes":
        _make(replace(objects, **changes), current_spec(), arguments.output)
    if arguments.only != "objects":
        _make(replace(scenes, **changes), scene_spec(), arguments.output)


def _make(config: JudgeTraining, spec: JudgeSpec, output: Path) -> None:
    """Train one judge, try it on fresh shapes and save it."""
    draw, name = (draw_scene, SCENE_JUDGE) if config.is_of_scenes else (draw_object, "judge")
    training, test = (
        (Stream.SCENE_TRAINING, Stream.SCENE_TEST)
        if config.is_of_scenes
        else (Stream.JUDGE_TRAINING, Stream.JUDGE_TEST)
    )
    started = time.process_time()
    data = generate_clouds(spec, training, config.seed, config.num_shapes, draw)
    logger.info("%d shapes in %.0f CPU seconds", config.num_shapes, time.process_time() - started)
    judge = train_judge(config, data, spec)
    seconds = round(time.process_time() - started)
    num_fresh = min(_NUM_TEST_SHAPES, config.num_shapes)
    fresh = generate_clouds(spec, test, config.seed, num_fresh, draw)
    found = try_scene_judge(judge, fresh) if config.is_of_scenes else try_judge(judge, fresh)
    logger.info("on fresh ground truth: %s", found)
    facts: dict[str, object] = {
        "made_by": "python -m maquette.evaluation.train_judge",
        "training": asdict(config),
        "cpu_seconds": seconds,
        "on_fresh_ground_truth": found,
    }
    save_judge(judge, facts, output, name)


if __name__ == "__main__":
    main()
