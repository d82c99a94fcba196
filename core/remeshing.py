# SPDX-License-Identifier: GPL-3.0-or-later
"""Other faces for a finished mesh, and its colours and detail on new textures of their own.

Blocking; runs on any thread. What the old mesh looked like is all that is known: no field is
asked, so that results of earlier sessions and textures that were painted on can be remeshed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from .geometry.health import inspect_mesh
from .geometry.normals import area_normals
from .geometry.simplify import simplify
from .interrupt import Check, ignore
from .mesh import MeshData, TextureData
from .painted import PaintedMesh, Remeshed, RemeshRequest
from .texture.bake import bake_texture
from .texture.color import srgb_to_linear
from .texture.maps import MapSources
from .texture.raster import rasterize
from .texture.shading import corner_normals
from .texture.textured import MeshField, RememberingField
from .texture.unwrap import unwrap

OnProgress = Callable[[str, float], None]

_EXTENT = 0.9
"""Of the box [-1, 1] that the bake works in; border texels lie a little outside the mesh."""


def remesh(
    request: RemeshRequest,
    *,
    check: Check = ignore,
    on_progress: OnProgress = lambda stage, fraction: None,
) -> Remeshed:
    """Return the mesh that a request asks for, painted like its source.

    Args:
        request: what is there, and what is to become of it.
        check: called often; may raise to stop.
        on_progress: told the stage in words and the fraction of everything done.
    """
    vertices, polygons, note = _geometry(request, check, on_progress)
    faces = _triangles(polygons)
    # A box of its own, so that sizes in metres do not matter to the bake.
    middle, scale = _box(request.source.vertices, vertices)
    source = replace(request.source, vertices=_scaled(request.source.vertices, middle, scale))
    field = MeshField(source, check)
    scaled = _scaled(vertices, middle, scale)
    on_progress("Painting the texture", 0.3)
    places = field.find(scaled, area_normals(scaled, faces))
    if request.polygons is not None:
        # QuadriFlow leaves the surface where it is coarse, most of all at borders.
        scaled = places.interpolate(source.vertices[source.faces])
        vertices = (scaled / scale + middle).astype(np.float32)
    colors = srgb_to_linear(field.color_at(places))
    texture = None
    if request.texture_size:
        texture = _texture(
            request, field, scaled, faces, polygons.shape[1] == 4, check, on_progress
        )
    health = inspect_mesh(vertices, faces)
    return Remeshed(
        mesh=MeshData(
            vertices=vertices,
            faces=faces,
            normals=area_normals(vertices, faces),
            vertex_colors=colors.astype(np.float32),
            texture=texture,
            shading=request.shading,
        ),
        polygons=polygons,
        is_closed=health.num_border_edges == 0,
        note=note,
    )


def _geometry(
    request: RemeshRequest, check: Check, on_progress: OnProgress
) -> tuple[NDArray[np.float32], NDArray[np.int32], str]:
    if not request.triangles:
        if request.vertices is None or request.polygons is None:
            raise ValueError("neither a number of triangles nor a mesh was given")
        return request.vertices, request.polygons, ""
    source = request.source
    found = simplify(
        source.vertices,
        source.faces,
        request.triangles,
        check=check,
        on_progress=lambda share: on_progress("Simplifying", 0.2 * share),
    )
    return found.vertices, found.faces, found.note


def _triangles(polygons: NDArray[np.int32]) -> NDArray[np.int32]:
    if polygons.shape[1] == 3:
        return polygons
    return np.ascontiguousarray(polygons[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3))


def _box(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> tuple[NDArray[np.float64], float]:
    low = np.minimum(first.min(axis=0), second.min(axis=0)).astype(np.float64)
    high = np.maximum(first.max(axis=0), second.max(axis=0)).astype(np.float64)
    return (low + high) / 2, 2 * _EXTENT / max(float((high - low).max()), 1e-12)


def _scaled(
    vertices: NDArray[np.float32], middle: NDArray[np.float64], scale: float
) -> NDArray[np.float32]:
    return ((vertices - middle) * scale).astype(np.float32)


def _texture(
    request: RemeshRequest,
    field: MeshField,
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    are_pairs: bool,
    check: Check,
    on_progress: OnProgress,
) -> TextureData:
    size = request.texture_size
    on_progress("Unwrapping", 0.35)
    islands = unwrap(vertices, faces, size, are_pairs=are_pairs, check=check)
    texels = rasterize(vertices, faces, islands.corner_uvs, islands.border, size, check)
    flat = corner_normals(vertices, faces, "flat")[:, 0]
    asked = RememberingField(field, texels.positions.clip(-1.0, 1.0), flat[texels.face])
    maps = None
    if request.normal_map or request.occlusion_map:
        maps = MapSources(
            corner_normals=corner_normals(vertices, faces, request.shading),
            field_normals=asked.normals if request.normal_map else None,
            occlusion=request.occlusion_map,
        )
    return bake_texture(
        asked.color,
        vertices,
        faces,
        islands,
        size,
        device=torch.device("cpu"),
        maps=maps,
        check=check,
        on_progress=lambda share: on_progress("Painting the texture", 0.4 + 0.6 * share),
    )


__all__ = ["PaintedMesh", "RemeshRequest", "Remeshed", "remesh"]
