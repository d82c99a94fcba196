# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures as PNG files: encoded where nobody waits, since Blender's own encoder holds its window.

Only what a material needs: 8 bits of RGB or of grey without alpha, each row stored as the
difference from the one before.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

_LEVEL = 4
"""Of zlib: a quarter of the time of its default, 7 % larger files."""
_SLAB_BYTES = 1 << 20
"""Between two looks whether to stop; 30 to 60 ms of work."""


def encode_png(pixels: NDArray[np.uint8], check: Callable[[], None] = lambda: None) -> bytes:
    """Return an image as the content of a PNG file, without its alpha.

    Args:
        pixels: RGBA, RGB or grey, first row at the bottom, [H, W, 4, 3 or 1].
        check: called between slabs of rows; may raise to stop.
    """
    pixels = pixels[..., :3]
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    packer = zlib.compressobj(_LEVEL)
    packed = []
    for rows in _filtered_slabs(pixels):
        check()
        packed.append(packer.compress(rows))
    packed.append(packer.flush())
    chunks = ((b"IHDR", header), (b"IDAT", b"".join(packed)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _filtered_slabs(pixels: NDArray[np.uint8]) -> Iterator[bytes]:
    """Yield the rows from top to bottom, each less the row above it and led by the filter's 2."""
    height, width, channels = pixels.shape
    stride = channels * width
    above = np.zeros(stride, dtype=np.uint8)
    step = max(1, _SLAB_BYTES // stride)
    for start in range(0, height, step):
        part = pixels[::-1][start : start + step].reshape(-1, stride)
        rows = np.empty((len(part), 1 + stride), dtype=np.uint8)
        rows[:, 0] = 2
        rows[0, 1:] = part[0] - above  # Wraps around, as the format wants it.
        rows[1:, 1:] = part[1:] - part[:-1]
        above = part[-1]
        yield rows.tobytes()


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
