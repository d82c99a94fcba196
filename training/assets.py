# SPDX-License-Identifier: GPL-3.0-or-later
"""A data set of one's own assets by number: random access to shards, with a bounded memory.

The shards are plain tar files, so that the place of each member is known from their headers; what
is read is kept as it was decoded, the latest first. Needs no Blender.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.asset import Cameras, Views
from ..datasets.layout import BACKGROUND, from_npy
from .shards import shard_paths

_Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a member lies."""

    path: Path
    offset: int
    size: int

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size)


class AssetLibrary:
    """The samples of a data set; threads may read at once."""

    def __init__(self, folder: Path, *, cache_bytes: int = 2 << 30) -> None:
        """Read the headers of every shard.

        Raises:
            FileNotFoundError: there is no data set.
            ValueError: it is empty, or has a format that this version does not read.
        """
        self._places: list[dict[str, _Place]] = []
        self.keys: list[str] = []
        for path in shard_paths(folder):
            self._index(path)
        if not self.keys:
            raise ValueError(f"{folder} holds no assets")
        self._cache = _Cache(cache_bytes)

    def __len__(self) -> int:
        return len(self.keys)

    def captions(self, index: int) -> tuple[str, ...]:
        """Return the captions of an asset, none if it has none."""
        return tuple(self._about(index)["captions"])  # type: ignore[arg-type]

    def cameras(self, index: int) -> Cameras:
        """Return the cameras of an asset's views."""
        about = cast(dict[str, object], self._about(index)["cameras"])
        origins, axes = (np.array(about[name], dtype=np.float32) for name in ("origins", "axes"))
        return Cameras(origins, axes, float(str(about["fov"])))

    def cloud(self, index: int) -> _Array:
        """Return positions and sRGB, the farthest first, [N, 6]."""
        return self._kept(index, "points.npy", from_npy)

    def distances(self, index: int) -> _Array | None:
        """Return position, distance (positive inside) and sRGB, [Q, 7]; None for an open mesh."""
        if "distances.npy" not in self._places[index]:
            return None
        return self._kept(index, "distances.npy", from_npy)

    def picture(self, index: int, view: int) -> NDArray[np.uint8]:
        """Return one view, sRGB with straight alpha, [H, W, 4]."""
        return cast(NDArray[np.uint8], self._kept(index, f"view{view:02d}.png", _pixels))

    def depth(self, index: int, view: int) -> _Array:
        """Return depth along a view's axis, infinite where it is not known, [H, W]."""
        about = cast(dict[str, object], self._about(index)["cameras"])
        steps = self._kept(index, f"depth{view:02d}.png", _pixels).astype(np.float32)
        scale = float(str(about["depth_max"])) / (BACKGROUND - 1)
        return np.where(steps == BACKGROUND, np.float32(np.inf), steps * np.float32(scale))

    def views(self, index: int) -> Views:
        """Return all views of an asset."""
        cameras = self.cameras(index)
        numbers = range(len(cameras.origins))
        rgba = np.stack([self.picture(index, number) for number in numbers])
        depth = np.stack([self.depth(index, number) for number in numbers])
        return Views(rgba, depth, cameras)

    def _index(self, path: Path) -> None:
        with tarfile.open(path, "r:") as archive:
            for info in archive:
                key, _, suffix = info.name.partition(".")
                if not self.keys or self.keys[-1] != key:
                    self.keys.append(key)
                    self._places.append({})
                self._places[-1][suffix] = _Place(path, info.offset_data, info.size)

    def _about(self, index: int) -> dict[str, object]:
        content = self._kept(index, "json", lambda data: np.frombuffer(data, dtype=np.uint8))
        return cast(dict[str, object], json.loads(content.tobytes()))

    def _kept(
        self, index: int, suffix: str, decode: Callable[[bytes], NDArray[np.generic]]
    ) -> _Array:
        key = (index, suffix)
        found = self._cache.get(key)
        if found is None:
            found = decode(self._places[index][suffix].read())
            self._cache.put(key, found)
        return cast(_Array, found)


class _Cache:
    """Arrays up to a number of bytes; the one not asked for the longest goes first."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._arrays: OrderedDict[tuple[int, str], NDArray[np.generic]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[int, str]) -> NDArray[np.generic] | None:
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def put(self, key: tuple[int, str], array: NDArray[np.generic]) -> None:
        with self._lock:
            if key in self._arrays:
                return
            self._arrays[key] = array
            self._bytes += array.nbytes
            while self._bytes > self._max_bytes and len(self._arrays) > 1:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes


def _pixels(content: bytes) -> NDArray[np.generic]:
    with Image.open(io.BytesIO(content)) as image:
        return np.array(image)
