# SPDX-License-Identifier: GPL-3.0-or-later
"""Fields whose surfaces are known in closed form, and facts about meshes."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from maquette.core.geometry.extract import extract_mesh
from numpy.typing import NDArray
from torch import Tensor

Field = Callable[[Tensor], Tensor]
Mesh = tuple[NDArray[np.float32], NDArray[np.int32]]

CPU = torch.device("cpu")


def ball(radius: float, center: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Field:
    """Return the signed distance of a ball, positive inside."""
    return lambda points: radius - (points - torch.tensor(center)).norm(dim=1)


def ring(radius: float, thickness: float) -> Field:
    """Return the signed distance of a torus around the Z axis."""

    def field(points: Tensor) -> Tensor:
        around = points[:, :2].norm(dim=1) - radius
        return thickness - (around.square() + points[:, 2].square()).sqrt()

    return field


def block(half: tuple[float, float, float], center: tuple[float, float, float]) -> Field:
    """Return the signed distance of a box."""

    def field(points: Tensor) -> Tensor:
        beyond = (points - torch.tensor(center)).abs() - torch.tensor(half)
        return -(beyond.clamp(min=0).norm(dim=1) + beyond.amax(dim=1).clamp(max=0))

    return field


def rod(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> Field:
    """Return the signed distance of a round rod."""
    first, along = torch.tensor(start), torch.tensor(end) - torch.tensor(start)

    def field(points: Tensor) -> Tensor:
        share = ((points - first) @ along / (along @ along)).clamp(0, 1)
        return radius - (points - first - share[:, None] * along).norm(dim=1)

    return field


def union(*fields: Field) -> Field:
    """Return what is inside any of the fields."""
    return lambda points: torch.stack([field(points) for field in fields]).amax(dim=0)


def squashed(field: Field, steepness: float = 8.0) -> Field:
    """Return a field with values in (-1, 1), as the networks have."""
    return lambda points: torch.tanh(steepness * field(points))


def lumpy() -> Field:
    """Return a ball with lobes."""

    def field(points: Tensor) -> Tensor:
        x, y, z = points.unbind(1)
        lobes = torch.sin(5 * x) * torch.cos(4 * y) * torch.sin(6 * z + 1)
        return 0.55 + 0.1 * lobes + 0.12 * torch.sin(3 * y + x) - points.norm(dim=1)

    return field


def spiral_ramp() -> Field:
    """Return a ramp that winds above itself: its top is one surface in several layers."""

    def field(points: Tensor) -> Tensor:
        x, y, z = points.unbind(1)
        radius = (x.square() + y.square()).sqrt()
        height = z - torch.atan2(y, x) / (4 * math.pi)
        height = height - torch.round(height / 0.5) * 0.5
        walls = torch.minimum(0.75 - radius, radius - 0.25)
        return torch.minimum(torch.minimum(0.06 - height.abs(), walls), 0.8 - z.abs())

    return field


def ripples(frequency: float, depth: float) -> Field:
    """Return a ball disturbed by waves in all directions, as bad samples are."""
    generator = torch.Generator().manual_seed(1)
    waves = torch.randn(12, 3, generator=generator) * frequency
    phases = torch.rand(12, generator=generator) * 6

    def field(points: Tensor) -> Tensor:
        disturbance = torch.sin(points @ waves.T + phases).sum(dim=1)
        return 0.5 - points.norm(dim=1) + depth * disturbance / 3

    return field


_SHAPES: dict[str, Callable[[], Field]] = {
    "ball": lambda: ball(0.7),
    "ring": lambda: ring(0.6, 0.25),
    "lumpy": lumpy,
    "spiral": spiral_ramp,
    "ripples": lambda: ripples(14.0, 0.12),
    "two": lambda: union(ball(0.3, (-0.5, 0.0, 0.0)), ball(0.15, (0.6, 0.1, 0.2))),
    "table": lambda: union(
        block((0.8, 0.6, 0.06), (0.0, 0.0, 0.3)),
        *[block((0.06, 0.06, 0.5), (x, y, -0.2)) for x in (-0.7, 0.7) for y in (-0.5, 0.5)],
    ),
}


@lru_cache(maxsize=16)
def shape_mesh(name: str, resolution: int = 48) -> Mesh:
    """Return the mesh of a named shape; the arrays are shared, so leave them as they are."""
    return extract_mesh(squashed(_SHAPES[name]()), resolution, device=CPU)


def is_closed_and_consistent(faces: NDArray[np.int32]) -> bool:
    """Whether every edge has exactly two faces, one in each direction."""
    start = faces.astype(np.int64)
    end = np.roll(start, -1, axis=1)
    size = int(faces.max()) + 1
    forward, backward = (start * size + end).ravel(), (end * size + start).ravel()
    once = len(np.unique(forward)) == len(forward)
    return once and np.array_equal(np.sort(forward), np.sort(backward))


def signed_volume(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> float:
    """Return the enclosed volume, positive where faces look outward."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def face_areas(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the area of each face, [F]."""
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    areas: NDArray[np.float64] = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 2
    return areas


def canonical(faces: NDArray[np.int32]) -> list[tuple[int, ...]]:
    """Return triangles in a fixed order, each from its smallest vertex on, winding kept."""
    return sorted(
        tuple(triangle[(first := triangle.index(min(triangle))) :] + triangle[:first])
        for triangle in faces.tolist()
    )
