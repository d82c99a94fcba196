# SPDX-License-Identifier: GPL-3.0-or-later
"""Painted surfaces with known areas, places and colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from maquette.core.asset import Paint, Surface
from maquette.core.assets_in.paint import Flat
from numpy.typing import NDArray

RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def surface_of(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], *paints: Paint, **others: object
) -> Surface:
    """Return a surface shaded flat; without `face_paints` all faces have the first paint."""
    vertices, faces = vertices.astype(np.float32), faces.astype(np.int32)
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    face_paints = others.pop("face_paints", np.zeros(len(faces)))
    return Surface(
        vertices=vertices,
        faces=faces,
        corner_normals=np.repeat(normals[:, None], 3, axis=1),
        paints=paints or (Flat(RED),),
        face_paints=np.asarray(face_paints, dtype=np.int32),
        **others,
    )


def cube(*paints: Paint, half: float = 1.0, **others: object) -> Surface:
    """Return a closed cube around the origin; faces 2 s and 2 s + 1 make side s: -x +x -y +y -z +z.

    Every side repeats its vertices, as files do at seams.
    """
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) * 2 - 1
    quads = [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]]
    vertices = half * corners[np.array(quads).ravel()]
    starts = 4 * np.arange(6)[:, None, None]
    faces = (starts + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3)
    return surface_of(vertices, faces, *paints, **others)


def sphere(rings: int = 48, radius: float = 1.0) -> Surface:
    """Return a closed sphere with smooth normals."""
    theta, phi = np.meshgrid(
        np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij"
    )
    points = np.stack([np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], -1)
    # The seam and the poles are one place each, to the bit.
    points[:, -1] = points[:, 0]
    points[0], points[-1] = (0, 0, 1), (0, 0, -1)
    index = np.arange(points[..., 0].size).reshape(theta.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    flat = surface_of(points.reshape(-1, 3) * radius, faces)
    return Surface(
        vertices=flat.vertices,
        faces=flat.faces,
        corner_normals=(flat.corners / radius).astype(np.float32),
        paints=flat.paints,
        face_paints=flat.face_paints,
    )


def box_distance(points: NDArray[np.floating], half: float) -> NDArray[np.floating]:
    """Return the distance to an axis-aligned box around the origin, positive inside."""
    off = np.abs(points) - half
    outside = np.linalg.norm(np.maximum(off, 0), axis=1)
    return -(outside + np.minimum(off.max(axis=1), 0))


def both(first: Surface, second: Surface) -> Surface:
    """Return two surfaces as one."""
    return Surface(
        vertices=np.concatenate([first.vertices, second.vertices]),
        faces=np.concatenate([first.faces, second.faces + len(first.vertices)]),
        corner_normals=np.concatenate([first.corner_normals, second.corner_normals]),
        paints=first.paints + second.paints,
        face_paints=np.concatenate([first.face_paints, second.face_paints + len(first.paints)]),
    )


def inside_out(surface: Surface) -> Surface:
    """Return a surface whose faces look the other way."""
    return replace(surface, faces=surface.faces[:, ::-1].copy())


def moved(surface: Surface, offset: NDArray[np.floating]) -> Surface:
    """Return a surface elsewhere."""
    return replace(surface, vertices=(surface.vertices + offset).astype(np.float32))
