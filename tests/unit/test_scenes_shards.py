# SPDX-License-Identifier: GPL-3.0-or-later
"""Shards of scenes: the same scene wherever it lies, with its labels and pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.training.dataset import ShapeDataset
from maquette.training.shapes.scenes import scene_at
from maquette.training.shapes.shards import read_shard, write_scenes, write_shard

SIZES = {"num_surface": 64, "num_query": 96}


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shards")
    for start in (0, 3):
        path = folder / f"{start:07d}.npz"
        write_scenes(path, 2, start, 3, num_pictures=2, picture_size=16, **SIZES)
    return folder


def test_shards_hold_what_the_generator_made(shards: Path) -> None:
    shard = read_shard(shards / "0000003.npz")

    assert shard.labels == tuple(scene_at(2, index).labels for index in (3, 4, 5))
    assert shard.points.shape == (3, 64, 3) and shard.query_distance.shape == (3, 96)
    assert shard.pictures is not None and shard.pictures.dtype == np.uint8
    assert shard.pictures.shape == (3, 2, 16, 16, 4)
    assert (shard.pictures[..., 3].max(axis=(2, 3)) == 255).all()
    assert not list(shards.glob("*partial*"))


def test_a_scene_is_the_same_in_another_shard(shards: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.npz"
    write_scenes(path, 2, 4, 1, num_pictures=2, picture_size=16, **SIZES)

    alone, among = read_shard(path), read_shard(shards / "0000003.npz")

    assert alone.labels is not None and among.labels is not None
    assert alone.labels[0] == among.labels[1]
    np.testing.assert_array_equal(alone.point_colors[0], among.point_colors[1])
    np.testing.assert_allclose(alone.points[0], among.points[1], atol=1e-3)
    np.testing.assert_allclose(alone.query_distance[0], among.query_distance[1], atol=1e-3)
    assert alone.pictures is not None and among.pictures is not None
    off = np.abs(alone.pictures[0].astype(int) - among.pictures[1].astype(int)) > 2
    assert off.mean() < 0.01


def test_data_sets_read_labels_and_pictures(shards: Path) -> None:
    data = ShapeDataset(shards)

    assert data.labels is not None and len(data.labels) == len(data) == 6
    assert data.pictures is not None and data.pictures.shape == (6, 2, 16, 16, 4)
    assert data.pictures.dtype == torch.uint8
    assert [each.kind for each in data.attributes] == [
        label.objects[0].kind for label in data.labels
    ]


def test_shards_of_single_objects_have_neither(tmp_path: Path) -> None:
    write_shard(tmp_path / "0.npz", 1, 0, 2, **SIZES)

    data = ShapeDataset(tmp_path)

    assert data.labels is None and data.pictures is None
    assert len(data) == 2
