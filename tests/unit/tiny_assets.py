# SPDX-License-Identifier: GPL-3.0-or-later
"""A small data set of balls and an open half of one, as `maquette dataset build` leaves it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from maquette.core.assets_in.paint import Flat
from maquette.datasets import measuring
from maquette.datasets.layout import write_json, write_tar
from maquette.datasets.measuring import members_of
from maquette.datasets.settings import BuildSettings
from maquette.datasets.sources import Source
from maquette.tests.unit.surfaces import sphere
from numpy.typing import NDArray

SETTINGS = BuildSettings(num_points=512, num_views=6, view_size=32, num_distances=256)
PAINTS = (Flat((0.8, 0.1, 0.1)), Flat((0.1, 0.2, 0.7)))


def ball_distances(surface: object, points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Stand in for Blender's tree with the closed form."""
    inside = 1 - np.linalg.norm(points, axis=1, keepdims=True)
    return np.concatenate([points, inside, np.full((len(points), 3), 0.5)], axis=1)


def write_balls(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, num_open: int = 0, **settings: int
) -> Path:
    """Write two balls of radius 1, and so many that lack their last ring; two to a shard."""
    monkeypatch.setattr(measuring, "signed_distances", ball_distances)
    samples = []
    for index in range(2 + num_open):
        surface = replace(sphere(24), paints=(PAINTS[index % 2],))
        if index >= 2:
            kept = surface.corners[..., 2].max(axis=1) < 0.9
            surface = replace(
                surface,
                faces=surface.faces[kept],
                corner_normals=surface.corner_normals[kept],
                face_paints=surface.face_paints[kept],
            )
        source = Source(f"ball {index}.glb", f"ball-{index:07x}00000")
        about: dict[str, object] = {"captions": [f"a ball, number {index}"]}
        measured = members_of(surface, source, replace(SETTINGS, **settings), about)
        samples.append((source.key, measured))
    shards = []
    for start in range(0, len(samples), 2):
        name = f"shard-{start // 2:05d}.tar"
        write_tar(folder / name, samples[start : start + 2])
        shards.append({"name": name})
    write_json(folder / "dataset.json", {"format": 1, "shards": shards})
    return folder
