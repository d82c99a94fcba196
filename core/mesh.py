# SPDX-License-Identifier: GPL-3.0-or-later
"""The values that cross from core to Blender: plain numpy, checked once, no torch.

Axes are Blender's: right-handed, Z up, the front of the object faces -Y. Lengths are metres.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from .config import Shading

SHARP_ANGLE = math.radians(30.0)
"""Between faces, beyond which `auto` shading leaves an edge sharp: that of Blender's own tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MapImage:
    """An image of a material that is no colour: its bytes mean what they say (Non-Color)."""

    pixels: NDArray[np.uint8]
    """First row at the bottom (v = 0), [S, S, C]: three channels, or one of grey."""
    png: bytes = field(default=b"", repr=False)
    """The pixels as a PNG file; empty if nobody encoded them."""

    def __post_init__(self) -> None:
        size = len(self.pixels)
        is_square = self.pixels.ndim == 3 and self.pixels.shape[:2] == (size, size)
        if not is_square or self.pixels.shape[2] not in (1, 3) or self.pixels.dtype != np.uint8:
            raise ValueError(f"expected uint8 [S, S, 1 or 3], got {self.pixels.shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TextureData:
    """The images of a material and where each face corner lies on them."""

    pixels: NDArray[np.uint8]
    """sRGB-encoded RGBA, alpha 255, first row at the bottom (v = 0), [S, S, 4]."""
    corner_uvs: NDArray[np.float32]
    """UV of each corner of each face, in [0, 1], origin bottom left, [F, 3, 2]."""
    num_islands: int
    """Number of UV islands."""
    png: bytes = field(default=b"", repr=False)
    """The pixels as a PNG file, so that nobody encodes them while a user waits; empty if not."""
    normal: MapImage | None = None
    """Tangent-space normals, +X along u, +Y along v (OpenGL, as Blender and glTF), MikkTSpace."""
    occlusion: MapImage | None = None
    """Share of the hemisphere above the surface that is open, 255 for all of it, one channel."""

    def __post_init__(self) -> None:
        size = len(self.pixels)
        if self.pixels.shape != (size, size, 4) or self.pixels.dtype != np.uint8:
            raise ValueError(f"expected uint8 [S, S, 4], got {self.pixels.shape}")
        if self.corner_uvs.shape != (len(self.corner_uvs), 3, 2):
            raise ValueError(f"expected [F, 3, 2] UVs, got {self.corner_uvs.shape}")
        if not np.isfinite(self.corner_uvs).all():
            raise ValueError("UVs contain values that are not numbers")
        for name, image, channels in (("normal", self.normal, 3), ("occlusion", self.occlusion, 1)):
            if image is not None and image.pixels.shape != (size, size, channels):
                raise ValueError(
                    f"expected [{size}, {size}, {channels}] {name}, got {image.pixels.shape}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class MeshData:
    """A closed triangle mesh with colours, standing on z = 0, centred on the Z axis."""

    vertices: NDArray[np.float32]
    """Positions in metres, [V, 3]."""
    faces: NDArray[np.int32]
    """Vertex indices, counter-clockwise seen from outside, [F, 3]."""
    normals: NDArray[np.float32]
    """Unit normals pointing outward, [V, 3]."""
    vertex_colors: NDArray[np.float32]
    """Linear Rec.709 RGB in [0, 1] (Blender's colour attribute convention), [V, 3]."""
    texture: TextureData | None = None
    shading: Shading = "smooth"
    """How its faces are to be shaded; the normals are those of smooth shading in any case."""
    has_field_normals: bool = False
    """Whether smooth shading is to show `normals`, which are the field's, and not Blender's own."""

    def __post_init__(self) -> None:
        if self.shading not in get_args(Shading):
            raise ValueError(f"expected one of {get_args(Shading)}, got {self.shading!r}")
        num_vertices = len(self.vertices)
        for name in ("vertices", "normals", "vertex_colors"):
            values = getattr(self, name)
            if values.shape != (num_vertices, 3) or values.dtype != np.float32:
                raise ValueError(f"expected float32 [V, 3] {name}, got {values.shape}")
            if not np.isfinite(values).all():
                raise ValueError(f"{name} contain values that are not numbers")
        _require_faces(self.faces, num_vertices)
        if self.texture is not None and len(self.texture.corner_uvs) != len(self.faces):
            raise ValueError(
                f"{len(self.texture.corner_uvs)} UV triangles for {len(self.faces)} faces"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class HullData:
    """A simple closed mesh around another, in the same place, for physics to collide with."""

    vertices: NDArray[np.float32]
    """Positions in metres, [V, 3]."""
    faces: NDArray[np.int32]
    """Vertex indices, counter-clockwise seen from outside, [F, 3]."""

    def __post_init__(self) -> None:
        if self.vertices.shape != (len(self.vertices), 3) or self.vertices.dtype != np.float32:
            raise ValueError(f"expected float32 [V, 3] vertices, got {self.vertices.shape}")
        if not np.isfinite(self.vertices).all():
            raise ValueError("vertices contain values that are not numbers")
        _require_faces(self.faces, len(self.vertices))


def _require_faces(faces: NDArray[np.int32], num_vertices: int) -> None:
    if faces.shape != (len(faces), 3) or faces.dtype != np.int32:
        raise ValueError(f"expected int32 [F, 3] faces, got {faces.shape}")
    # foreach_set trusts its arrays: a wrong index crashes Blender or passes silently.
    if faces.size and not 0 <= faces.min() <= faces.max() < num_vertices:
        raise ValueError(f"faces point outside the {num_vertices} vertices")


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRecord:
    """Everything needed to make the same mesh again; stored on the Blender object as JSON."""

    prompt: str
    image_source: str
    seed: int
    pack: str
    pack_hash: str
    """First 16 hex digits of the SHA-256 over the pack's files."""
    settings: dict[str, str | int | float]
    """Sampler, resolution, texture size, target size, device and precision as used."""
    version: str
    """Maquette's version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationResult:
    """One finished variant."""

    name: str
    """Short object name made from the prompt."""
    mesh: MeshData
    record: GenerationRecord
    stage_seconds: dict[str, float]
    """Wall seconds by stage, in the order the stages ran."""
    warnings: tuple[str, ...] = field(default=())
    """Sentences for the user, such as words that the pack does not know."""
    lods: tuple[MeshData, ...] = ()
    """Coarser meshes of the same object on the same texture, each with half the triangles."""
    collision: HullData | None = None
    thumbnail: NDArray[np.uint8] | None = None
    """A picture of the mesh: sRGB, straight alpha, first row at the bottom, [S, S, 4]."""
    latent: NDArray[np.float16] | None = None
    """Of what began with a mesh: to be kept, since no seed gives it again, [L, C]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewMesh:
    """What one variant looks like so far; it stands where and as large as the result will."""

    mesh: MeshData
    """Coarse, without texture."""
    index: int
    """Which variant of the request it is, from 0."""
    name: str
    """Short object name made from the prompt."""
    record: GenerationRecord
    """Of the variant, with how far it was under `preview` in the settings."""
