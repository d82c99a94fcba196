# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of what a pack made: small ones for reports, large ones for CLIP."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..core.asset import Surface, boxed
from ..core.assets_in.cameras import ring_cameras
from ..core.assets_in.paint import Attribute
from ..core.assets_in.views import render_views
from ..core.interrupt import Check, ignore
from ..core.mesh import MeshData
from ..core.thumbnail import render_thumbnail

SIDE = 128
"""Pixels per side in reports."""
GROUND = (214, 214, 214)
"""Behind an object, sRGB: neither black nor white ones vanish before it."""

_COLORS = 64
_VIEW_SIDE = 224
_VIEW_ELEVATION = np.radians(45.0)


def small_picture(mesh: MeshData) -> bytes:
    """Return a mesh from the front as a PNG file of a few kilobytes."""
    return encode_small(render_thumbnail(mesh, SIDE)[::-1])


def encode_small(pixels: NDArray[np.uint8]) -> bytes:
    """Return a picture over grey as a PNG file of 64 colors.

    Args:
        pixels: sRGB with straight alpha, first row at the top, [H, W, 4].
    """
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    laid = Image.new("RGBA", picture.size, (*GROUND, 255))
    laid.alpha_composite(picture)
    file = io.BytesIO()
    laid.convert("RGB").quantize(_COLORS).save(file, "PNG", optimize=True)
    return file.getvalue()


def retrieval_view(mesh: MeshData, azimuth: float, check: Check = ignore) -> NDArray[np.uint8]:
    """Return the picture of a mesh that captions are matched with, over white, [224, 224, 3].

    From 45 degrees above, as Jain et al. (2022), arXiv:2112.01455, section 4.

    Args:
        mesh: anywhere, of any size.
        azimuth: of the camera, from the front towards +X, radians.
        check: called between pieces; may raise to stop.
    """
    surface = Surface(
        vertices=mesh.vertices,
        faces=mesh.faces,
        corner_normals=mesh.normals[mesh.faces],
        paints=(Attribute("color"),),
        face_paints=np.zeros(len(mesh.faces), dtype=np.int32),
        corner_colors={"color": mesh.vertex_colors[mesh.faces]},
    )
    cameras = ring_cameras(1, _VIEW_ELEVATION, azimuth)
    rgba = render_views(boxed(surface)[0], cameras, size=_VIEW_SIDE, check=check).rgba[0]
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    laid = rgba[..., :3] * alpha + 255.0 * (1.0 - alpha)
    picture: NDArray[np.uint8] = np.rint(laid).astype(np.uint8)
    return picture
