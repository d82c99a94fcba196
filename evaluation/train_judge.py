# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the judge on freshly generated ground truth: `python -m maquette.evaluation.train_judge`.

Main colours are drawn evenly, and positions and colours are roughened, so that the judge neither
expects what is usual nor trips over surfaces that are a little blobby.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..training.shapes.attributes import ShapeAttributes
from ..training.shapes.colours import COLOURS
from ..training.shapes.field import ShapeBatch
from ..training.shapes.generate import build_shape, sample_attributes
from .judge import (
    MAIN_PART,
    MODELS_DIR,
    NUM_POINTS,
    Judge,
    JudgeSpec,
    current_spec,
    mean_logits,
    save_judge,
)
from .streams import Stream, stream_generator, stream_rng
from .surface import ground_truth_clouds

logger = logging.getLogger(__name__)

_STORED_POINTS = 1280
_BATCH = 8
_NUM_TEST_SHAPES = 1020
_NO_ANSWER = -100
"""Target of a part that the shape does not have; cross entropy leaves it out."""


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


@dataclass(frozen=True, slots=True)
class JudgeData:
    """Clouds of ground truth with what there is to know about them."""

    points: Tensor  # [S, N, 3]
    colors: Tensor  # [S, N, 3], sRGB
    kinds: Tensor  # [S]
    parts: Tensor  # [S, 2]: main, and the second part where there is one
    part_colours: Tensor  # [S, 2]


def generate_clouds(spec: JudgeSpec, stream: Stream, seed: int, count: int) -> JudgeData:
    """Build fresh shapes and spread points over them."""
    clouds, described = [], []
    for start in range(0, count, _BATCH):
        shapes = []
        for index in range(start, min(start + _BATCH, count)):
            rng = stream_rng(stream, seed, index)
            shapes.append(build_shape(_even_attributes(rng), rng))
        generator = stream_generator(Stream.SURFACE, seed, start)
        clouds.append(ground_truth_clouds(ShapeBatch(shapes), _STORED_POINTS, generator))
        described.extend(shape.attributes for shape in shapes)
    questions = [_questions(spec, each) for each in described]
    return JudgeData(
        points=torch.cat([points for points, _ in clouds]),
        colors=torch.cat([colors for _, colors in clouds]),
        kinds=torch.tensor([spec.kinds.index(each.kind) for each in described]),
        parts=torch.tensor([parts for parts, _ in questions]),
        part_colours=torch.tensor([colours for _, colours in questions]),
    )


def _even_attributes(rng: np.random.Generator) -> ShapeAttributes:
    """Draw attributes with every main colour equally likely, and mostly with a second part."""
    for _ in range(2):
        colour = str(rng.choice(list(COLOURS)))
        attributes = sample_attributes(rng, main_colour=colour, split="any")
        if attributes.second_part is not None:
            break
    return attributes


def _questions(spec: JudgeSpec, known: ShapeAttributes) -> tuple[list[int], list[int]]:
    """Return the parts to ask for and the colours to answer."""
    second = known.second_part or MAIN_PART
    parts = [spec.parts.index(MAIN_PART), spec.parts.index(second)]
    main = spec.colours.index(known.main_colour)
    if known.second_colour is None:
        return parts, [main, _NO_ANSWER]
    return parts, [main, spec.colours.index(known.second_colour)]


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
        kind_loss = F.cross_entropy(kind.float(), data.kinds[rows], label_smoothing=0.05)
        answers, colour = data.part_colours[rows].flatten(), colour.float().flatten(0, 1)
        colour_loss = F.cross_entropy(colour, answers, ignore_index=_NO_ANSWER)
        optimizer.zero_grad()
        (kind_loss + colour_loss).backward()
        optimizer.step()
        schedule.step()
        if step % 100 == 0 or step == config.num_steps - 1:
            logger.info(
                "step %d: kind %.3f, colours %.3f", step, kind_loss.item(), colour_loss.item()
            )
    return judge.eval()


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
    seen = kind.argmax(dim=-1)
    is_right = colour.argmax(dim=-1) == data.part_colours
    has_second = data.part_colours[:, 1] != _NO_ANSWER
    names = judge.spec.kinds
    mistakes = Counter(
        f"{names[asked]} taken for {names[found]}"
        for asked, found in zip(data.kinds.tolist(), seen.tolist(), strict=True)
        if asked != found
    )
    return {
        "shapes": len(seen),
        "kind": round(float((seen == data.kinds).float().mean()), 4),
        "main_colour": round(float(is_right[:, 0].float().mean()), 4),
        "part_colour": round(float(is_right[has_second, 1].float().mean()), 4),
        "mistakes": dict(mistakes.most_common()),
    }


def main() -> None:
    """Generate, train, test and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=MODELS_DIR)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config, spec = JudgeTraining(seed=arguments.seed), current_spec()
    started = time.process_time()
    data = generate_clouds(spec, Stream.JUDGE_TRAINING, config.seed, config.num_shapes)
    logger.info("%d shapes in %.0f CPU seconds", config.num_shapes, time.process_time() - started)
    judge = train_judge(config, data, spec)
    seconds = round(time.process_time() - started)
    fresh = generate_clouds(spec, Stream.JUDGE_TEST, config.seed, _NUM_TEST_SHAPES)
    found = try_judge(judge, fresh)
    logger.info("on fresh ground truth: %s", found)
    facts: dict[str, object] = {
        "made_by": "python -m maquette.evaluation.train_judge",
        "training": asdict(config),
        "cpu_seconds": seconds,
        "on_fresh_ground_truth": found,
    }
    save_judge(judge, facts, arguments.output)


if __name__ == "__main__":
    main()
