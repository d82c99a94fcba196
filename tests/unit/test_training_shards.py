# SPDX-License-Identifier: GPL-3.0-or-later
"""What training reads from shards is what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from maquette.core.asset import boxed
from maquette.core.assets_in.cameras import cameras_on
from maquette.core.assets_in.cloud import sample_cloud
from maquette.core.assets_in.paint import Flat
from maquette.core.assets_in.views import render_views
from maquette.datasets import measuring
from maquette.datasets.layout import to_json, write_json, write_tar
from maquette.datasets.measuring import members_of
from maquette.datasets.reading import AssetError
from maquette.datasets.settings import BuildSettings
from maquette.datasets.sources import Source
from maquette.tests.unit.surfaces import cube, surface_of
from maquette.training.shards import read_dataset
from numpy.typing import NDArray

pytestmark = pytest.mark.needs_torch

SETTINGS = BuildSettings(num_points=64, num_views=2, view_size=16, num_distances=20)
SOURCE = Source("red cube.glb", "red-cube-0123456789ab")
PAINT = Flat((0.8, 0.1, 0.1))


def cube_distances(surface: object, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stand in for Blender's tree with the closed form, inside the box that a cube fills."""
    inside = 1 - np.abs(points).max(axis=1, keepdims=True)
    return np.concatenate([points, inside, np.tile([0.9, 0.3, 0.3], (len(points), 1))], axis=1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(measuring, "signed_distances", cube_distances)
    samples = []
    for index, captions in enumerate((["a red cube", "a box"], [], ["one more"])):
        source = replace(SOURCE, key=f"cube-{index:07x}00000")
        members = members_of(cube(PAINT, half=3.0), source, SETTINGS, {"captions": captions})
        samples.append((source.key, members))
    write_tar(tmp_path / "shard-00000.tar", samples[:2])
    write_tar(tmp_path / "shard-00001.tar", samples[2:])
    shards = [{"name": f"shard-0000{index}.tar"} for index in (0, 1)]
    write_json(tmp_path / "dataset.json", {"format": 1, "shards": shards})
    return tmp_path


def test_samples_come_back_as_they_were_measured(folder: Path) -> None:
    first, second, _ = read_dataset(folder)

    surface, _ = boxed(cube(PAINT, half=3.0))
    cloud = sample_cloud(surface, num_points=64, seed=0)
    views = render_views(surface, cameras_on("sphere", 2, 0), size=16)
    assert first.captions == ("a red cube", "a box") and second.captions == ()
    np.testing.assert_array_equal(first.asset.cloud.rows, cloud.rows)
    np.testing.assert_array_equal(first.asset.views.rgba, views.rgba)
    np.testing.assert_array_equal(np.isinf(first.asset.views.depth), np.isinf(views.depth))
    shown = np.isfinite(views.depth)
    # 65,534 steps over a depth of 8.
    np.testing.assert_allclose(
        first.asset.views.depth[shown], views.depth[shown], atol=0.51 * 8 / 65534
    )
    np.testing.assert_array_equal(first.asset.views.cameras.origins, views.cameras.origins)
    assert first.asset.views.cameras.fov == views.cameras.fov
    # Every asset is seen from elsewhere.
    assert not np.array_equal(first.asset.cloud.rows, second.asset.cloud.rows)


def test_distances_are_positive_inside(folder: Path) -> None:
    sample = next(read_dataset(folder))

    assert sample.queries is not None
    assert sample.queries.points.shape == (1, 20, 3)
    np.testing.assert_allclose(
        sample.queries.distance[0], 1 - sample.queries.points[0].abs().amax(dim=1), atol=1e-6
    )


def test_processes_share_the_shards(folder: Path) -> None:
    shares = [[s.key for s in read_dataset(folder, rank=rank, num_ranks=2)] for rank in (0, 1)]

    assert shares == [["cube-000000000000", "cube-000000100000"], ["cube-000000200000"]]


def test_open_meshes_have_no_distances(tmp_path: Path) -> None:
    square = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]])
    members = members_of(
        surface_of(square, np.array([[0, 1, 2], [0, 2, 3]])), SOURCE, SETTINGS, {"captions": []}
    )
    write_tar(tmp_path / "shard-00000.tar", [(SOURCE.key, members)])
    write_json(tmp_path / "dataset.json", {"format": 1, "shards": [{"name": "shard-00000.tar"}]})

    (sample,) = read_dataset(tmp_path)

    assert sample.queries is None


def test_faces_without_area_are_left_out() -> None:
    """An importer's leftovers must not make a closed mesh open, nor an empty one full."""
    flat = surface_of(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0, 1, 2]]))

    with pytest.raises(AssetError, match="its faces have no area"):
        members_of(flat, SOURCE, SETTINGS, {})


def test_the_same_asset_gives_the_same_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measuring, "signed_distances", cube_distances)

    first, again = (members_of(cube(PAINT), SOURCE, SETTINGS, {}) for _ in range(2))

    assert first == again
    assert next(iter(first)) == "json"
    assert to_json({"b": 1, "a": 2}) == b'{\n "a": 2,\n "b": 1\n}\n'


def test_another_format_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "dataset.json", {"format": 2, "shards": []})

    with pytest.raises(ValueError, match="has format 2"):
        next(read_dataset(tmp_path))
