# SPDX-License-Identifier: GPL-3.0-or-later
"""Cut a surface into charts, each seen from one direction without a fold.

Every face starts with the axis (of six) that it faces most; the borders between labels are then
smoothed by iterated conditional modes (Besag, 1986), connected faces of one label become a
chart, and small charts join a neighbour from whose axis all their faces can be seen.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from ..topology import FaceLinks, connected_components, link_faces

_AXES = np.concatenate([np.eye(3), -np.eye(3)])

_NORMAL_ROUNDS = 4
_LABEL_ROUNDS = 16
_MERGE_ROUNDS = 6

_AGREEMENT = 0.15
"""Worth of one agreeing neighbour against the cosine between a face and its axis."""

_MIN_COSINE = 0.3
"""Flattest view of a face that border smoothing allows; 1 / 0.3 is the stretch of its texels."""

_MIN_MERGED_COSINE = 0.15
"""The same where a small chart joins a neighbour."""

_SMALL_CHART = 0.004
"""Share of the surface below which a chart looks for a neighbour to join."""

_FRAGMENT = 0.05
"""Share of a chart that was cut below which a piece goes back to another piece of it."""
_FRAGMENT_ROUNDS = 4

_NEGLIGIBLE_FACE = 0.02
"""Area, over its largest neighbour's, below which it does not matter how a face is seen."""


@dataclass(frozen=True, slots=True)
class Surface:
    """What the unwrapping needs to know about a mesh."""

    vertices: NDArray[np.float64]  # [V, 3]
    faces: NDArray[np.int64]  # [F, 3]
    normals: NDArray[np.float64]  # unit, [F, 3]
    areas: NDArray[np.float64]  # [F]
    links: FaceLinks
    neighbors: NDArray[np.int64]  # across each edge; the face itself where there is none, [F, 3]
    negligible: NDArray[np.bool_]  # too small for its direction to matter, [F]


