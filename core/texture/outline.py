# SPDX-License-Identifier: GPL-3.0-or-later
"""The outlines of charts, and the cuts that keep charts from overlapping themselves.

A chart whose faces are all seen from the front can only overlap itself if its outline crosses
itself (an immersion that is one to one on its border is one to one), so the test below looks at
outlines alone and needs no resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .charts import Surface, chart_directions, split_connected

_SPLIT_ROUNDS = 24
_DEPTH_ROUNDS = 8
"""Rounds that cut between two layers; later ones cut in the middle, which always ends."""


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
    face: NDArray[np.int64]  # [E]
    ends: NDArray[np.int64]  # vertices, [E, 2]
    points: NDArray[np.float64]  # where the ends lie in the chart's plane, [E, 2, 2]


def project(surface: Surface, charts: NDArray[np.int64]) -> Projection:
    """Lay every chart flat along its direction."""
    directions = chart_directions(surface, charts)
    right, up = _tangents(directions)
    positions = surface.vertices[surface.faces]  # [F, 3, 3]
    x = np.einsum("fci,fi->fc", positions, right[charts])
    y = np.einsum("fci,fi->fc", positions, up[charts])
    return Projection(charts, directions, np.stack([x, y], axis=2))


def outline_of(surface: Surface, projection: Projection) -> Outline:
    """Return the edges with another chart, or nothing, on their other side."""
    charts, links = projection.charts, surface.links
    is_border = np.ones(3 * len(charts), dtype=bool)
    inner = charts[links.first // 3] == charts[links.second // 3]
    is_border[links.first[inner]] = False
    is_border[links.second[inner]] = False
    start = np.flatnonzero(is_border)
    face = start // 3
    end = 3 * face + (start + 1) % 3
    ends = surface.faces.reshape(-1)[np.stack([start, end], axis=1)]
    points = projection.corners.reshape(-1, 2)[np.stack([start, end], axis=1)]
    return Outline(charts[face], face, ends, points)


def project_without_overlap(surface: Surface, charts: NDArray[np.int64]) -> Projection:
    """Lay charts flat, cutting those whose outline crosses itself until none does."""
    projection = project(surface, charts)
    for turn in range(_SPLIT_ROUNDS):
        first, second = _crossings(outline := outline_of(surface, projection))
        if not len(first):
            break
        if turn < _DEPTH_ROUNDS:
            side = _split_by_depth(surface, projection, outline, first, second)
        else:
            side = _split_in_half(projection, np.unique(outline.chart[first]))
        charts = split_connected(surface, 2 * projection.charts + side)
        projection = project(surface, charts)
    return projection


def _split_by_depth(
    surface: Surface,
    projection: Projection,
    outline: Outline,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return on which side of a cut between its two layers each face lies, 0 or 1, [F]."""
    depth = np.einsum(
        "ei,ei->e",
        surface.vertices[outline.ends].mean(axis=1),
        projection.directions[outline.chart],
    )
    between = (depth[first] + depth[second]) / 2
    chart = outline.chart[first]
    cut = np.full(projection.num_charts, np.inf)
    for overlapping in np.unique(chart):
        cut[overlapping] = np.median(between[chart == overlapping])
    centres = surface.vertices[surface.faces].mean(axis=1)
    depths = np.einsum("fi,fi->f", centres, projection.directions[projection.charts])
    return (depths > cut[projection.charts]).astype(np.int64)


def _split_in_half(projection: Projection, overlapping: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return on which side of the middle each face of the given charts lies, 0 or 1, [F]."""
    side = np.zeros(len(projection.charts), dtype=np.int64)
    for chart in overlapping:
        faces = np.flatnonzero(projection.charts == chart)
        centres = projection.corners[faces].mean(axis=1)
        longest = np.ptp(centres, axis=0).argmax()
        order = centres[:, longest].argsort(kind="stable")
        side[faces[order[len(faces) // 2 :]]] = 1
    return side


def _tangents(
    directions: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return two unit vectors per direction that make a right-handed frame with it, [N, 3]."""
    helper = np.eye(3)[np.abs(directions).argmin(axis=1)]
    right = np.cross(helper, directions)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    return right, np.cross(directions, right)


def _crossings(outline: Outline) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of edges of one chart that cross, as places in the outline."""
    first, second = _near_pairs(outline)
    apart = (outline.ends[first][:, :, None] != outline.ends[second][:, None, :]).all(axis=(1, 2))
    first, second = first[apart], second[apart]
    (a, b), (c, d) = (
        outline.points[first].transpose(1, 0, 2),
        outline.points[second].transpose(1, 0, 2),
    )
    crossed = (_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0)
    return first[crossed], second[crossed]


def _turn(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sign of the turn from a to b to c: positive to the left."""
    ab, ac = b - a, c - a
    return np.sign(ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0])


def _near_pairs(outline: Outline) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return pairs of edges of one chart that share a cell of a grid, each pair once."""
    low, high = outline.points.min(axis=1), outline.points.max(axis=1)  # [E, 2]
    # A cell about as long as an edge: edges then span few cells and cells hold few edges.
    cell = max(float((high - low).max(axis=1).mean()) * 2, 1e-12)
    first_cell = np.floor(low / cell).astype(np.int64)
    spans = np.floor(high / cell).astype(np.int64) - first_cell + 1  # [E, 2]
    edge = np.repeat(np.arange(len(low)), spans.prod(axis=1))
    number = np.arange(len(edge)) - np.repeat(
        spans.prod(axis=1).cumsum() - spans.prod(axis=1), spans.prod(axis=1)
    )
    x = first_cell[edge, 0] + number % spans[edge, 0]
    y = first_cell[edge, 1] + number // spans[edge, 0]
    key = outline.chart[edge] << 40 | (x - x.min(initial=0)) << 20 | (y - y.min(initial=0))
    order = np.argsort(key, kind="stable")
    key, edge = key[order], edge[order]
    pairs = []
    step = 1
    while (together := key[step:] == key[:-step]).any():
        place = np.flatnonzero(together)
        pairs.append(np.stack([edge[place], edge[place + step]], axis=1))
        step += 1
    if not pairs:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    both = np.unique(np.sort(np.concatenate(pairs), axis=1), axis=0)
    return both[:, 0], both[:, 1]
