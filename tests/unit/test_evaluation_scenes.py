# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes are divided among their two objects, and either is judged as if it stood alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core.errors import CheckpointError
from maquette.evaluation.divider import GLANCE, Divider, divide, load_divider, save_divider
from maquette.evaluation.judge import Judge, current_spec, save_judge
from maquette.evaluation.judge_data import SceneData, generate_scenes
from maquette.evaluation.roughening import JudgeTraining
from maquette.evaluation.scene_judge import (
    NAME,
    NUM_POINTS,
    SceneJudge,
    judge_scene,
    load_scene_judge,
    relation_of,
    settled,
)
from maquette.evaluation.streams import Stream
from maquette.evaluation.train_divider import train_divider, try_scene_judge
from maquette.training.shapes.colours import COLOURS
from maquette.training.shapes.labels import ObjectLabels, SceneLabels
from torch import Tensor

pytestmark = pytest.mark.needs_torch

CAT, TABLE = ObjectLabels(kind="cat", color="red"), ObjectLabels(kind="table", color="blue")


def box(low: tuple[float, ...], high: tuple[float, ...], count: int, seed: int = 0) -> Tensor:
    """Return points that fill a box, [count, 3]."""
    share = torch.rand(count, 3, generator=torch.Generator().manual_seed(seed))
    corners = torch.tensor(low), torch.tensor(high)
    return torch.lerp(*corners, share)


def table_with_legs() -> Tensor:
    top = box((-0.6, -0.4, 0.3), (0.6, 0.4, 0.4), 600, 1)
    legs = [
        box((x, y, -0.4), (x + 0.06, y + 0.06, 0.3), 60, 2)
        for x in (-0.6, 0.54)
        for y in (-0.4, 0.34)
    ]
    return torch.cat([top, *legs])


def chair_with_back() -> Tensor:
    seat = box((-0.3, -0.3, -0.5), (0.3, 0.3, 0.0), 400, 1)
    return torch.cat([seat, box((-0.3, 0.22, 0.0), (0.3, 0.3, 0.7), 300, 2)])


BALL = box((-0.2, -0.2, -0.2), (0.2, 0.2, 0.2), 300)


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        (BALL + torch.tensor([0.2, 0.1, 0.6]), table_with_legs(), "on"),
        (table_with_legs(), BALL + torch.tensor([0.2, 0.1, 0.6]), "under"),
        (BALL + torch.tensor([0.1, 0.0, -0.2]), table_with_legs(), "under"),
        (table_with_legs(), BALL + torch.tensor([0.1, 0.0, -0.2]), "on"),
        (BALL + torch.tensor([0.0, -0.05, 0.2]), chair_with_back(), "on"),
        (BALL + torch.tensor([0.9, 0.0, -0.2]), table_with_legs(), "next to"),
        (table_with_legs() + torch.tensor([0.0, 0.9, 0.0]), BALL, "next to"),
        (box((0.3, -0.2, -0.5), (0.5, 0.2, 0.8), 200), BALL - 0.3, "next to"),
    ],
)
def test_relation_is_told_by_the_room_that_two_objects_take(first, second, relation) -> None:
    assert relation_of(first, second) == relation


