# SPDX-License-Identifier: GPL-3.0-or-later
"""A mesh whose faces are to be changed while it keeps its looks: what goes in, what comes out.

Axes and units are those of the mesh's object; nothing here depends on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .config import Shading
from .mesh import MeshData


@dataclass(frozen=True, slots=True, kw_only=True)
class PaintedMesh:
    """A mesh as it looks now."""

    vertices: NDArray[np.float32]
    """Finite positions, [V, 3]."""
    faces: NDArray[np.int32]
    """Vertex indices, counter-clockwise seen from outside, at least one, [F, 3]."""
    corner_normals: NDArray[np.float32]
    """Unit shading normals, [F, 3, 3]."""
    corner_uvs: NDArray[np.float32] | None = None
    """Where face corners lie on the images, [F, 3, 2]."""
    pixels: NDArray[np.uint8] | None = None
    """The base colour: sRGB, first row at the bottom, [H, W, 3] or more channels."""
    normal_pixels: NDArray[np.uint8] | None = None
    """A tangent-space normal map, [H, W, 3] or more channels."""
    corner_colors: NDArray[np.float32] | None = None
    """sRGB colours of face corners in [0, 1] for where there is no base colour, [F, 3, 3]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemeshRequest:
    """What is to become of a painted mesh."""

    source: PaintedMesh
    triangles: int = 0
    """Simplify to at most so many; 0 takes `vertices` and `polygons` instead."""
    vertices: NDArray[np.float32] | None = None
    """Of the new mesh, [V, 3]."""
    polygons: NDArray[np.int32] | None = None
    """Its quads, or its triangles, [P, 4] or [P, 3]."""
    texture_size: int = 1024
    """Pixels per side of the new images; 0 leaves only the colour attribute."""
    normal_map: bool = False
    """Whether to bake what the source shows and the new mesh has not."""
    occlusion_map: bool = False
    shading: Shading = "smooth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remeshed:
    """The new mesh, painted like the old one."""

    mesh: MeshData
    """In triangles; those of quad i are 2 i and 2 i + 1: corners 0 1 2 and 0 2 3 of the quad."""
    polygons: NDArray[np.int32]
    """As in the request, or the triangles."""
    is_closed: bool
    """Whether every edge has two faces."""
    note: str = ""
    """A sentence for the user, if there is something to say."""


def quad_uvs(corner_uvs: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return UV of the corners of quads, [Q, 4, 2], from those of their halves, [2 Q, 3, 2]."""
    uvs: NDArray[np.float32] = np.concatenate([corner_uvs[::2], corner_uvs[1::2, 2:]], axis=1)
    return uvs
