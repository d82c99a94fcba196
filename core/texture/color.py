# SPDX-License-Identifier: GPL-3.0-or-later
"""The transfer function of sRGB, IEC 61966-2-1, in its exact two pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def srgb_to_linear(encoded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return linear light, [0, 1], from sRGB-encoded values, [0, 1], of any shape."""
    values = np.clip(encoded.astype(np.float64), 0.0, 1.0)
    bright = ((values + 0.055) / 1.055) ** 2.4
    return np.where(values <= 0.04045, values / 12.92, bright).astype(np.float32)


def linear_to_srgb(linear: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return sRGB-encoded values, [0, 1], from linear light, [0, 1], of any shape."""
    values = np.clip(linear.astype(np.float64), 0.0, 1.0)
    bright = 1.055 * values ** (1 / 2.4) - 0.055
    return np.where(values <= 0.0031308, values * 12.92, bright).astype(np.float32)


def to_bytes(encoded: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Round values in [0, 1] to bytes; the transfer function stays as it is."""
    rounded: NDArray[np.float32] = np.rint(np.clip(encoded, 0.0, 1.0) * 255.0)
    return rounded.astype(np.uint8)
