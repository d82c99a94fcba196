# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge of scenes learns to say which two objects there are, and where."""

from __future__ import annotations

import pytest
import torch
from maquette.evaluation.judge import Judge
from maquette.evaluation.judge_data import draw_scene, generate_clouds
from maquette.evaluation.scene_judge import NUM_POINTS, judge_scene, relation_of, scene_spec
from maquette.evaluation.streams import Stream
from maquette.evaluation.train_judge import JudgeTraining, train_judge, try_scene_judge
from maquette.training.shapes.labels import ObjectLabels, SceneLabels

pytestmark = pytest.mark.needs_torch

ASKED = SceneLabels(
    objects=(ObjectLabels(kind="cat", color="red"), ObjectLabels(kind="table", color="blue")),
    relation="on",
)


@pytest.mark.parametrize(
    ("first", "second", "relation"),
    [
        ((0, 0, 0.5), (0.1, 0, -0.3), "on"),
        ((0, 0, -0.5), (0, 0.2, 0.3), "under"),
        ((-0.4, 0, 0.1), (0.4, 0, -0.1), "next to"),
        ((0, 0.5, 0), (0, -0.5, 0), "next to"),
    ],
)
def test_relation_is_told_by_the_places_of_two_objects(first, second, relation) -> None:
    assert relation_of(first, second) == relation


class Pointer(Judge):
    """Knows nothing but finds kinds by their height: cats above, tables below."""

    def __init__(self, there: tuple[str, ...]) -> None:
        super().__init__(scene_spec())
        self.there = there

    def read(self, points, colors, parts):
        reading = super().read(points, colors, parts)
        kind = torch.full_like(reading.kind, -5.0)
        for number, name in enumerate(self.there):
            kind[:, self.spec.kinds.index(name)] = 3.0 - number
        height = {"cat": 0.5, "table": -0.5}
        names = [self.spec.kinds[index] for index in parts[0].tolist()]
        places = torch.tensor([[(0.0, 0.0, height[name]) for name in names]])
        return reading._replace(kind=kind, places=places)


@pytest.mark.parametrize("there", [("cat", "table"), ("table",), ()])
def test_only_kinds_that_are_likelier_there_than_not_are_named(there: tuple[str, ...]) -> None:
    cloud = torch.rand(NUM_POINTS, 3), torch.rand(NUM_POINTS, 3)

    verdict = judge_scene(Pointer(there).eval(), *cloud, ASKED)

    assert verdict.kinds == there
    assert verdict.relation == "on"
    assert len(verdict.colors) == 2


def test_data_of_scenes_tell_which_kinds_are_there_and_in_which_color() -> None:
    spec = scene_spec()

    data = generate_clouds(spec, Stream.SCENE_TEST, 0, 6, draw_scene)

    assert data.points.shape == (6, NUM_POINTS, 3)
    for row, known in enumerate(data.labels):
        kinds = {spec.kinds[index] for index in data.kinds[row].nonzero()[:, 0].tolist()}
        assert kinds == {each.kind for each in known.objects}
        asked = [spec.parts[index] for index in data.parts[row].tolist()]
        assert asked == [known.objects[0].kind, known.objects[-1].kind]
        assert spec.colours[data.part_colours[row, 0]] == known.objects[0].color


def test_training_learns_the_kinds_of_a_handful_of_scenes() -> None:
    spec = scene_spec()
    data = generate_clouds(spec, Stream.SCENE_TEST, 1, 3, draw_scene)
    config = JudgeTraining(num_steps=60, batch_size=6, num_points=64, jitter=0.0, is_of_scenes=True)

    judge = train_judge(config, data, spec)

    kind, _ = judge(data.points, data.colors, data.parts)
    torch.testing.assert_close((kind > 0).float(), data.kinds)
    assert try_scene_judge(judge, data)["scenes"] == sum(
        len(known.objects) == 2 for known in data.labels
    )
