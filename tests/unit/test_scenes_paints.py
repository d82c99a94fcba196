# SPDX-License-Identifier: GPL-3.0-or-later
"""The same shapes in several colors: nothing but the colors differs."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from maquette.training.shapes.kinds import KINDS, is_held_out
from maquette.training.shapes.labels import ObjectLabels
from maquette.training.shapes.objects import repaint, sample_object
from maquette.training.shapes.scenes import scene_at

_COLORS = ("colours", "labels", "attributes")


def test_scenes_of_one_number_differ_in_color_alone() -> None:
    for number in range(12):
        scenes = [scene_at(5, 3 * number + copy, num_paints=3) for copy in range(3)]
        first = scenes[0]
        for other in scenes[1:]:
            for field in fields(first):
                if field.name not in _COLORS:
                    ours, theirs = (getattr(each, field.name) for each in (first, other))
                    assert np.array_equal(ours, theirs), field.name
            assert not np.allclose(first.colours, other.colours, atol=0.1)
            assert first.labels is not None
            assert other.labels is not None
            assert (first.labels.relation, first.labels.count) == (
                other.labels.relation,
                other.labels.count,
            )
            for one, another in zip(first.labels.objects, other.labels.objects, strict=True):
                assert (one.kind, one.adjective) == (another.kind, another.adjective)
                assert one.color != another.color
                assert [name for name, _ in one.parts] == [name for name, _ in another.parts]


def test_scenes_of_other_numbers_have_other_shapes() -> None:
    one, other = (scene_at(5, index, num_paints=3) for index in (2, 3))

    assert one.labels is not None
    assert other.labels is not None
    assert one.params.shape != other.params.shape or not np.allclose(one.params, other.params)


def test_a_scene_is_the_same_whatever_is_drawn_before() -> None:
    one, other = scene_at(7, 4, num_paints=3), scene_at(7, 4, num_paints=3)

    assert one.labels == other.labels
    assert np.array_equal(one.colours, other.colours)


def test_another_paint_keeps_to_the_split() -> None:
    rng = np.random.default_rng(0)
    for index in range(300):
        asked = sample_object(rng, split="train")
        painted = repaint(asked, rng, "train", avoid="red" if index % 2 else "")
        assert painted.color != asked.color
        assert not is_held_out(painted.kind, painted.color)
        assert index % 2 == 0 or painted.color != "red"
        assert all(color != painted.color for _, color in painted.parts)


def test_a_material_goes_with_its_color() -> None:
    rng = np.random.default_rng(1)
    asked = ObjectLabels(kind=next(iter(KINDS)), color="wooden", material="wooden")

    painted = [repaint(asked, rng, "any") for _ in range(200)]

    assert all(each.material != "wooden" or each.color != "wooden" for each in painted)
    for each in painted:
        if each.color in ("golden", "metal", "stone"):
            assert each.material == each.color


def test_single_objects_are_those_that_were_single_before() -> None:
    scenes = [scene_at(6, index) for index in range(40)]
    single = [scene_at(6, index, is_single=True) for index in range(40)]

    labels = [each.labels for each in single if each.labels is not None]
    assert [(len(each.objects), each.count) for each in labels] == [(1, 1)] * 40
    alone = [
        index
        for index, each in enumerate(scenes)
        if each.labels is not None and (len(each.labels.objects), each.labels.count) == (1, 1)
    ]
    assert 15 < len(alone) < 35
    for index in alone:
        assert scenes[index].labels == single[index].labels
        assert np.array_equal(scenes[index].params, single[index].params)