def test_stray_points_change_no_relation() -> None:
    upper = BALL + torch.tensor([0.0, 0.0, 0.6])
    strays = torch.tensor([[0.0, 0.0, -0.9]]).expand(len(upper) // 30, 3)

    assert relation_of(torch.cat([upper, strays]), table_with_legs()) == "on"


def test_an_object_anywhere_is_settled_as_it_stood_alone() -> None:
    alone = box((-0.85, -0.3, -0.5), (0.85, 0.3, 0.5), 4000)
    strays = torch.full((8, 3), 0.9)

    found = settled(torch.cat([0.37 * alone + torch.tensor([0.4, -0.2, 0.1]), strays]))

    # What half a percent at either end of an even spread adds to the size.
    torch.testing.assert_close(found[: len(alone)], alone, atol=0.02, rtol=0.02)


class Level(Divider):
    """Says that what lies above a height is the upper object, and is wrong about a few points."""

    def __init__(self, height: float, mistakes: float = 0.0, sure: float = 5.0) -> None:
        super().__init__()
        self.height, self.mistakes, self.sure = height, mistakes, sure

    def forward(self, points: Tensor) -> Tensor:
        logits = torch.where(points[..., 2] > self.height, self.sure, -self.sure)
        generator = torch.Generator().manual_seed(3)
        is_wrong = torch.rand(logits.shape, generator=generator) < self.mistakes
        return torch.where(is_wrong, -logits, logits)[None]


class Seer(Judge):
    """Takes what fills the whole box for a cat and what is flat for a table; knows colors."""

    def __init__(self) -> None:
        super().__init__(current_spec())

    def forward(self, points: Tensor, colors: Tensor, parts: Tensor) -> tuple[Tensor, Tensor]:
        assert 0.7 < points.amax() < 1.2, "the longest side ends at 0.85, but for strays"
        height = points[..., 2].amax() - points[..., 2].amin()
        kind = torch.full((1, len(self.spec.kinds)), -5.0)
        # Surer of cats, as the smaller half of the test looks at the order of kinds.
        name, sure = ("cat", 9.0) if height > 1.6 else ("table", 2.0)
        kind[0, self.spec.kinds.index(name)] = sure
        known = torch.tensor([COLOURS[name].srgb for name in self.spec.colours])
        color = -torch.cdist(colors.mean(dim=1), known)
        return kind, color[:, None].expand(-1, parts.shape[1], -1)


def cat_on_table() -> tuple[Tensor, Tensor]:
    """Return points in random order and their colors: a red cube on a blue slab."""
    cat = box((-0.2, -0.2, 0.1), (0.2, 0.2, 0.5), NUM_POINTS // 8)
    table = box((-0.8, -0.6, -0.2), (0.8, 0.6, 0.0), NUM_POINTS - len(cat), 1)
    red, blue = (torch.tensor(COLOURS[each.color].srgb) for each in (CAT, TABLE))
    colors = torch.cat([red.expand(len(cat), 3), blue.expand(len(table), 3)])
    order = torch.randperm(NUM_POINTS, generator=torch.Generator().manual_seed(0))
    return torch.cat([cat, table])[order], colors[order]


@pytest.mark.parametrize(
    ("objects", "relation", "colors"),
    [((CAT, TABLE), "on", ("red", "blue")), ((TABLE, CAT), "under", ("blue", "red"))],
)
def test_either_object_is_judged_alone_and_answers_come_as_asked(objects, relation, colors) -> None:
    judge = SceneJudge(Level(0.05).eval(), Seer().eval())
    asked = SceneLabels(objects=objects, relation="next to")

    verdict = judge_scene(judge, *cat_on_table(), asked)

    assert verdict.kinds == ("cat", "table")
    assert verdict.colors == colors
    assert verdict.relation == relation


def test_what_was_asked_for_changes_nothing_of_what_is_seen() -> None:
    judge = SceneJudge(Level(0.05).eval(), Seer().eval())
    others = tuple(ObjectLabels(kind=kind, color="green") for kind in ("boat", "key"))

    verdict = judge_scene(judge, *cat_on_table(), SceneLabels(objects=others, relation="under"))

    assert verdict.kinds == ("cat", "table")
    assert set(verdict.colors) == {"red", "blue"}


def test_where_the_divider_is_vague_the_judge_finds_the_objects() -> None:
    """It takes the feet off the cat, but would not mind much if they were on."""
    judge = SceneJudge(Level(0.15, sure=0.1).eval(), Seer().eval())
    asked = SceneLabels(objects=(CAT, TABLE), relation="on")

    verdict = judge_scene(judge, *cat_on_table(), asked)

    assert verdict.kinds == ("cat", "table")
    assert verdict.colors == ("red", "blue")
    assert divide(judge.divider, cat_on_table()[0]).sides[0].float().mean() < 0.12


def test_where_all_points_are_of_one_object_one_kind_is_named() -> None:
    judge = SceneJudge(Level(2.0).eval(), Seer().eval())

    verdict = judge_scene(judge, *cat_on_table(), SceneLabels(objects=(CAT, TABLE), relation="on"))

    assert verdict.kinds == ("table",)
    assert len(verdict.colors) == 2
    assert verdict.relation == ""


def test_points_go_with_their_neighbors() -> None:
    points, _ = cat_on_table()

    sides = divide(Level(0.05, mistakes=0.08).eval(), points).sides[0]

    assert float((sides == (points[:, 2] > 0.05)).float().mean()) > 0.995


def test_sides_of_ground_truth_are_lower_and_upper_or_left_and_right() -> None:
    data = generate_scenes(current_spec(), Stream.SCENE_TEST, 0, 12, num_points=512)

    relations = {known.relation for known in data.labels}
    assert {"on", "next to"} <= relations
    for points, sides, known in zip(data.points, data.sides, data.labels, strict=True):
        if len(known.objects) == 1:
            assert not sides.any()
            continue
        axis = 0 if known.relation == "next to" else 2
        first, second = (points[sides == side, axis] for side in (0, 1))
        assert first.mean() < second.mean()
        # What stands on something ends above it; of two beside each other neither reaches over.
        if known.relation == "next to":
            assert first.max() < second.min()


def test_sides_follow_the_objects_of_the_scene() -> None:
    """A wholly wrong owner would mix both objects' colors, which differ."""
    data = generate_scenes(current_spec(), Stream.SCENE_TEST, 0, 12, num_points=512)

    for colors, sides, known in zip(data.colors, data.sides, data.labels, strict=True):
        if known.relation == "on":
            upper, lower = (
                (colors[sides == side] - torch.tensor(COLOURS[each.color].srgb)).abs().sum(-1)
                for side, each in zip((1, 0), known.objects, strict=True)
            )
            assert upper.min() < 0.5 and lower.min() < 0.5


def test_training_learns_to_divide_a_handful_of_scenes() -> None:
    def boxes(seed: int) -> Tensor:
        upper = box((-0.3, -0.3, 0.0), (0.3, 0.3, 0.7), 128, seed)
        return torch.cat([upper, box((-0.8, -0.5, -0.4), (0.8, 0.5, 0.0), 128, seed + 1)])

    points = torch.stack([boxes(seed) for seed in range(0, 8, 2)])
    sides = (torch.arange(256) < 128).long().expand(4, -1)
    known = SceneLabels(objects=(CAT, TABLE), relation="on")
    data = SceneData(points, torch.rand(4, 256, 3), sides, (known,) * 4)
    config = JudgeTraining(num_steps=40, batch_size=4, num_points=64, jitter=0.0)

    divider = train_divider(config, data)

    fresh = boxes(100)
    right = (divider(fresh[None])[-1, 0] > 0) == (torch.arange(256) < 128)
    assert float(right.float().mean()) > 0.9


def test_scenes_of_two_objects_and_single_ones_are_tried_apart() -> None:
    points, colors = cat_on_table()
    sides = (points[:, 2] > 0.05).long()
    pair = SceneLabels(objects=(CAT, TABLE), relation="on")
    wrong = replace(pair, objects=(CAT, replace(TABLE, color="green")))
    alone = SceneLabels(objects=(TABLE,))
    data = SceneData(
        torch.stack([points] * 3), torch.stack([colors] * 3), torch.stack([sides] * 3),
        (pair, wrong, alone),
    )  # fmt: skip

    found = try_scene_judge(SceneJudge(Level(0.05).eval(), Seer().eval()), data)

    assert found == {
        "scenes": 2,
        "points": 1.0,
        "kinds": 1.0,
        "kinds_and_colours": 0.5,
        "relation": 1.0,
        "single_objects": 1,
        "only": 0.0,
    }


def test_saved_divider_is_read_back_in_half_precision(tmp_path: Path) -> None:
    divider = Divider(width=16, rounds=2)
    save_divider(divider, {"cpu_seconds": 1}, tmp_path, NAME)

    again = load_divider(tmp_path, NAME)

    assert not again.training
    for name, value in divider.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value.half().float())


def test_missing_and_damaged_dividers_are_refused(tmp_path: Path) -> None:
    save_judge(Judge(current_spec()), {}, tmp_path)
    with pytest.raises(CheckpointError, match=r"judge_scenes\.json: .*train it again"):
        load_scene_judge(tmp_path)

    save_divider(Divider(), {}, tmp_path, NAME)
    assert load_scene_judge(tmp_path).spec == current_spec()

    (tmp_path / f"{NAME}.safetensors").write_bytes(b"nothing of the kind")
    with pytest.raises(CheckpointError, match=r"judge_scenes\.safetensors: .*train it again"):
        load_scene_judge(tmp_path)


def test_a_cloud_is_divided_in_glances_of_any_number() -> None:
    points = box((-0.5, -0.5, -0.5), (0.5, 0.5, 0.5), 3 * GLANCE)

    found = divide(Level(0.0), points)

    assert found.sides.shape[1] == 3 * GLANCE
    assert len(found.sides) == len(found.likelihoods)
    assert found.likelihoods.diff().max() <= 0
