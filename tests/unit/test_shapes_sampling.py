# SPDX-License-Identifier: GPL-3.0-or-later
"""Training arrays and shards."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from maquette.training.shapes.attributes import ShapeAttributes
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.generate import build_shape, shape_at, shape_rng
from maquette.training.shapes.preview import render_shapes, write_contact_sheet
from maquette.training.shapes.sampling import sample_shape_arrays
from maquette.training.shapes.shards import read_shard, write_shard
from PIL import Image


def test_arrays_have_the_documented_shapes_and_ranges() -> None:
    batch = ShapeBatch([shape_at(1, index) for index in range(3)])

    arrays = sample_shape_arrays(batch, 200, 500, rng=np.random.default_rng(0))

    assert arrays.points.shape == arrays.point_colors.shape == (3, 200, 3)
    assert arrays.query_points.shape == arrays.query_colors.shape == (3, 500, 3)
    assert arrays.query_distance.shape == (3, 500)
    assert arrays.query_points.abs().max() <= 1.0
    for colours in (arrays.point_colors, arrays.query_colors):
        assert 0.0 <= colours.min() and colours.max() <= 1.0


def test_queries_lie_mostly_near_the_surface_on_both_sides() -> None:
    batch = ShapeBatch([shape_at(1, index) for index in range(6)])

    distance = sample_shape_arrays(batch, 256, 4000, rng=np.random.default_rng(0)).query_distance

    is_near = distance.abs() < 0.1
    assert 0.65 < is_near.float().mean() < 0.9
    assert 0.3 < (distance[is_near] > 0.0).float().mean() < 0.6


def test_query_distances_are_those_of_the_field() -> None:
    batch = ShapeBatch([shape_at(2, 0)])

    arrays = sample_shape_arrays(batch, 64, 300, rng=np.random.default_rng(0))

    expected = batch.signed_distance(arrays.query_points)
    torch.testing.assert_close(arrays.query_distance, expected)


def test_thin_parts_get_surface_points() -> None:
    shape = build_shape(ShapeAttributes(kind="umbrella", main_colour="red"), shape_rng(0, 0))
    batch = ShapeBatch([shape])

    arrays = sample_shape_arrays(batch, 1024, 8, rng=np.random.default_rng(0))

    red = batch.colours[shape.parts.index("main")]
    is_handle = (arrays.point_colors - red).abs().amax(dim=2) > 0.1
    assert is_handle.sum() > 100


def test_inner_walls_of_hollow_shapes_get_surface_points() -> None:
    shape = build_shape(ShapeAttributes(kind="bucket", main_colour="blue"), shape_rng(0, 0))

    points = sample_shape_arrays(ShapeBatch([shape]), 2048, 8, rng=np.random.default_rng(0)).points[
        0
    ]

    reach = points[:, :2].norm(dim=1)
    is_middle = (points[:, 2].abs() < 0.05) & (reach < 0.8)
    outer = reach[is_middle].max()
    is_inner = is_middle & (reach < outer - 0.05)
    assert is_inner.sum() > 10


def test_shard_round_trip_is_deterministic_and_exact_to_half_precision(tmp_path: Path) -> None:
    first, second = tmp_path / "a.npz", tmp_path / "deep" / "b.npz"
    for path in (first, second):
        write_shard(path, 3, 10, 6, num_surface=64, num_query=128)

    shard, again = read_shard(first), read_shard(second)

    assert shard.attributes == tuple(shape_at(3, index).attributes for index in range(10, 16))
    assert shard.attributes == again.attributes
    np.testing.assert_array_equal(shard.query_points, again.query_points)
    np.testing.assert_array_equal(shard.query_colors, again.query_colors)
    batch = ShapeBatch([shape_at(3, index) for index in range(10, 16)])
    distance = batch.signed_distance(torch.from_numpy(shard.query_points).float()).numpy()
    # Both the stored place and the stored distance are rounded, by 2^-12 at most below 1.
    assert np.abs(distance - shard.query_distance).max() < 1.5e-3


def test_shard_leaves_no_partial_file(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.npz", 3, 0, 2, num_surface=16, num_query=16)

    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]


def test_preview_shows_the_colour_in_front_of_the_background(tmp_path: Path) -> None:
    shape = build_shape(ShapeAttributes(kind="apple", main_colour="blue"), shape_rng(0, 0))

    picture = render_shapes([shape], 33)[0].astype(int)
    write_contact_sheet(tmp_path / "sheet.png", [shape, shape, shape], columns=2, size=16)

    assert picture[20, 16, 2] > picture[20, 16, 0] + 50
    assert picture[0, 0].min() > 230
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (32, 32)
