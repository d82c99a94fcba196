# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut charts so that none overlaps itself when laid flat.

A chart whose faces are all seen from the front can only overlap itself where its outline crosses
itself, or where it touches itself at a vertex the wrong way round (an immersion that is one to
one on its border is one to one). So the tests look at outlines alone and need no resolution.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from .charts import Surface, join_fragments, split_connected
from .outline import Outline, Projection, outline_of, project

_SPLIT_ROUNDS = 20
_DEPTH_ROUNDS = 4
"""Rounds that cut between two layers; later ones cut in the middle, which always ends."""

_JITTER = 1e-5
"""Reach of the steps that undo coincidences, over the mean length of an edge."""

_Places = NDArray[np.int64]


def project_without_overlap(
    surface: Surface,
    charts: NDArray[np.int64],
    check: Check = ignore,
    *,
    are_pairs: bool = False,
) -> Projection:
    """Lay charts flat, cutting those that overlap themselves until none does.

    No cut parts faces 2 i and 2 i + 1 where faces are the halves of quads.
    """
    projection = project(surface, charts)
    suspect = np.ones(projection.num_charts, dtype=bool)
    for turn in range(_SPLIT_ROUNDS):
        check()
        outline = outline_of(surface, projection)
        outline = outline.only(suspect[outline.chart])
        first, second = np.concatenate([_crossings(outline), _wrong_touches(outline)], axis=1)
        if not len(first):
            break
        overlapping = np.zeros(projection.num_charts, dtype=bool)
        overlapping[outline.chart[first]] = True
        by_depth = turn < _DEPTH_ROUNDS
        if by_depth:
            side = _split_by_depth(surface, projection, outline, first, second)
        else:
            side = _split_in_half(projection, overlapping)
        if are_pairs:
            side[1::2] = side[::2]
        charts = split_connected(surface, 2 * projection.charts + side, are_pairs=are_pairs)
        if by_depth:  # A plane through triangles leaves crumbs along its way.
            charts = join_fragments(surface, charts, projection.charts, are_pairs=are_pairs)
        suspect = np.zeros(int(charts.max()) + 1, dtype=bool)
        suspect[charts[overlapping[projection.charts]]] = True
        projection = project(surface, charts)
    return projection


def _split_by_depth(
    surface: Surface, projection: Projection, outline: Outline, first: _Places, second: _Places
) -> NDArray[np.int64]:
    """Return on which side of a cut between its two layers each face lies, 0 or 1, [F]."""
    middles = surface.vertices[outline.ends].mean(axis=1)
    depth = np.einsum("ei,ei->e", middles, projection.directions[outline.chart])
    chart = outline.chart[first]
    between = (depth[first] + depth[second]) / 2
    order = np.lexsort((between, chart))
    found, start, count = np.unique(chart[order], return_index=True, return_counts=True)
    cut = np.full(projection.num_charts, np.inf)
    cut[found] = between[order[start + count // 2]]
    centres = surface.vertices[surface.faces].mean(axis=1)
    depths = np.einsum("fi,fi->f", centres, projection.directions[projection.charts])
    is_above: NDArray[np.bool_] = depths > cut[projection.charts]
    return is_above.astype(np.int64)


def _split_in_half(projection: Projection, overlapping: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return on which side of the middle each face of the given charts lies, 0 or 1, [F]."""
    faces = np.flatnonzero(overlapping[projection.charts])
    chart = projection.charts[faces]
    centres = projection.corners[faces].mean(axis=1)
    order = np.argsort(chart, kind="stable")
    found, start, count = np.unique(chart[order], return_index=True, return_counts=True)
    extent = np.maximum.reduceat(centres[order], start) - np.minimum.reduceat(centres[order], start)
    longest = np.zeros(projection.num_charts, dtype=np.int64)
    longest[found] = extent.argmax(axis=1)
    order = np.lexsort((centres[np.arange(len(faces)), longest[chart]], chart))
    rank = np.arange(len(faces)) - np.repeat(start, count)
    side = np.zeros(len(projection.charts), dtype=np.int64)
    side[faces[order]] = rank >= np.repeat(count, count) // 2
    return side


def _wrong_touches(outline: Outline) -> tuple[_Places, _Places]:
    """Return pairs of edges where a chart touches itself at a vertex and overlaps there.

    Around a vertex, the edges that leave it and those that come in must alternate: between each
    that leaves and the next that comes in, counter-clockwise, lies the chart.
    """
    stride = int(outline.ends.max(initial=0)) + 1
    edge = np.arange(len(outline.chart))
    key = (outline.chart[:, None] * stride + outline.ends).T.reshape(-1)  # leaving, then coming in
    _, place, count = np.unique(key, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(count[place] > 2)
    along = outline.points[:, 1] - outline.points[:, 0]
    outward = np.concatenate([along, -along])[crowded]
    angle = np.arctan2(outward[:, 1], outward[:, 0])
    order = crowded[np.lexsort((angle, place[crowded]))]
    following = np.roll(order, -1)
    leaves = order < len(edge)
    # The last of a vertex is compared with the next vertex's first, and so not at all: an odd
    # one out always shows up twice in a circle.
    wrong = (place[order] == place[following]) & (leaves == np.roll(leaves, -1))
    return order[wrong] % len(edge), following[wrong] % len(edge)


def _crossings(outline: Outline) -> tuple[_Places, _Places]:
    """Return pairs of edges of one chart that cross, as places in the outline."""
    first, second = _near_pairs(outline)
    apart = (outline.ends[first][:, :, None] != outline.ends[second][:, None, :]).all(axis=(1, 2))
    first, second = first[apart], second[apart]
    points = outline.points + _jitter(outline)
    (a, b), (c, d) = points[first].transpose(1, 0, 2), points[second].transpose(1, 0, 2)
    crossed = (_turn(a, b, c) * _turn(a, b, d) < 0) & (_turn(c, d, a) * _turn(c, d, b) < 0)
    return first[crossed], second[crossed]


def _jitter(outline: Outline) -> NDArray[np.float64]:
    """Return tiny steps, the same wherever a vertex occurs, [E, 2, 2].

    Marching cubes puts vertices of different layers exactly above one another, and edges that
    lie on one line would count as not crossing.
    """
    count = int(outline.ends.max(initial=-1)) + 1
    along = outline.points[:, 1] - outline.points[:, 0]
    reach = _JITTER * float(np.abs(along).mean()) if len(along) else 0.0
    return np.random.default_rng(0).uniform(-reach, reach, (count, 2))[outline.ends]


def _turn(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sign of the turn from a to b to c: positive to the left."""
    ab, ac = b - a, c - a
    doubled: NDArray[np.float64] = ab[:, 0] * ac[:, 1] - ab[:, 1] * ac[:, 0]
    return np.sign(doubled)


def _near_pairs(outline: Outline) -> tuple[_Places, _Places]:
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