def measure(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> Surface:
    """Gather normals, areas and neighbours of the faces of a mesh."""
    positions = vertices.astype(np.float64)
    a, b, c = positions[faces].transpose(1, 0, 2)
    doubled = np.cross(b - a, c - a)
    length = np.linalg.norm(doubled, axis=1)
    normals = doubled / np.maximum(length, 1e-300)[:, None]
    links = link_faces(faces)
    neighbors = _neighbors(len(faces), links)
    first, second, third = length[neighbors].T
    largest = np.maximum(np.maximum(first, second), third)
    return Surface(
        vertices=positions,
        faces=faces.astype(np.int64),
        normals=normals,
        areas=length / 2,
        links=links,
        neighbors=neighbors,
        negligible=length <= _NEGLIGIBLE_FACE * largest,
    )


def cut_charts(surface: Surface, check: Check = ignore) -> NDArray[np.int64]:
    """Return the chart of each face, numbered from 0, [F]."""
    labels = _smooth_labels(surface, check)
    cosines = surface.normals @ _AXES.T
    cosines[surface.negligible] = 1.0
    for _ in range(_MERGE_ROUNDS):
        check()
        charts = split_connected(surface, labels)
        wanted = _merge_small(surface, charts, labels, cosines)
        if (wanted == labels).all():
            break
        labels = wanted
    return split_connected(surface, labels)


def split_connected(
    surface: Surface, labels: NDArray[np.int64], *, are_pairs: bool = False
) -> NDArray[np.int64]:
    """Number the connected sets of faces that have the same label, [F].

    Faces 2 i and 2 i + 1 always count as connected where faces are the halves of quads.
    """
    pairs = surface.links.faces()
    if are_pairs:
        pairs = np.concatenate([pairs, np.arange(len(labels)).reshape(-1, 2)])
    same = labels[pairs[:, 0]] == labels[pairs[:, 1]]
    return connected_components(len(labels), pairs[same])[1]


def chart_directions(surface: Surface, charts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the unit vector from which each chart is seen, [N, 3].

    It is the mean normal unless that sees some face very flat and an axis sees all better.
    """
    count = int(charts.max()) + 1
    weighted = surface.normals * surface.areas[:, None]
    summed = np.stack([np.bincount(charts, axis, count) for axis in weighted.T], axis=1)
    length = np.linalg.norm(summed, axis=1, keepdims=True)
    mean = summed / np.maximum(length, 1e-300)
    cosines = np.empty((len(charts), 7))
    cosines[:, :6] = surface.normals @ _AXES.T
    cosines[:, 6] = np.einsum("fi,fi->f", surface.normals, mean[charts])
    cosines[surface.negligible] = 1.0
    worst = _worst(charts, cosines)
    use_mean = (worst[:, 6] >= np.minimum(worst[:, :6].max(axis=1), 0.5)) & (length[:, 0] > 0)
    return np.where(use_mean[:, None], mean, _AXES[worst[:, :6].argmax(axis=1)])


def _smooth_labels(surface: Surface, check: Check) -> NDArray[np.int64]:
    """Return the axis of each face, with borders that do not fray, [F]."""
    neighbors = surface.neighbors
    normals = surface.normals * surface.areas[:, None]
    for _ in range(_NORMAL_ROUNDS):
        check()
        first, second, third = (normals[neighbor] for neighbor in neighbors.T)
        normals = normals + first + second + third
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
    worth = normals @ _AXES.T
    allowed = surface.normals @ _AXES.T >= _MIN_COSINE
    allowed[surface.negligible] = True
    worth[~allowed] = -np.inf
    labels: NDArray[np.int64] = worth.argmax(axis=1)
    for turn in range(_LABEL_ROUNDS):
        check()
        # Every other face at a time: neighbours that swapped labels at once would never settle.
        first, second, third = (labels[neighbor] != labels for neighbor in neighbors.T)
        at_border = first | second | third
        at_border[turn % 2 :: 2] = False
        active = np.flatnonzero(at_border)
        around = labels[neighbors[active]]  # [A, 3]
        agreeing = (around[:, :, None] == np.arange(6)).sum(axis=1)
        labels[active] = (worth[active] + _AGREEMENT * agreeing).argmax(axis=1)
    return labels


def _neighbors(count: int, links: FaceLinks) -> NDArray[np.int64]:
    neighbors = np.arange(3 * count) // 3
    neighbors[links.first] = links.second // 3
    neighbors[links.second] = links.first // 3
    return neighbors.reshape(-1, 3)


def _merge_small(
    surface: Surface,
    charts: NDArray[np.int64],
    labels: NDArray[np.int64],
    cosines: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Return labels in which small charts take that of the larger chart they border on most."""
    count = int(charts.max()) + 1
    area = np.bincount(charts, surface.areas, count)
    label_of = np.zeros(count, dtype=np.int64)
    label_of[charts] = labels
    pairs = charts[surface.links.faces()]
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    small, other = pairs[pairs[:, 0] != pairs[:, 1]].T
    fits = _worst(charts, cosines)[small, label_of[other]] >= _MIN_MERGED_COSINE
    fits &= (area[small] < _SMALL_CHART * area.sum()) & (area[other] > area[small])
    joined, target = _longest_borders(small[fits], other[fits], count)
    label_of[joined] = label_of[target]
    return label_of[charts]


def join_fragments(
    surface: Surface,
    charts: NDArray[np.int64],
    parents: NDArray[np.int64],
    *,
    are_pairs: bool = False,
) -> NDArray[np.int64]:
    """Return charts in which small pieces of a chart that was cut belong to a larger one, [F].

    Args:
        surface: the mesh.
        charts: of each face after the cut, [F].
        parents: of each face before it, [F].
        are_pairs: as for `split_connected`.
    """
    whole = np.bincount(parents, surface.areas)
    for _ in range(_FRAGMENT_ROUNDS):
        count = int(charts.max()) + 1
        area = np.bincount(charts, surface.areas, count)
        parent = np.zeros(count, dtype=np.int64)
        parent[charts] = parents
        pairs = charts[surface.links.faces()]
        pairs = np.concatenate([pairs, pairs[:, ::-1]])
        small, other = pairs[pairs[:, 0] != pairs[:, 1]].T
        fits = (parent[small] == parent[other]) & (area[other] > area[small])
        fits &= area[small] < _FRAGMENT * whole[parent[small]]
        if not fits.any():
            break
        joined, target = _longest_borders(small[fits], other[fits], count)
        label = np.arange(count)
        label[joined] = target
        charts = split_connected(surface, label[charts], are_pairs=are_pairs)
    return charts


def _longest_borders(
    small: NDArray[np.int64], other: NDArray[np.int64], count: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return charts, each once, and of the neighbours paired with them that most often so."""
    keys, shared_edges = np.unique(small * count + other, return_counts=True)
    order = keys[np.argsort(-shared_edges, kind="stable")]
    joined, first = np.unique(order // count, return_index=True)
    return joined, order[first] % count


def _worst(charts: NDArray[np.int64], cosines: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest cosine in each chart, by column, [N, K] from [F, K]."""
    order = np.argsort(charts, kind="stable")
    starts = np.flatnonzero(np.diff(charts[order], prepend=-1))
    return np.minimum.reduceat(cosines[order], starts, axis=0)
