# SPDX-License-Identifier: GPL-3.0-or-later
"""Training arrays on disk: one uncompressed .npz per run of objects.

Distances and positions are float16. Colours are bytes, 255 for 1.0: a colour needs no more and
the shard shrinks by a fifth. Captions are not stored; they are drawn from the attributes anew
whenever an object is seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attributes import ShapeAttributes
from .builder import Shape
from .field import ShapeBatch
from .generate import Split, shape_at
from .sampling import NUM_QUERY, NUM_SURFACE, ShapeArrays, sample_shape_arrays

_BATCH = 4
_SAMPLING_STREAM = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What a shard holds, as stored; n objects."""

    points: NDArray[np.float16]  # [n, S, 3]
    point_colors: NDArray[np.uint8]  # [n, S, 3], sRGB * 255
    query_points: NDArray[np.float16]  # [n, Q, 3]
    query_distance: NDArray[np.float16]  # [n, Q], positive inside
    query_colors: NDArray[np.uint8]  # [n, Q, 3], sRGB * 255
    attributes: tuple[ShapeAttributes, ...]


def write_shard(
    path: Path,
    seed: int,
    start: int,
    count: int,
    *,
    split: Split = "train",
    num_surface: int = NUM_SURFACE,
    num_query: int = NUM_QUERY,
) -> None:
    """Write objects `start` to `start + count` of data set `seed`.

    The same arguments give the same objects whatever other shards are written, so any number of
    processes can share the work.
    """
    columns: dict[str, list[NDArray[np.generic]]] = {}
    attributes: list[str] = []
    for first in range(start, start + count, _BATCH):
        shapes = [
            shape_at(seed, index, split)
            for index in range(first, min(first + _BATCH, start + count))
        ]
        rng = np.random.default_rng([seed, first, _SAMPLING_STREAM])
        arrays = sample_shape_arrays(ShapeBatch(shapes), num_surface, num_query, rng=rng)
        for name, column in _compact(arrays).items():
            columns.setdefault(name, []).append(column)
        attributes.extend(shape.attributes.to_json() for shape in shapes)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that a shard that exists is a whole one.
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, attributes=np.array(attributes), **joined)
    partial.replace(path)


def _compact(arrays: ShapeArrays) -> dict[str, NDArray[np.generic]]:
    def as_half(values: Tensor) -> NDArray[np.generic]:
        return values.half().numpy()

    def as_bytes(values: Tensor) -> NDArray[np.generic]:
        return (values * 255.0).round().to(torch.uint8).numpy()

    return {
        "points": as_half(arrays.points),
        "point_colors": as_bytes(arrays.point_colors),
        "query_points": as_half(arrays.query_points),
        "query_distance": as_half(arrays.query_distance),
        "query_colors": as_bytes(arrays.query_colors),
    }


def read_shard(path: Path) -> Shard:
    """Read what `write_shard` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        attributes = tuple(ShapeAttributes.from_json(str(text)) for text in archive["attributes"])
        columns = {name: archive[name] for name in archive.files if name != "attributes"}
    return Shard(attributes=attributes, **columns)


def sample_shapes(
    shapes: Sequence[Shape], num_surface: int, num_query: int, rng: np.random.Generator
) -> ShapeArrays:
    """Return the training arrays of shapes made elsewhere, in float32."""
    return sample_shape_arrays(ShapeBatch(shapes), num_surface, num_query, rng=rng)
