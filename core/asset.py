# SPDX-License-Identifier: GPL-3.0-or-later
"""Assets on their way in: painted triangles, and what the encoder reads of them.

Plain numpy. Axes are Blender's (Z up, front -Y), and the box of an encoded asset is [-1, 1]^3:
centred, with the longest side of the asset from -1 to 1, as OpenAI's own preparation has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .errors import MeshInputError

MIN_THICKNESS = 0.005
"""Of the longest side: thinner things enclose nothing that a grid of distances could show."""


@dataclass(frozen=True, slots=True)
class Places:
    """Places on the triangles of a surface."""

    faces: NDArray[np.int64]
    """Which triangle, [P]."""
    weights: NDArray[np.float32]
    """Barycentric, of its three corners, [P, 3]."""

    def at(self, corners: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return values given at triangles' corners, [F, 3, C], at these places, [P, C]."""
        mixed: NDArray[np.float32] = np.einsum("pk,pkc->pc", self.weights, corners[self.faces])
        return mixed


class Paint(Protocol):
    """The base colour of a material."""

    def colors(self, surface: Surface, places: Places) -> NDArray[np.float32]:
        """Return linear colours (Rec.709) at places on a surface, [P, 3]."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """Triangles with base colours, of one object or many, in one frame of reference."""

    vertices: NDArray[np.float32]
    """[V, 3]."""
    faces: NDArray[np.int32]
    """Vertex indices, counter-clockwise seen from outside, [F, 3]."""
    corner_normals: NDArray[np.float32]
    """Unit normals as shaded, [F, 3, 3]."""
    paints: tuple[Paint, ...]
    face_paints: NDArray[np.int32]
    """Index of each triangle's paint, [F]."""
    corner_uvs: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """By the layer's name; zeros where an object lacks the layer, [F, 3, 2]."""
    corner_colors: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    """Linear, by the attribute's name; white where an object lacks it, [F, 3, 3]."""

    def __post_init__(self) -> None:
        count = len(self.faces)
        if self.vertices.ndim != 2 or self.vertices.shape[1] != 3:
            raise ValueError(f"expected [V, 3] vertices, got {self.vertices.shape}")
        if self.faces.shape != (count, 3) or self.corner_normals.shape != (count, 3, 3):
            raise ValueError(f"expected [{count}, 3, 3] normals, got {self.corner_normals.shape}")
        if self.face_paints.shape != (count,):
            raise ValueError(f"expected [{count}] paints of faces, got {self.face_paints.shape}")
        if not np.isfinite(self.vertices).all():
            raise ValueError("its vertices are not numbers")
        if count and not 0 <= self.faces.min() <= self.faces.max() < len(self.vertices):
            raise ValueError("faces point to vertices that are not there")
        if count and not 0 <= self.face_paints.min() <= self.face_paints.max() < len(self.paints):
            raise ValueError("faces point to paints that are not there")

    @property
    def corners(self) -> NDArray[np.float32]:
        """Positions of the triangles' corners, [F, 3, 3]."""
        return self.vertices[self.faces]

    def colors(self, places: Places) -> NDArray[np.float32]:
        """Return linear base colours in [0, 1] at places, [P, 3]."""
        colors = np.zeros((len(places.faces), 3), dtype=np.float32)
        used = self.face_paints[places.faces]
        for index in np.unique(used):
            chosen = used == index
            part = Places(places.faces[chosen], places.weights[chosen])
            colors[chosen] = self.paints[index].colors(self, part)
        return np.clip(colors, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Box:
    """Where an asset was: its own coordinates are scale * boxed + center."""

    center: tuple[float, float, float]
    scale: float

    def to_box(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map the asset's own coordinates to the box, [..., 3]."""
        return ((points.astype(np.float64) - self.center) / self.scale).astype(np.float32)


def boxed(surface: Surface) -> tuple[Surface, Box]:
    """Return a surface centred in [-1, 1]^3, its longest side filling it, and where it was.

    Raises:
        ValueError: the surface has no triangles, or no size.
    """
    if not len(surface.faces):
        raise ValueError("it has no faces")
    used = surface.corners.reshape(-1, 3).astype(np.float64)
    low, high = used.min(axis=0), used.max(axis=0)
    scale = float((high - low).max()) / 2
    if scale <= 0 or not np.isfinite(scale):
        raise ValueError("it has no size")
    x, y, z = (float(value) for value in (low + high) / 2)
    box = Box((x, y, z), scale)
    return replace(surface, vertices=box.to_box(surface.vertices)), box


def require_readable(surface: Surface, source: str) -> None:
    """Find out whether a surface is a thing in space; it need not be closed.

    Args:
        surface: anywhere, in any unit.
        source: what to call it.

    Raises:
        MeshInputError: it has no faces, no area, or no thickness in some direction.
    """
    if not len(surface.faces):
        raise MeshInputError(source, "it has no faces")
    corners = surface.corners.astype(np.float64)
    sides = corners[:, 1:] - corners[:, :1]
    areas = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1)
    if not areas.any():
        raise MeshInputError(source, "its faces have no area")
    points = corners[areas > 0].reshape(-1, 3)
    points -= points.mean(axis=0)
    # Along the directions in which it reaches farthest and least, however it is turned.
    _, axes = np.linalg.eigh(points.T @ points)
    extents = np.ptp(points @ axes, axis=0)
    if extents.min() < MIN_THICKNESS * extents.max():
        raise MeshInputError(source, "it is flat")


@dataclass(frozen=True, slots=True)
class ColoredCloud:
    """Points on a surface, the farthest from one another first."""

    points: NDArray[np.float32]
    """In [-1, 1]^3, [N, 3]."""
    colors: NDArray[np.float32]
    """sRGB of the base colour in [0, 1], [N, 3]."""

    def __post_init__(self) -> None:
        if self.points.shape != (len(self.points), 3) or self.colors.shape != self.points.shape:
            raise ValueError(f"expected [N, 3] twice, got {self.points.shape, self.colors.shape}")

    @property
    def rows(self) -> NDArray[np.float32]:
        """Position and colour of each point, [N, 6]; 16,384 rows for the published encoder."""
        return np.concatenate([self.points, self.colors], axis=1)


@dataclass(frozen=True, slots=True)
class Cameras:
    """Pinhole cameras around the box.

    A ray runs through the centre of each pixel: the fraction of column i of n is
    (2 i + 1) / n - 1 of tan(fov / 2), as Blender renders.
    """

    origins: NDArray[np.float32]
    """[V, 3]."""
    axes: NDArray[np.float32]
    """Right, down and forward, unit vectors, [V, 3, 3]."""
    fov: float
    """Full opening angle across and up, radians."""

    def __post_init__(self) -> None:
        count = len(self.origins)
        if self.origins.shape != (count, 3) or self.axes.shape != (count, 3, 3):
            raise ValueError(f"expected [V, 3, 3] axes, got {self.axes.shape}")


@dataclass(frozen=True, slots=True)
class Views:
    """What cameras see; 20 views of 256 x 256 pixels for the published encoder."""

    rgba: NDArray[np.uint8]
    """sRGB with straight alpha, first row at the top, [V, H, W, 4]."""
    depth: NDArray[np.float32]
    """Along the camera's axis, infinite where a pixel shows background, [V, H, W]."""
    cameras: Cameras

    def __post_init__(self) -> None:
        shape = (len(self.cameras.origins), *self.rgba.shape[1:3])
        if self.rgba.shape != (*shape, 4) or self.depth.shape != shape:
            raise ValueError(f"expected {shape} pixels, got {self.rgba.shape, self.depth.shape}")


@dataclass(frozen=True, slots=True)
class Asset:
    """What the encoder reads of one object, all in the same box."""

    cloud: ColoredCloud
    views: Views
