# SPDX-License-Identifier: GPL-3.0-or-later
"""Every kind of shape: it builds, fits the cube, and shows the parts and colours asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.training.shapes.attributes import ADJECTIVES, ShapeAttributes
from maquette.training.shapes.builder import CUTTER_ROLE, HALF_EXTENT, MIN_RADIUS, Shape
from maquette.training.shapes.colours import COLOURS
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.generate import build_shape, generate_shape, shape_at, shape_rng
from maquette.training.shapes.kinds import (
    KINDS,
    held_out_combinations,
    is_held_out,
    known_combinations,
)
from maquette.training.shapes.primitives import Solid
from maquette.training.shapes.sampling import sample_surface

EVERY_KIND = pytest.mark.parametrize("kind", sorted(KINDS))


def shapes_of(kind: str, count: int = 2) -> list[Shape]:
    return [generate_shape(shape_rng(8, index), kind=kind, split="any") for index in range(count)]


def surface_of(
    shapes: list[Shape], count: int = 512
) -> tuple[ShapeBatch, torch.Tensor, torch.Tensor]:
    batch = ShapeBatch(shapes)
    points, nearest = sample_surface(batch, count, torch.Generator().manual_seed(0))
    return batch, points, nearest


def test_there_are_at_least_32_kinds_and_16_colours() -> None:
    assert len(KINDS) >= 32
    assert len(COLOURS) == 16


@EVERY_KIND
def test_surface_points_lie_on_the_zero_level_inside_the_cube(kind: str) -> None:
    batch, points, _ = surface_of(shapes_of(kind))

    distance = batch.signed_distance(points)

    assert distance.abs().max() < 3e-3
    assert points.abs().max() < HALF_EXTENT + 5e-3


@EVERY_KIND
def test_shape_is_centred_and_its_longest_side_fills_the_cube(kind: str) -> None:
    _, points, _ = surface_of(shapes_of(kind), count=4096)

    low, high = points.amin(dim=1), points.amax(dim=1)

    longest = 0.5 * (high - low).amax(dim=1)
    assert (longest - HALF_EXTENT).abs().max() < 0.03
    assert (0.5 * (low + high)).abs().max() < 0.06


@EVERY_KIND
def test_distance_grows_by_one_per_unit_near_the_surface(kind: str) -> None:
    batch, points, _ = surface_of(shapes_of(kind))
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(1))
    points, step = points + 0.02 * noise, 1e-3

    slopes = [
        (batch.signed_distance(points + step * axis) - batch.signed_distance(points - step * axis))
        / (2.0 * step)
        for axis in torch.eye(3)
    ]

    norms = torch.stack(slopes, dim=-1).norm(dim=-1)
    # Central differences straddle creases between pieces, where the slope is rightly less.
    assert ((norms - 1.0).abs() < 0.05).float().mean() > 0.95


@EVERY_KIND
def test_no_piece_is_thinner_than_the_limit(kind: str) -> None:
    for shape in shapes_of(kind):
        for solid, sizes, role in zip(shape.solids, shape.params, shape.roles, strict=True):
            if role == CUTTER_ROLE:
                continue
            if solid == Solid.TORUS:
                thinnest = sizes[1]
            elif solid in (Solid.BOX, Solid.CONE):
                thinnest = min(sizes[:3]) + sizes[3]
            elif solid == Solid.FRUSTUM:
                thinnest = min(sizes[:5]) + sizes[5]
            else:
                thinnest = min(sizes[: 3 if solid == Solid.ELLIPSOID else 2])
            # The last scaling follows the last thickening and may shrink by a few percent.
            assert thinnest > 0.93 * MIN_RADIUS


@EVERY_KIND
def test_every_nameable_part_shows_its_colour_when_named(kind: str) -> None:
    for index, part in enumerate(KINDS[kind].nameable_parts):
        attributes = ShapeAttributes(
            kind=kind, main_colour="grey", second_part=part.name, second_colour="pink"
        )
        shapes = [build_shape(attributes, shape_rng(index, turn)) for turn in range(4)]
        batch, _, nearest = surface_of(shapes)

        for number in range(len(shapes)):
            colours = batch.colours[nearest[number]]
            error = (colours - torch.tensor(COLOURS["pink"].srgb)).abs().amax(dim=1)
            assert (error < 0.08).float().mean() > 0.003, part.name


@EVERY_KIND
def test_main_colour_covers_a_fair_share_of_the_surface(kind: str) -> None:
    attributes = ShapeAttributes(kind=kind, main_colour="purple")
    shapes = [build_shape(attributes, shape_rng(2, turn)) for turn in range(4)]

    batch, _, nearest = surface_of(shapes)

    error = (batch.colours[nearest] - torch.tensor(COLOURS["purple"].srgb)).abs().amax(dim=2)
    assert (error < 0.08).float().mean() > 0.16


def test_colour_at_a_parts_surface_is_the_parts_colour() -> None:
    attributes = ShapeAttributes(
        kind="mushroom", main_colour="red", second_part="stem", second_colour="white"
    )
    batch, points, nearest = surface_of([build_shape(attributes, shape_rng(0, 0))])

    _, colours = batch.distance_and_colour(points)

    is_low = points[0, :, 2] < points[0, :, 2].amin() + 0.05
    white = torch.tensor(COLOURS["white"].srgb)
    assert (colours[0, is_low] - white).abs().max() < 0.06
    torch.testing.assert_close(colours, batch.colours[nearest])


def test_same_seed_and_index_give_the_same_shape() -> None:
    first, second, other = shape_at(5, 7), shape_at(5, 7), shape_at(5, 8)

    assert first.attributes == second.attributes
    np.testing.assert_array_equal(first.params, second.params)
    np.testing.assert_array_equal(first.colours, second.colours)
    assert not np.array_equal(first.params, other.params)


def test_tall_is_taller_and_wide_is_wider() -> None:
    def slenderness(adjective: str | None) -> float:
        attributes = ShapeAttributes(kind="tower", main_colour="stone", adjective=adjective)
        shapes = [build_shape(attributes, shape_rng(1, turn)) for turn in range(6)]
        _, points, _ = surface_of(shapes)
        size = points.amax(dim=1) - points.amin(dim=1)
        return float((size[:, 2] / size[:, 0]).mean())

    assert slenderness("tall") > 1.25 * slenderness(None) > 1.5 * slenderness("wide")
    assert slenderness("slim") > 1.15 * slenderness(None)


def test_held_out_pairs_never_occur_in_training_and_only_they_in_the_other_split() -> None:
    kept = [shape_at(0, index).attributes for index in range(150)]
    secret = [shape_at(0, index, "held_out").attributes for index in range(60)]

    assert not any(is_held_out(item.kind, item.main_colour) for item in kept)
    assert all(is_held_out(item.kind, item.main_colour) for item in secret)


def test_every_kind_and_colour_has_held_out_pairs_and_more_known_ones() -> None:
    held_out, known = held_out_combinations(), known_combinations()

    assert 0.08 < len(held_out) / (len(held_out) + len(known)) < 0.12
    for name in KINDS:
        assert 1 <= sum(kind == name for kind, _ in held_out) <= 2
    for name in COLOURS:
        secret = sum(colour == name for _, colour in held_out)
        assert 1 <= secret < sum(colour == name for _, colour in known)


def test_bare_nouns_keep_their_natural_colours() -> None:
    for kind in KINDS.values():
        assert kind.natural
        assert not any(is_held_out(kind.name, colour) for colour in kind.natural)


def test_attributes_survive_json() -> None:
    attributes = ShapeAttributes(
        kind="car", main_colour="blue", second_part="wheels", second_colour="red", adjective="tall"
    )

    assert ShapeAttributes.from_json(attributes.to_json()) == attributes


def test_kinds_refer_to_known_colours_and_adjectives() -> None:
    for kind in KINDS.values():
        assert set(kind.natural) <= set(COLOURS)
        assert set(kind.adjectives) <= set(ADJECTIVES)
        for part in kind.parts:
            assert set(part.defaults) <= {*COLOURS, "same"}
