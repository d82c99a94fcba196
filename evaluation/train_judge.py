# SPDX-License-Identifier: GPL-3.0-or-later
"""Train the judges on freshly generated ground truth: `python -m maquette.evaluation.train_judge`.

Main colours are drawn evenly, and positions and colours are roughened, so that the judges neither
expect what is usual nor trip over surfaces that are a little blobby. There are two networks: the
judge of single objects, and the divider of scenes with two of them (`train_divider`).
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.nn import functional as F

from .divider import save_divider
from .judge import (
    MODELS_DIR,
    NUM_POINTS,
    Judge,
    JudgeSpec,
    current_spec,
    load_judge,
    mean_logits,
    save_judge,
)
from .judge_data import NO_ANSWER, JudgeData, generate_clouds, generate_scenes
from .roughening import JudgeTraining, optimizer_of, roughen
from .scene_judge import NAME as SCENE_JUDGE
from .scene_judge import NUM_POINTS as NUM_SCENE_POINTS
from .scene_judge import SceneJudge
from .streams import Stream
from .train_divider import scene_training, train_divider, try_scene_judge

logger = logging.getLogger(__name__)

_NUM_TEST_SHAPES = 1020
_NUM_TEST_SCENES = 360


def train_judge(config: JudgeTraining, data: JudgeData, spec: JudgeSpec) -> Judge:
    """Train on clouds of ground truth."""
    torch.manual_seed(config.seed)
    generator = torch.Generator().manual_seed(config.seed)
    judge = Judge(spec)
    optimizer, schedule = optimizer_of(judge, config)
    for step in range(config.num_steps):
        rows = torch.randint(len(data.kinds), (config.batch_size,), generator=generator)
        points, colors = roughen(config, data, rows, generator)
        with torch.autocast("cpu", torch.bfloat16):
            kind, colour = judge(points, colors, data.parts[rows])
        kind_loss = F.cross_entropy(kind.float(), data.kinds[rows], label_smoothing=0.05)
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
    changes = {"num_shapes": arguments.shapes, "num_steps": arguments.steps}
    changes = {name: value for name, value in changes.items() if value is not None}
    if arguments.only != "scenes":
        _make_judge(replace(JudgeTraining(seed=arguments.seed), **changes), arguments.output)
    if arguments.only != "objects":
        _make_divider(replace(scene_training(arguments.seed), **changes), arguments.output)


def _make_judge(config: JudgeTraining, output: Path) -> None:
    """Train the judge of single objects, try it on fresh ones and save it."""
    started, spec = time.process_time(), current_spec()
    data = generate_clouds(spec, Stream.JUDGE_TRAINING, config.seed, config.num_shapes)
    logger.info("%d shapes in %.0f CPU seconds", config.num_shapes, time.process_time() - started)
    judge = train_judge(config, data, spec)
    seconds = round(time.process_time() - started)
    num_fresh = min(_NUM_TEST_SHAPES, config.num_shapes)
    fresh = generate_clouds(spec, Stream.JUDGE_TEST, config.seed, num_fresh)
    found = try_judge(judge, fresh)
    save_judge(judge, _facts(config, seconds, found), output)


def _make_divider(config: JudgeTraining, output: Path) -> None:
    """Train the divider of scenes, try it with the judge that is there already and save it."""
    judge = load_judge(output)
    started, spec = time.process_time(), current_spec()
    data = generate_scenes(spec, Stream.SCENE_TRAINING, config.seed, config.num_shapes)
    logger.info("%d scenes in %.0f CPU seconds", config.num_shapes, time.process_time() - started)
    divider = train_divider(config, data)
    seconds = round(time.process_time() - started)
    num_fresh = min(_NUM_TEST_SCENES, config.num_shapes)
    fresh = generate_scenes(judge.spec, Stream.SCENE_TEST, config.seed, num_fresh, NUM_SCENE_POINTS)
    found = try_scene_judge(SceneJudge(divider, judge), fresh)
    save_divider(divider, _facts(config, seconds, found), output, SCENE_JUDGE)


def _facts(config: JudgeTraining, seconds: int, found: dict[str, object]) -> dict[str, object]:
    logger.info("on fresh ground truth: %s", found)
    return {
        "made_by": "python -m maquette.evaluation.train_judge",
        "training": asdict(config),
        "cpu_seconds": seconds,
        "on_fresh_ground_truth": found,
    }


if __name__ == "__main__":
    main()
