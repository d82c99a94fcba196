# SPDX-License-Identifier: GPL-3.0-or-later
"""Quads on a texture: both halves of each on one chart, so that a quad has four corners there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .charts import Surface, chart_directions, split_connected

_MIN_COSINE = 0.15
"""Flattest view of a half that its other half's chart may have; else the quad is its own chart."""


def unite_pairs(surface: Surface, charts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return charts in which faces 2 i and 2 i + 1 lie together, numbered from 0, [F].

    A quad whose halves lie apart goes to the chart that sees both of them better.
    """
    halves = charts.reshape(-1, 2)
    apart = np.flatnonzero(halves[:, 0] != halves[:, 1])
    directions = chart_directions(surface, charts)
    faces = np.stack([2 * apart, 2 * apart + 1], axis=1)
    normals = surface.normals[faces]  # [A, 2, 3]
    # Cosine of each half as seen by the chart of each half, [A, halves, charts].
    cosines = np.einsum("aij,akj->aik", normals, directions[halves[apart]])
    cosines[surface.negligible[faces]] = 1.0
    worst = cosines.min(axis=1)
    chosen = halves[apart, worst.argmax(axis=1)]
    alone = worst.max(axis=1) < _MIN_COSINE
    chosen[alone] = len(directions) + np.arange(int(alone.sum()))
    united = charts.copy()
    united[faces] = chosen[:, None]
    return split_connected(surface, united, are_pairs=True)
