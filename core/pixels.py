# SPDX-License-Identifier: GPL-3.0-or-later
"""Pixels as programs hold them, as sRGB with straight alpha in 8 bits; and fewer of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_STRIP_PIXELS = 2**20
"""Converted at a time, so that a large picture needs little memory beside its own."""


def from_floats(
    values: NDArray[np.float32],
    *,
    is_linear: bool,
    is_premultiplied: bool,
    max_side: int,
    to_rec709: NDArray[np.float32] | None = None,
) -> NDArray[np.uint8]:
    """Return floating-point pixels as 8-bit sRGB with straight alpha, [h, w, 4].

    What is brighter than white becomes white, and what is no number black.

    Args:
        values: gray, gray and alpha, RGB or RGBA, 1.0 for white, [H, W, C].
        is_linear: whether colours are proportional to light, else they are sRGB.
        is_premultiplied: whether colours are already multiplied by alpha.
        max_side: a larger picture is shrunk by a whole factor to no more pixels per side.
        to_rec709: from linear colours of other primaries to those of sRGB, [3, 3].
    """
    height, width = values.shape[:2]
    factor = -(-max(height, width) // max_side)
    out = np.empty((-(-height // factor), -(-width // factor), 4), dtype=np.uint8)
    rows = max(1, _STRIP_PIXELS // (factor * width))
    for start in range(0, len(out), rows):
        strip = _rgba(values[start * factor : (start + rows) * factor])
        if not is_premultiplied:
            strip[:, :, :3] *= strip[:, :, 3:]
        straight = _straight(block_means(strip, factor))
        if to_rec709 is not None:
            straight[:, :, :3] = straight[:, :, :3] @ to_rec709.T
        straight = np.clip(straight, 0.0, 1.0)
        if is_linear:
            straight[:, :, :3] = encode_srgb(straight[:, :, :3])
        out[start : start + rows] = np.rint(straight * 255.0)
    return out


def shrink(pixels: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Return every block of `factor` x `factor` pixels as one, colours weighted by alpha.

    Args:
        pixels: straight alpha, [H, W, 4].
        factor: 1 returns the pixels themselves.
    """
    if factor == 1:
        return pixels
    values = pixels.astype(np.float32) / 255.0
    values[:, :, :3] *= values[:, :, 3:]
    means = np.clip(_straight(block_means(values, factor)), 0.0, 1.0)
    shrunk: NDArray[np.uint8] = np.rint(means * 255.0).astype(np.uint8)
    return shrunk


def block_means(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Return the mean of each block, [ceil(H / factor), ceil(W / factor), C]; edges are partial."""
    if factor == 1:
        return values
    for axis in (0, 1):
        starts = np.arange(0, values.shape[axis], factor)
        counts = np.diff(starts, append=values.shape[axis]).astype(np.float32)
        sums = np.add.reduceat(values, starts, axis=axis)
        values = sums / counts.reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    return values


def _rgba(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return finite RGBA, always a copy."""
    channels = values.shape[2]
    rgba = np.ones((*values.shape[:2], 4), dtype=np.float32)
    has_alpha = channels in (2, 4)
    rgba[:, :, :3] = values[:, :, : channels - has_alpha]
    if has_alpha:
        rgba[:, :, 3] = values[:, :, -1]
    return np.nan_to_num(rgba, copy=False, posinf=1.0, neginf=0.0)


def _straight(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Divide colours by alpha, in place."""
    values[:, :, :3] /= np.maximum(values[:, :, 3:], 1e-6)
    return values


def encode_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sRGB for linear colours in [0, 1], IEC 61966-2-1."""
    curved = 1.055 * np.power(linear, 1.0 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, curved).astype(np.float32)
