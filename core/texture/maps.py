# SPDX-License-Identifier: GPL-3.0-or-later
"""The maps beside the base color, and the canvas that all images of one mesh share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..interrupt import Check, ignore
from ..mesh import MapImage
from ..png import encode_png
from .color import to_bytes
from .normal_map import NEUTRAL, FieldNormals, bake_normals, corner_weights, interpolate
from .occlusion import texel_openness
from .padding import Padding
from .raster import Texels, rasterize
from .tangents import TangentFrames, tangent_frames
from .unwrap import Unwrapping
from .voxels import measure_clearance

Settling = Callable[[Tensor], tuple[Tensor, Tensor]]
"""A projection that also returns the outward unit normals there, [P, 3], NaN if there are none."""

_MOST_SAMPLES = 100_000
"""Of the mesh's surface, from which distances to it are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSources:
    """What the maps beside the base colour are made from."""

    corner_normals: NDArray[np.float32]
    """Unit normals that the mesh is shaded with, from `shading.corner_normals`, [F, 3, 3]."""
    field_normals: FieldNormals | None = None
    """What a normal map is to show; without it and the next there is none."""
    settle: Settling | None = None
    """Instead of `field_normals` and of a projection: finds both at once, which is quicker."""
    occlusion: bool = False
    """Whether to bake an occlusion map."""


@dataclass(frozen=True, slots=True)
class Canvas:
    """What is known of an image before the field is asked."""

    texels: Texels
    padding: Padding
    weights: NDArray[np.float32] | None
    """From `corner_weights`; None where no maps are made."""


def lay_out(
    field_vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    unwrapping: Unwrapping,
    size: int,
    *,
    has_maps: bool,
    check: Check = ignore,
) -> Canvas:
    """Find which texels show what; arguments are those of `bake_texture`."""
    check()
    corner_uvs = unwrapping.corner_uvs
    texels = rasterize(field_vertices, faces, corner_uvs, unwrapping.border, size, check)
    padding = Padding(texels.index, size, unwrapping.padding, check)
    check()
    return Canvas(texels, padding, corner_weights(texels, corner_uvs, size) if has_maps else None)


class MapBaker:
    """Makes the maps of one mesh, which may be none."""

    def __init__(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        unwrapping: Unwrapping,
        canvas: Canvas,
        size: int,
        maps: MapSources | None,
        check: Check,
    ) -> None:
        self._vertices, self._faces, self._unwrapping = vertices, faces, unwrapping
        self._canvas, self._size, self._maps, self._check = canvas, size, maps, check
        self._frames: TangentFrames | None = None

    @property
    def _has_normals(self) -> bool:
        maps = self._maps
        return maps is not None and (maps.field_normals is not None or maps.settle is not None)

    def prepare(self) -> None:
        """Do what can be done before the places on the field's surface are known."""
        if not self._has_normals or self._maps is None:
            return
        self._check()
        self._frames = tangent_frames(
            self._vertices, self._faces, self._unwrapping.corner_uvs, self._maps.corner_normals
        )

    def bake(
        self,
        points: NDArray[np.float32],
        wanted: NDArray[np.float32] | None,
        device: torch.device,
    ) -> tuple[MapImage | None, MapImage | None]:
        """Return the normal map and the occlusion map, each if it is wanted.

        Args:
            points: where the field is asked, [N, 3].
            wanted: its normals there, if they are known, [N, 3].
            device: where it takes its points.
        """
        normal = occlusion = None
        if (bytes_ := self._normals(points, wanted, device)) is not None:
            normal = _map_image(self._canvas.padding.paint(bytes_, NEUTRAL), self._check)
        if (bytes_ := self._openness()) is not None:
            occlusion = _map_image(self._canvas.padding.paint(bytes_), self._check)
        return normal, occlusion

    def _normals(
        self,
        points: NDArray[np.float32],
        wanted: NDArray[np.float32] | None,
        device: torch.device,
    ) -> NDArray[np.uint8] | None:
        """Return the bytes of the normal map at all texels, [N, 3]."""
        weights = self._canvas.weights
        if not self._has_normals or self._maps is None:
            return None
        field_normals = wanted if wanted is not None else self._maps.field_normals
        assert self._frames is not None and weights is not None and field_normals is not None
        return bake_normals(
            field_normals,
            points,
            self._frames,
            self._canvas.texels,
            weights,
            device=device,
            check=self._check,
        )

    def _openness(self) -> NDArray[np.uint8] | None:
        """Return the bytes of the occlusion map at all texels, [N, 1]."""
        texels, weights = self._canvas.texels, self._canvas.weights
        if self._maps is None or not self._maps.occlusion:
            return None
        assert weights is not None
        a, b, c = self._vertices[self._faces].transpose(1, 0, 2)
        flat = np.cross(b - a, c - a)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
        some = slice(None, None, max(1, len(texels.index) // _MOST_SAMPLES))
        grid = measure_clearance(
            self._vertices,
            self._faces,
            texels.positions[some],
            flat[texels.face[some]],
            check=self._check,
        )
        normals = interpolate(self._maps.corner_normals, texels.face, weights)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        values = texel_openness(
            grid, texels, self._unwrapping.islands, normals, self._size, check=self._check
        )
        return to_bytes(values)[:, None]


def _map_image(pixels: NDArray[np.uint8], check: Check) -> MapImage:
    return MapImage(pixels=pixels, png=encode_png(pixels, check))
