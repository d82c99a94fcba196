# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge is right about ground truth, and nothing leaks between positions and colours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from maquette.core.errors import CheckpointError
from maquette.evaluation.judge import (
    MAIN_PART,
    MODELS_DIR,
    NUM_POINTS,
    Judge,
    JudgeSpec,
    current_spec,
    judge_cloud,
    load_judge,
    save_judge,
)
from maquette.evaluation.judge_data import generate_clouds
from maquette.evaluation.streams import Stream, stream_rng
from maquette.evaluation.surface import ground_truth_clouds
from maquette.evaluation.train_judge import JudgeTraining, train_judge
from maquette.training.shapes.colours import COLOURS
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.generate import generate_shape

pytestmark = pytest.mark.needs_torch


@pytest.fixture(scope="module")
def judge() -> Judge:
    return load_judge()


def cloud(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(NUM_POINTS, 3, generator=generator) * 1.7 - 0.85
    return points, torch.rand(NUM_POINTS, 3, generator=generator)


def test_judge_knows_fresh_ground_truth(judge: Judge) -> None:
    count, kinds, colours = 102, 0, 0

    for index in range(count):
        shape = generate_shape(stream_rng(Stream.JUDGE_TEST, 1234, index), split="any")
        generator = torch.Generator().manual_seed(index)
        points, colors = ground_truth_clouds(ShapeBatch([shape]), NUM_POINTS, generator)
        verdict = judge_cloud(judge, points[0], colors[0], None)
        kinds += verdict.kind == shape.attributes.kind
        colours += verdict.main_colour == shape.attributes.main_colour

    assert kinds / count >= 0.95
    assert colours / count >= 0.95


def test_kind_is_read_from_positions_alone(judge: Judge) -> None:
    points, colors = cloud(0)
    parts = torch.zeros(1, 1, dtype=torch.long)

    kind, _ = judge(points[None], colors[None], parts)
    repainted, _ = judge(points[None], 1 - colors[None], parts)

    torch.testing.assert_close(kind, repainted, atol=0, rtol=0)


@pytest.mark.parametrize("name", COLOURS)
def test_colour_is_read_from_colours_alone(judge: Judge, name: str) -> None:
    points, _ = cloud(1)  # no object at all
    colors = torch.tensor(COLOURS[name].srgb).expand(NUM_POINTS, 3)

    verdict = judge_cloud(judge, points, colors, judge.spec.parts[5])

    assert verdict.main_colour == verdict.part_colour == name


def test_order_of_points_in_a_glance_does_not_matter(judge: Judge) -> None:
    points, colors = (each[:256] for each in cloud(2))
    parts = torch.tensor([[0, 3]])

    kind, colour = judge(points[None], colors[None], parts)
    turned_kind, turned_colour = judge(points.flip(0)[None], colors.flip(0)[None], parts)

    torch.testing.assert_close(kind, turned_kind, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(colour, turned_colour, atol=1e-4, rtol=1e-4)


def test_training_learns_the_kinds_of_a_handful_of_shapes() -> None:
    spec = current_spec()
    data = generate_clouds(spec, Stream.JUDGE_TEST, 7, 4)
    config = JudgeTraining(num_steps=60, batch_size=8, num_points=64, jitter=0.0)

    judge = train_judge(config, data, spec)

    kind, _ = judge(data.points, data.colors, data.parts)
    assert kind.argmax(-1).tolist() == data.kinds.argmax(-1).tolist()


def test_objects_are_asked_for_a_part_that_they_have() -> None:
    spec = current_spec()

    data = generate_clouds(spec, Stream.JUDGE_TEST, 3, 6)

    for known, parts, colours in zip(data.labels, data.parts, data.part_colours, strict=True):
        (only,) = known.objects
        assert spec.parts[parts[0]] == MAIN_PART
        assert spec.colours[colours[0]] == only.color
        if only.parts:
            assert only.part_color(spec.parts[parts[1]]) == spec.colours[colours[1]]


def test_saved_judge_is_read_back_in_half_precision(tmp_path: Path) -> None:
    judge = Judge(current_spec()).eval()
    save_judge(judge, {"cpu_seconds": 1}, tmp_path)

    again = load_judge(tmp_path)

    for name, value in judge.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value.half().float())


def test_committed_judge_is_small() -> None:
    assert (MODELS_DIR / "judge.safetensors").stat().st_size < 2_000_000


def test_judge_of_other_kinds_is_refused(tmp_path: Path) -> None:
    save_judge(Judge(JudgeSpec(("dragon",), ("red",), ("main",))), {}, tmp_path)

    with pytest.raises(CheckpointError, match=r"judge\.json: this judge knows other kinds"):
        load_judge(tmp_path)


def test_judge_of_fewer_kinds_goes_on_judging_those(tmp_path: Path) -> None:
    spec = current_spec()
    few = JudgeSpec(spec.kinds[:3], spec.colours, spec.parts[:2])
    save_judge(Judge(few), {}, tmp_path)

    assert load_judge(tmp_path).spec == few


def test_missing_and_damaged_judges_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is no judge .*train it again"):
        load_judge(tmp_path)

    shutil.copy(MODELS_DIR / "judge.json", tmp_path)
    (tmp_path / "judge.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"judge\.safetensors: is no judge"):
        load_judge(tmp_path)

    (tmp_path / "judge.json").write_text(json.dumps({"answers": 3}), encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"judge\.json: is no judge"):
        load_judge(tmp_path)
