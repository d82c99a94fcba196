# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh with a texture in place of a field: its colours and normals at any point near it."""

from __future__ import annotations

import threading

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..closest import Nearest, NearestFaces
from ..interrupt import Check, ignore
from ..painted import PaintedMesh
from .tangents import tangent_frames


class MeshField:
    """Answers what the bake asks of a field, at the place of the mesh that is nearest.

    Args:
        mesh: what to look at.
        check: called between pieces of work; may raise to stop.
    """

    def __init__(self, mesh: PaintedMesh, check: Check = ignore) -> None:
        self._mesh, self._check = mesh, check
        self._nearest = NearestFaces(mesh.vertices, mesh.faces)
        self._frames = None
        if mesh.normal_pixels is not None and mesh.corner_uvs is not None:
            self._frames = tangent_frames(
                mesh.vertices, mesh.faces, mesh.corner_uvs, mesh.corner_normals
            )

    def find(
        self, points: NDArray[np.float32], normals: NDArray[np.float32] | None = None
    ) -> Nearest:
        """Return the places nearest to points [P, 3], on faces that look as `normals` do."""
        return self._nearest.find(points, self._check, normals=normals)

    def color_at(self, places: Nearest) -> NDArray[np.float32]:
        """Return sRGB in [0, 1] at places on the mesh, [P, 3]."""
        mesh = self._mesh
        if mesh.pixels is not None and mesh.corner_uvs is not None:
            colors: NDArray[np.float32] = _sample(
                mesh.pixels, places.interpolate(mesh.corner_uvs)
            ) / np.float32(255)
            return colors
        if mesh.corner_colors is not None:
            return places.interpolate(mesh.corner_colors)
        return np.full((len(places.face), 3), 0.5, dtype=np.float32)

    def normals_at(self, places: Nearest) -> NDArray[np.float32]:
        """Return unit shading normals at places on the mesh, those of its normal map if any."""
        normals = places.interpolate(self._mesh.corner_normals)
        if self._frames is not None and self._mesh.normal_pixels is not None:
            tangents = places.interpolate(self._frames.tangents)
            sign = self._frames.signs[places.face, None]
            uvs = places.interpolate(self._mesh.corner_uvs)  # type: ignore[arg-type]
            local = _sample(self._mesh.normal_pixels, uvs) / np.float32(127.5) - np.float32(1)
            bitangents = sign * np.cross(normals, tangents)
            normals = local[:, :1] * tangents + local[:, 1:2] * bitangents + local[:, 2:] * normals
        length = np.linalg.norm(normals, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (normals / np.maximum(length, 1e-20)).astype(np.float32)
        return unit


class RememberingField:
    """The callables that `bake_texture` takes; asks for each texel's place once.

    The bake asks about the same points several times, in one order but in other portions, for
    colors on one thread and for normals on another.
    """

    def __init__(
        self, field: MeshField, points: NDArray[np.float32], normals: NDArray[np.float32]
    ) -> None:
        """Find the places of the points that are going to be asked about, [P, 3], in their order.

        Args:
            field: what to look at.
            points: of all texels.
            normals: of the new mesh there, [P, 3].
        """
        self._field = field
        self._asked = points
        self._places = field.find(points, normals)
        self._next = {"color": 0, "normals": 0}
        self._lock = threading.Lock()

    def color(self, points: Tensor) -> Tensor:
        """Return sRGB colours, [P, 3]."""
        return torch.from_numpy(self._field.color_at(self._look_up(points, "color")))

    def normals(self, points: Tensor) -> Tensor:
        """Return unit normals, [P, 3]."""
        return torch.from_numpy(self._field.normals_at(self._look_up(points, "normals")))

    def _look_up(self, points: Tensor, reader: str) -> Nearest:
        asked = points.detach().cpu().numpy()
        with self._lock:
            known, places = self._asked, self._places
        for start in (self._next[reader], 0):
            part = slice(start, start + len(asked))
            if np.array_equal(known[part], asked):
                self._next[reader] = start + len(asked)
                return Nearest(places.face[part], places.weights[part])
        found = self._field.find(asked)
        with self._lock:
            self._asked = np.concatenate([self._asked, asked])
            self._places = Nearest(
                np.concatenate([self._places.face, found.face]),
                np.concatenate([self._places.weights, found.weights]),
            )
            self._next[reader] = len(self._asked)
        return found


def _sample(pixels: NDArray[np.uint8], uvs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the first three channels between the four texels around each place, [P, 3]."""
    height, width = pixels.shape[:2]
    x = (uvs[:, 0] * width - 0.5).clip(0, width - 1)
    y = (uvs[:, 1] * height - 0.5).clip(0, height - 1)
    left, low = x.astype(np.int64), y.astype(np.int64)
    right, high = np.minimum(left + 1, width - 1), np.minimum(low + 1, height - 1)
    across, up = (x - left)[:, None], (y - low)[:, None]
    lower = pixels[low, left, :3] * (1 - across) + pixels[low, right, :3] * across
    upper = pixels[high, left, :3] * (1 - across) + pixels[high, right, :3] * across
    found: NDArray[np.float32] = (lower * (1 - up) + upper * up).astype(np.float32)
    return found
