# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint textures by asking the field for what each texel shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..beside import beside
from ..errors import NonFiniteError
from ..interrupt import Check, ignore
from ..mesh import MapImage, TextureData
from ..png import encode_png
from .color import to_bytes
from .normal_map import NEUTRAL, FieldNormals, bake_normals, corner_weights, interpolate
from .occlusion import texel_openness
from .padding import Padding
from .raster import Texels, rasterize
from .tangents import TangentFrames, tangent_frames
from .unwrap import Unwrapping
from .voxels import measure_clearance

FieldColor = Callable[[Tensor], Tensor]
"""Points [P, 3] in [-1, 1]^3 to sRGB-encoded colours [P, 3] in [0, 1]."""

Projection = Callable[[Tensor], Tensor]
"""Points [P, 3] near a surface to points on it, [P, 3]; those too far off stay where they are."""

_MOST_SAMPLES = 100_000
"""Of the mesh's surface, from which distances to it are measured."""

_PROJECTED_AT_ONCE = 1 << 17

_CPU_CHUNK = 8192
"""Points per query on a CPU: a layer of colors in bf16 then stays in its cache."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSources:
    """What the maps beside the base colour are made from."""

    corner_normals: NDArray[np.float32]
    """Unit normals that the mesh is shaded with, from `shading.corner_normals`, [F, 3, 3]."""
    field_normals: FieldNormals | None = None
    """What a normal map is to show; None leaves it out."""
    occlusion: bool = False
    """Whether to bake an occlusion map."""


def ignore_fraction(fraction: float) -> None:
    """Do nothing: the default `on_progress`."""


def bake_texture(
    color: FieldColor,
    field_vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    unwrapping: Unwrapping,
    size: int,
    *,
    device: torch.device,
    project: Projection | None = None,
    maps: MapSources | None = None,
    chunk_size: int | None = None,
    check: Check = ignore,
    on_progress: Callable[[float], None] = ignore_fraction,
) -> TextureData:
    """Return images whose texels show the field on the surface.

    Args:
        color: the field's colour.
        field_vertices: positions in the field's box, not in metres, [V, 3].
        faces: vertex indices, [F, 3].
        unwrapping: where the faces lie on the image.
        size: texels per side.
        device: where the field takes its points.
        project: moves points of the mesh onto the surface of the field, where they differ.
        maps: what to bake beside the base colour; None for nothing.
        chunk_size: points per query of the field.
        check: called before each query; may raise to stop.
        on_progress: called with the fraction done.
    Raises:
        NonFiniteError: the field returned NaN or infinity.
    """
    check()
    texels = rasterize(field_vertices, faces, unwrapping.corner_uvs, unwrapping.border, size, check)

    def prepare() -> tuple[Padding, _MapBaker | None]:
        padding = Padding(texels.index, size, unwrapping.padding, check)
        if maps is None:
            return padding, None
        return padding, _MapBaker(field_vertices, faces, unwrapping, texels, size, maps, check)

    with beside(prepare) as prepared:
        points = _projected(texels.positions, project, device, check)
        colors = _ask_colors(color, points, device, chunk_size, check, on_progress)
        padding, baker = prepared()
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    pixels[..., :3] = padding.paint(colors)
    normal = occlusion = None
    with beside(lambda: encode_png(pixels, check)) as encoded:
        if baker is not None:
            if (bytes_ := baker.normals(points, device)) is not None:
                normal = _map_image(padding.paint(bytes_, NEUTRAL), check)
            if (bytes_ := baker.openness()) is not None:
                occlusion = _map_image(padding.paint(bytes_), check)
        png = encoded()
    on_progress(1.0)
    return TextureData(
        pixels=pixels,
        corner_uvs=unwrapping.corner_uvs,
        num_islands=unwrapping.num_islands,
        png=png,
        normal=normal,
        occlusion=occlusion,
    )


def _projected(
    positions: NDArray[np.float32],
    project: Projection | None,
    device: torch.device,
    check: Check,
) -> NDArray[np.float32]:
    """Return where the field is to be asked, in its box, [N, 3]."""
    # A border texel may lie a little outside the box, where the field was never trained.
    points = positions.clip(-1.0, 1.0)
    if project is None:
        return points
    for start in range(0, len(points), _PROJECTED_AT_ONCE):
        check()
        part = slice(start, start + _PROJECTED_AT_ONCE)
        points[part] = project(torch.from_numpy(points[part]).to(device)).cpu().numpy()
    return points.clip(-1.0, 1.0)


def _ask_colors(
    color: FieldColor,
    points: NDArray[np.float32],
    device: torch.device,
    chunk_size: int | None,
    check: Check,
    on_progress: Callable[[float], None],
) -> NDArray[np.uint8]:
    """Return the field's colours at points [N, 3] as bytes, [N, 3]."""
    if chunk_size is None:
        chunk_size = _CPU_CHUNK if device.type == "cpu" else 262144
    colors = np.empty((len(points), 3), dtype=np.uint8)
    for start in range(0, len(colors), chunk_size):
        check()
        part = slice(start, start + chunk_size)
        with torch.no_grad():
            values = color(torch.from_numpy(points[part]).to(device)).float().cpu().numpy()
        if not np.isfinite(values).all():
            raise NonFiniteError("the colour of the surface")
        colors[part] = to_bytes(values)
        on_progress(min(1.0, (start + chunk_size) / len(colors)))
    return colors


class _MapBaker:
    """What the maps of one mesh have in common."""

    def __init__(
        self,
        vertices: NDArray[np.float32],
        faces: NDArray[np.int32],
        unwrapping: Unwrapping,
        texels: Texels,
        size: int,
        maps: MapSources,
        check: Check,
    ) -> None:
        self._vertices, self._faces, self._unwrapping = vertices, faces, unwrapping
        self._texels, self._size, self._maps, self._check = texels, size, maps, check
        check()
        self._weights = corner_weights(texels, unwrapping.corner_uvs, size)
        self._frames: TangentFrames | None = None
        if maps.field_normals is not None:
            check()
            self._frames = tangent_frames(
                vertices, faces, unwrapping.corner_uvs, maps.corner_normals
            )

    def normals(
        self, points: NDArray[np.float32], device: torch.device
    ) -> NDArray[np.uint8] | None:
        """Return the bytes of the normal map at all texels, [N, 3]; None if it is not wanted."""
        if self._frames is None or self._maps.field_normals is None:
            return None
        return bake_normals(
            self._maps.field_normals,
            points,
            self._frames,
            self._texels,
            self._weights,
            device=device,
            check=self._check,
        )

    def openness(self) -> NDArray[np.uint8] | None:
        """Return the bytes of the occlusion map at all texels, [N, 1]; None if not wanted."""
        if not self._maps.occlusion:
            return None
        a, b, c = self._vertices[self._faces].transpose(1, 0, 2)
        flat = np.cross(b - a, c - a)
        flat /= np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-30)
        some = slice(None, None, max(1, len(self._texels.index) // _MOST_SAMPLES))
        grid = measure_clearance(
            self._vertices,
            self._faces,
            self._texels.positions[some],
            flat[self._texels.face[some]],
            check=self._check,
        )
        normals = interpolate(self._maps.corner_normals, self._texels.face, self._weights)
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)
        values = texel_openness(
            grid, self._texels, self._unwrapping.islands, normals, self._size, check=self._check
        )
        return to_bytes(values)[:, None]


def _map_image(pixels: NDArray[np.uint8], check: Check) -> MapImage:
    return MapImage(pixels=pixels, png=encode_png(pixels, check))
