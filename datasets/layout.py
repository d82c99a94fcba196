# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of a data set: tar shards as webdataset reads them, and the files beside them.

    DIR/dataset.json            settings, and each shard with its hash and number of samples
    DIR/report.json             what was left out and why, and what colours were guessed
    DIR/shard-00000.tar         samples one after the other, members of one sample side by side
        KEY.json                caption, captions, box, cameras, whether it is closed, and so on
        KEY.points.npy          float32 [N, 6]: position in [-1, 1]^3, sRGB of the base colour
        KEY.distances.npy       float32 [Q, 7]: position, distance (positive inside), sRGB of the
                                nearest surface; only where the mesh is closed
        KEY.view00.png          RGBA, straight alpha, lit by the published `basic` light
        KEY.depth00.png         16 bits: depth along the camera's axis * 65534 / `depth_max`,
                                65535 for background and for pixels that are only partly covered
    DIR/.build                  what a build that was stopped goes on from

The same assets, settings and versions give the same bytes.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

FORMAT = 1
DEPTH_MAX = 8.0
"""Of cameras 4 away from a box whose corners are 1.8 from its centre."""
BACKGROUND = 65535
DATASET_FILE = "dataset.json"
REPORT_FILE = "report.json"
BUILD_FOLDER = ".build"

Members = Mapping[str, bytes]
"""The files of one sample by their suffix, such as `points.npy`."""


def shard_name(index: int) -> str:
    """Return the file name of a shard."""
    return f"shard-{index:05d}.tar"


def write_tar(path: Path, samples: Iterable[tuple[str, Members]]) -> None:
    """Write samples by their keys; the file appears when it is whole."""
    part = path.with_name(path.name + ".part")
    with tarfile.open(part, "w", format=tarfile.USTAR_FORMAT) as archive:
        for key, members in samples:
            for suffix, content in members.items():
                # Times, owners and rights stay at their defaults, which are no machine's.
                info = tarfile.TarInfo(f"{key}.{suffix}")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    part.replace(path)


def read_tar(path: Path) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Yield the samples of a shard in their order.

    Raises:
        tarfile.TarError: the file is no shard, or damaged.
    """
    key, members = "", dict[str, bytes]()
    with tarfile.open(path, "r:") as archive:
        for info in archive:
            file = archive.extractfile(info)
            if file is None:
                continue
            name, _, suffix = info.name.partition(".")
            if name != key and members:
                yield key, members
                members = {}
            key = name
            members[suffix] = file.read()
    if members:
        yield key, members


def to_npy(array: NDArray[np.generic]) -> bytes:
    """Return an array as the content of a .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()


def from_npy(content: bytes) -> NDArray[np.float32]:
    """Return the array in a .npy file."""
    array: NDArray[np.float32] = np.load(io.BytesIO(content), allow_pickle=False)
    return array


def to_json(value: object) -> bytes:
    """Return JSON whose bytes depend on the value alone."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1)
    return (text + "\n").encode()


def write_json(path: Path, value: object) -> None:
    """Write JSON that appears when it is whole."""
    part = path.with_name(path.name + ".part")
    part.write_bytes(to_json(value))
    part.replace(path)
