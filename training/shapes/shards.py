# SPDX-License-Identifier: GPL-3.0-or-later
"""Training arrays on disk: one uncompressed .npz per run of objects.

Distances and positions are float16. Colours are bytes, 255 for 1.0: a colour needs no more and
the shard shrinks by a fifth. Captions are not stored; they are drawn from the attributes or labels
anew whenever an object is seen. Shards of scenes have labels, and pictures if asked for.
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
from .labels import SceneLabels
from .renders import render_views
from .sampling import NUM_QUERY, NUM_SURFACE, ShapeArrays, sample_shape_arrays
from .scenes import scene_at
from .views import Cameras, Lights, Placement, draw_cameras, draw_lights

_BATCH = 4
_SAMPLING_STREAM, _PICTURE_STREAM = 1, 2
_EVEN_SHARE = 0.25
"""Of the surface points of scenes, dealt out to all pieces alike, so that thin ones have theirs."""
_SPHERE_EVERY = 4
"""Every fourth picture is taken from anywhere, the others as people hold cameras."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """What a shard holds, as stored; n objects."""

    points: NDArray[np.float16]  # [n, S, 3]
    point_colors: NDArray[np.uint8]  # [n, S, 3], sRGB * 255
    query_points: NDArray[np.float16]  # [n, Q, 3]
    query_distance: NDArray[np.float16]  # [n, Q], positive inside
    query_colors: NDArray[np.uint8]  # [n, Q, 3], sRGB * 255
    attributes: tuple[ShapeAttributes, ...]
    """Of the first object, in shards of scenes."""
    labels: tuple[SceneLabels, ...] | None = None
    pictures: NDArray[np.uint8] | None = None  # [n, V, R, R, 4], sRGB and straight alpha * 255


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
    _save(path, attributes=np.array(attributes), **joined)


def write_scenes(
    path: Path,
    seed: int,
    start: int,
    count: int,
    *,
    split: Split = "train",
    num_surface: int = NUM_SURFACE,
    num_query: int = NUM_QUERY,
    num_pictures: int = 0,
    picture_size: int = 64,
    num_paints: int = 1,
    is_single: bool = False,
    device: torch.device | str = "cpu",
) -> None:
    """Write scenes `start` to `start + count` of data set `seed`, with labels and pictures.

    Every scene has random numbers of its own, so it is the same whatever shard it lies in; but for
    the last bit, which may depend on the device and on what is computed beside it.
    """
    columns: dict[str, list[NDArray[np.generic]]] = {}
    shapes = [
        scene_at(seed, index, split, num_paints, is_single=is_single)
        for index in range(start, start + count)
    ]
    for index, shape in zip(range(start, start + count), shapes, strict=True):
        rng = np.random.default_rng([seed, index, _SAMPLING_STREAM])
        batch = ShapeBatch([shape], device)
        arrays = sample_shape_arrays(batch, num_surface, num_query, rng=rng, even=_EVEN_SHARE)
        for name, column in _compact(arrays).items():
            columns.setdefault(name, []).append(column)
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    if num_pictures:
        joined["pictures"] = scene_pictures(
            shapes, seed, start, num_pictures, picture_size, device=device
        )
    labels = [shape.labels.to_json() for shape in shapes if shape.labels is not None]
    attributes = [shape.attributes.to_json() for shape in shapes]
    _save(path, attributes=np.array(attributes), labels=np.array(labels), **joined)


def scene_pictures(
    shapes: Sequence[Shape],
    seed: int,
    start: int,
    per_shape: int,
    size: int,
    *,
    device: torch.device | str = "cpu",
) -> NDArray[np.uint8]:
    """Return transparent pictures of shapes number `start` and up, [n, V, R, R, 4]."""
    cameras, lights = [], []
    for index in range(start, start + len(shapes)):
        numbers = np.random.default_rng([seed, index, _PICTURE_STREAM])
        generator = torch.Generator().manual_seed(int(numbers.integers(2**62)))
        for picture in range(per_shape):
            placement: Placement = (
                "sphere" if picture % _SPHERE_EVERY == _SPHERE_EVERY - 1 else "photo"
            )
            cameras.append(draw_cameras(1, generator, placement))
            lights.append(draw_lights(cameras[-1], generator))
    owners = torch.arange(len(shapes)).repeat_interleave(per_shape)
    batch = ShapeBatch(shapes, device)
    shown = render_views(
        batch, owners, Cameras.joined(cameras), Lights.joined(lights), size, samples=2
    )
    rgba = torch.cat([shown.rgb, shown.alpha[..., None]], dim=-1)
    rgba = rgba.view(len(shapes), per_shape, size, size, 4)
    pixels: NDArray[np.uint8] = (rgba * 255.0).round().to(torch.uint8).cpu().numpy()
    return pixels


def _save(path: Path, **arrays: NDArray[np.generic]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that a shard that exists is a whole one.
    partial = path.with_suffix(".partial.npz")
    np.savez(partial, **arrays)
    partial.replace(path)


def _compact(arrays: ShapeArrays) -> dict[str, NDArray[np.generic]]:
    def as_half(values: Tensor) -> NDArray[np.generic]:
        return values.half().cpu().numpy()

    def as_bytes(values: Tensor) -> NDArray[np.generic]:
        return (values * 255.0).round().to(torch.uint8).cpu().numpy()

    return {
        "points": as_half(arrays.points),
        "point_colors": as_bytes(arrays.point_colors),
        "query_points": as_half(arrays.query_points),
        "query_distance": as_half(arrays.query_distance),
        "query_colors": as_bytes(arrays.query_colors),
    }


def read_shard(path: Path) -> Shard:
    """Read what `write_shard` or `write_scenes` wrote."""
    with np.load(path, allow_pickle=False) as archive:
        attributes = tuple(ShapeAttributes.from_json(str(text)) for text in archive["attributes"])
        labels = None
        if "labels" in archive.files:
            labels = tuple(SceneLabels.from_json(str(text)) for text in archive["labels"])
        texts = ("attributes", "labels")
        columns = {name: archive[name] for name in archive.files if name not in texts}
    return Shard(attributes=attributes, labels=labels, **columns)


def sample_shapes(
    shapes: Sequence[Shape], num_surface: int, num_query: int, rng: np.random.Generator
) -> ShapeArrays:
    """Return the training arrays of shapes made elsewhere, in float32."""
    return sample_shape_arrays(ShapeBatch(shapes), num_surface, num_query, rng=rng)
