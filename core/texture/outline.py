# SPDX-License-Identifier: GPL-3.0-or-later
"""Charts laid flat, and their outlines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .charts import Surface, chart_directions


@dataclass(frozen=True, slots=True)
class Projection:
    """Charts laid flat, at the scale of the surface."""

    charts: NDArray[np.int64]  # chart of each face, [F]
    directions: NDArray[np.float64]  # from where each chart is seen, [N, 3]
    corners: NDArray[np.float64]  # of each face corner in its chart's plane, [F, 3, 2]

    @property
    def num_charts(self) -> int:
        """Number of charts."""
        return len(self.directions)


@dataclass(frozen=True, slots=True)
class Outline:
    """The edges on the borders of all charts."""

    chart: NDArray[np.int64]  # [E]
    corner: NDArray[np.int64]  # where the edge starts, as 3 * face + corner, [E]
    ends: NDArray[np.int64]  # vertices, [E, 2]
    points: NDArray[np.float64]  # where the ends lie in the chart's plane, [E, 2, 2]

    def only(self, which: NDArray[np.bool_]) -> Outline:
        """Return the edges in a mask."""
        return Outline(self.chart[which], self.corner[which], self.ends[which], self.points[which])


def project(surface: Surface, charts: NDArray[np.int64]) -> Projection:
    """Lay every chart flat along its direction."""
    directions = chart_directions(surface, charts)
    right, up = _tangents(directions)
    x, y, z = surface.vertices[surface.faces].transpose(2, 0, 1)  # [F, 3] each
    # Plain arithmetic: corners of one vertex must get the same coordinates to the last bit.
    corners = [
        x * axis[:, None, 0] + y * axis[:, None, 1] + z * axis[:, None, 2]
        for axis in (right[charts], up[charts])
    ]
    return Projection(charts, directions, np.stack(corners, axis=2))


def outline_of(surface: Surface, projection: Projection) -> Outline:
    """Return the edges with another chart, or nothing, on their other side."""
    charts, links = projection.charts, surface.links
    is_border = np.ones(3 * len(charts), dtype=bool)
    inner = charts[links.first // 3] == charts[links.second // 3]
    is_border[links.first[inner]] = False
    is_border[links.second[inner]] = False
    # A chart that closes on itself can only come of faces without area; it keeps all its edges.
    has_border = np.bincount(charts, is_border.reshape(-1, 3).sum(axis=1)) > 0
    is_border |= np.repeat(~has_border[charts], 3)
    start = np.flatnonzero(is_border)
    face = start // 3
    end = 3 * face + (start + 1) % 3
    ends = surface.faces.reshape(-1)[np.stack([start, end], axis=1)]
    points = projection.corners.reshape(-1, 2)[np.stack([start, end], axis=1)]
    return Outline(charts[face], start, ends, points)


def _tangents(
    directions: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two unit vectors per direction that make a right-handed frame with it, [N, 3]."""
    helper = np.eye(3)[np.abs(directions).argmin(axis=1)]
    right = np.cross(helper, directions)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return right, np.cross(directions, right)
