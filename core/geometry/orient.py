# SPDX-License-Identifier: GPL-3.0-or-later
"""From the field's box to metres on the ground.

The field's axes are Blender's already (right-handed, Z up, front facing -Y), so nothing turns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Placement:
    """The map from field coordinates to metres: scale * point + offset."""

    scale: float
    offset: tuple[float, float, float]

    def to_metres(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map points from the field's box to metres, [..., 3]."""
        return (points.astype(np.float64) * self.scale + self.offset).astype(np.float32)

    def to_field(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map points from metres back to the field's box, [..., 3]."""
        return ((points.astype(np.float64) - self.offset) / self.scale).astype(np.float32)


def place(
    vertices: NDArray[np.float32], target_size: float
) -> tuple[NDArray[np.float32], Placement]:
    """Stand an object on z = 0, centred on the Z axis, at the size asked for.

    Args:
        vertices: field coordinates, [V, 3], not all in one place.
        target_size: longest dimension in metres.
    Returns:
        Positions in metres, [V, 3], and the map that made them.
    """
    low = vertices.min(axis=0).astype(np.float64)
    high = vertices.max(axis=0).astype(np.float64)
    scale = target_size / float((high - low).max())
    centre = (low + high) / 2
    offset = (-scale * float(centre[0]), -scale * float(centre[1]), -scale * float(low[2]))
    placement = Placement(scale, offset)
    return placement.to_metres(vertices), placement
