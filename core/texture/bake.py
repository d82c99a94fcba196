# SPDX-License-Identifier: GPL-3.0-or-later
"""Paint textures by asking the field for what each texel shows."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..beside import Crew, beside
from ..errors import NonFiniteError
from ..interrupt import Check, ignore
from ..mesh import TextureData
from ..png import encode_png
from .color import to_bytes
from .maps import Canvas, MapBaker, MapSources, lay_out
from .unwrap import Unwrapping

FieldColor = Callable[[Tensor], Tensor]
"""Points [P, 3] in [-1, 1]^3 to sRGB-encoded colours [P, 3] in [0, 1]."""

Projection = Callable[[Tensor], Tensor]
"""Points [P, 3] near a surface to points on it, [P, 3]; those too far off stay where they are."""

_PROJECTED_AT_ONCE = 1 << 16

_CPU_CHUNK = 1 << 14
"""Points per query and core of a CPU: some 10 ms."""


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
    canvas: Canvas | None = None,
    chunk_size: int | None = None,
    check: Check = ignore,
    on_progress: Callable[[float], None] = ignore_fraction,
) -> TextureData:
    """Return images whose texels show the field on the surface.

    Args:
        color: the field's colour; asked on this thread while another asks for normals.
        field_vertices: positions in the field's box, not in metres, [V, 3].
        faces: vertex indices, [F, 3].
        unwrapping: where the faces lie on the image.
        size: texels per side.
        device: where the field takes its points.
        project: moves points of the mesh onto the surface of the field, where they differ.
        maps: what to bake beside the base colour; None for nothing.
        canvas: from `lay_out`, if that was called already.
        chunk_size: points per query of the field.
        check: called before each query; may raise to stop.
        on_progress: called with the fraction done.
    Raises:
        NonFiniteError: the field returned NaN or infinity.
    """
    check()
    canvas = canvas or lay_out(
        field_vertices, faces, unwrapping, size, has_maps=maps is not None, check=check
    )
    texels, padding = canvas.texels, canvas.padding
    baker = MapBaker(field_vertices, faces, unwrapping, canvas, size, maps, check)
    with beside(baker.prepare) as prepared:
        points, normals = _settled(texels.positions, project, maps, device, check)
        prepared()
    pixels = np.full((size, size, 4), 255, dtype=np.uint8)
    with beside(lambda: baker.bake(points, normals, device)) as baked:
        pixels[..., :3] = padding.paint(
            _ask_colors(color, points, device, chunk_size, check, on_progress)
        )
        png = encode_png(pixels, check)
        normal, occlusion = baked()
    on_progress(1.0)
    return TextureData(
        pixels=pixels,
        corner_uvs=unwrapping.corner_uvs,
        num_islands=unwrapping.num_islands,
        png=png,
        normal=normal,
        occlusion=occlusion,
    )


def _settled(
    positions: NDArray[np.float32],
    project: Projection | None,
    maps: MapSources | None,
    device: torch.device,
    check: Check,
) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Return where the field is to be asked, in its box, and its normals there, each [N, 3]."""
    # A border texel may lie a little outside the box, where the field was never trained.
    points = positions.clip(-1.0, 1.0)
    settle = maps.settle if maps else None
    if settle is None and project is None:
        return points, None
    normals = np.empty_like(points) if settle else None

    def move(start: int) -> None:
        check()
        part = slice(start, start + _PROJECTED_AT_ONCE)
        asked = torch.from_numpy(points[part]).to(device)
        if settle is None or normals is None:
            assert project is not None
            points[part] = project(asked).cpu().numpy()
        else:
            places, found = settle(asked)
            points[part], normals[part] = places.cpu().numpy(), found.cpu().numpy()

    pieces = [partial(move, start) for start in range(0, len(points), _PROJECTED_AT_ONCE)]
    if device.type == "cpu":
        Crew().do(pieces)
    else:
        for piece in pieces:
            piece()
    return points.clip(-1.0, 1.0), normals


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
        on_cpu = device.type == "cpu"
        chunk_size = _CPU_CHUNK * torch.get_num_threads() if on_cpu else 262144
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
