# SPDX-License-Identifier: GPL-3.0-or-later
"""One opened asset as the members of its sample."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image

from ..core.asset import Surface, Views, boxed
from ..core.assets_in.cameras import cameras_on
from ..core.assets_in.closed import is_closed, query_points
from ..core.assets_in.cloud import sample_cloud
from ..core.assets_in.views import render_views
from ..core.version import VERSION
from .distances import signed_distances
from .layout import BACKGROUND, DEPTH_MAX, FORMAT, to_json, to_npy
from .reading import AssetError
from .settings import BuildSettings
from .sources import Source

Description = dict[str, object]


def members_of(
    surface: Surface, source: Source, settings: BuildSettings, about: Description
) -> dict[str, bytes]:
    """Return the files of a sample by suffix, its description first.

    Args:
        surface: as read, in any unit.
        source: which asset it is; its key varies the seed, so that assets are seen differently.
        settings: what to measure.
        about: what else is known, for the description.

    Raises:
        AssetError: the surface is empty, or has no area.
    """
    if not len(surface.faces):
        raise AssetError("it has no faces that would be rendered")
    seed = settings.seed ^ int(source.key.rpartition("-")[2][:7], 16)
    try:
        surface, box = boxed(_without_flat_faces(surface))
        cloud = sample_cloud(surface, num_points=settings.num_points, seed=seed)
        cameras = cameras_on(settings.cameras, settings.num_views, seed)
        views = render_views(surface, cameras, size=settings.view_size)
    except ValueError as error:
        raise AssetError(str(error)) from error
    closed = is_closed(surface)
    members = {"points.npy": to_npy(cloud.rows)}
    if closed and settings.num_distances:
        near = settings.num_distances // 2
        points = query_points(surface, near, settings.num_distances - near, seed)
        members["distances.npy"] = to_npy(signed_distances(surface, points))
    description = about | {
        "format": FORMAT,
        "key": source.key,
        "file": source.file,
        "box": {"center": box.center, "scale": box.scale},
        "num_faces": len(surface.faces),
        "is_closed": closed,
        "seed": seed,
        "maquette": VERSION,
    }
    return {"json": to_json(description | _cameras(views)), **members, **_pictures(views)}


def _without_flat_faces(surface: Surface) -> Surface:
    """Leave out faces without area, which show nothing and have no normal.

    Raises:
        AssetError: then nothing would be left.
    """
    sides = surface.corners[:, 1:].astype(np.float64) - surface.corners[:, :1]
    has_area = np.cross(sides[:, 0], sides[:, 1]).any(axis=1)
    if has_area.all():
        return surface
    if not has_area.any():
        raise AssetError("its faces have no area")
    return replace(
        surface,
        faces=surface.faces[has_area],
        corner_normals=surface.corner_normals[has_area],
        face_paints=surface.face_paints[has_area],
        corner_uvs={name: each[has_area] for name, each in surface.corner_uvs.items()},
        corner_colors={name: each[has_area] for name, each in surface.corner_colors.items()},
    )


def _cameras(views: Views) -> Description:
    return {
        "cameras": {
            "origins": views.cameras.origins.tolist(),
            "axes": views.cameras.axes.tolist(),
            "fov": views.cameras.fov,
            "depth_max": DEPTH_MAX,
        }
    }


def _pictures(views: Views) -> dict[str, bytes]:
    members = {}
    for index, (rgba, depth) in enumerate(zip(views.rgba, views.depth, strict=True)):
        levels = np.rint(np.minimum(depth, DEPTH_MAX) * ((BACKGROUND - 1) / DEPTH_MAX))
        steps = np.where(np.isfinite(depth), levels, BACKGROUND).astype(np.uint16)
        members[f"view{index:02d}.png"] = _png(rgba)
        members[f"depth{index:02d}.png"] = _png(steps)
    return members


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
