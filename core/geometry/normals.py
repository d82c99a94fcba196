# SPDX-License-Identifier: GPL-3.0-or-later
"""Vertex normals, from the mesh or from the field that it came from."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..interrupt import Check, ignore
from .grid import (
    OnFraction,
    SignedDistance,
    default_chunk_size,
    ignore_fraction,
)

_TETRAHEDRON = ((1.0, -1.0, -1.0), (-1.0, -1.0, 1.0), (-1.0, 1.0, -1.0), (1.0, 1.0, 1.0))
"""Four directions whose differences give a gradient with one sample less than three axes."""


def area_normals(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float32]:
    """Return outward unit normals: the mean of the faces around a vertex, weighted by area.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
    Returns:
        Unit normals, [V, 3]; +Z where the faces around a vertex cancel out.
    """
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    weighted = np.cross(b - a, c - a)
    corners = faces.T.ravel()
    summed = [np.bincount(corners, np.tile(axis, 3), len(vertices)) for axis in weighted.T]
    return _normalized(np.stack(summed, axis=1), np.array([0.0, 0.0, 1.0]))


def surface_normals(
    signed_distance: SignedDistance,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    *,
    device: torch.device,
    step: float = 1.0 / 128,
    chunk_size: int | None = None,
    check: Check = ignore,
    on_progress: OnFraction = ignore_fraction,
) -> NDArray[np.float32]:
    """Return outward unit normals from the field: against its gradient, as inside is positive.

    Differences over `step` see the shape at the scale of the grid; the networks' own derivative
    would show ripples far finer than that. Costs four queries per vertex.

    Args:
        signed_distance: the field, positive inside.
        vertices: field coordinates on the surface, [V, 3].
        faces: counter-clockwise seen from outside, [F, 3].
        step: reach of the differences in field units; half a cell is a good choice.
    Returns:
        Unit normals, [V, 3]; by area of the faces where the gradient vanishes or points the
        wrong way, which it does where a part is thinner than the step.
    """
    fallback = area_normals(vertices, faces)
    points = torch.from_numpy(np.ascontiguousarray(vertices)).to(device)
    chunk_size = max(1, (chunk_size or default_chunk_size(device)) // len(_TETRAHEDRON))
    parts: list[NDArray[np.float64]] = []
    for start in range(0, len(points), chunk_size):
        check()
        with torch.no_grad():
            chunk = _gradient(signed_distance, points[start : start + chunk_size], step)
        parts.append(chunk.double().cpu().numpy())
        on_progress(min(1.0, (start + chunk_size) / len(points)))
    outward = _normalized(-np.concatenate(parts), fallback)
    inverted = np.einsum("vi,vi->v", outward, fallback) <= 0
    outward[inverted] = fallback[inverted]
    return outward


def _gradient(signed_distance: SignedDistance, points: Tensor, step: float) -> Tensor:
    """Return the gradient of a field by differences, up to a positive factor, [P, 3]."""
    directions = torch.tensor(_TETRAHEDRON, device=points.device)
    samples = points[None] + step * directions[:, None]  # [4, P, 3]
    values = signed_distance(samples.view(-1, 3)).float().view(len(directions), -1)
    return values.T @ directions


def _normalized(
    vectors: NDArray[np.float64], fallback: NDArray[np.float64] | NDArray[np.float32]
) -> NDArray[np.float32]:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = np.isfinite(length) & (length > 1e-20)
    unit = vectors / np.where(usable, length, 1.0)
    return np.where(usable, unit, fallback).astype(np.float32)
