# SPDX-License-Identifier: GPL-3.0-or-later
"""One's own assets, as `maquette dataset build` left them, for the stages of training.

Needs no Blender. Shards are read from front to back, one sample in memory at a time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.asset import Asset, Cameras, ColoredCloud, Views
from ..datasets.layout import BACKGROUND, DATASET_FILE, FORMAT, from_npy, read_tar
from .dataset import Queries


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetSample:
    """One asset of a data set."""

    key: str
    captions: tuple[str, ...]
    asset: Asset
    queries: Queries | None
    """Known distances, B = 1; None where the mesh is not closed."""


def read_dataset(folder: Path, *, rank: int = 0, num_ranks: int = 1) -> Iterator[AssetSample]:
    """Yield the samples of a data set in the order of its shards.

    Args:
        folder: what `maquette dataset build` was given as output.
        rank: which of `num_ranks` processes asks; each gets every `num_ranks`-th shard.
        num_ranks: how many processes share the work.

    Raises:
        FileNotFoundError: there is no data set.
        ValueError: it has a format that this version does not read.
    """
    for path in shard_paths(folder)[rank::num_ranks]:
        for key, members in read_tar(path):
            yield read_sample(key, members)


def shard_paths(folder: Path) -> list[Path]:
    """Return the shards of a data set in their order; raises as `read_dataset` does."""
    summary = json.loads((folder / DATASET_FILE).read_text(encoding="utf-8"))
    if summary["format"] != FORMAT:
        raise ValueError(f"{folder} has format {summary['format']}, this version reads {FORMAT}")
    return [folder / shard["name"] for shard in summary["shards"]]


def read_sample(key: str, members: dict[str, bytes]) -> AssetSample:
    """Return a sample from its members, see `datasets.layout`."""
    about = json.loads(members["json"])
    rows = from_npy(members["points.npy"])
    cloud = ColoredCloud(rows[:, :3], rows[:, 3:])
    distances = members.get("distances.npy")
    return AssetSample(
        key=key,
        captions=tuple(about["captions"]),
        asset=Asset(cloud, _views(about["cameras"], members)),
        queries=None if distances is None else _queries(torch.from_numpy(from_npy(distances))),
    )


def _views(about: dict[str, object], members: dict[str, bytes]) -> Views:
    origins, axes = (np.array(about[name], dtype=np.float32) for name in ("origins", "axes"))
    fov, depth_max = (float(str(about[name])) for name in ("fov", "depth_max"))
    names = [f"{index:02d}.png" for index in range(len(origins))]
    steps = np.stack([_pixels(members[f"depth{name}"]) for name in names]).astype(np.float32)
    depth = np.where(steps == BACKGROUND, np.inf, steps * (depth_max / (BACKGROUND - 1)))
    rgba = np.stack([_pixels(members[f"view{name}"]) for name in names])
    return Views(rgba, depth.astype(np.float32), Cameras(origins, axes, fov))


def _pixels(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)


def _queries(rows: Tensor) -> Queries:
    return Queries(rows[None, :, :3], rows[None, :, 3], rows[None, :, 4:])
