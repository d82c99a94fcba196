# SPDX-License-Identifier: GPL-3.0-or-later
"""Other faces with the same looks: textures of a known pattern, baked again and compared."""

from __future__ import annotations

import numpy as np
import pytest

from core.errors import CancelledError
from core.painted import PaintedMesh, Remeshed, RemeshRequest, quad_uvs
from core.remeshing import remesh
from core.texture.unwrap import unwrap

SIZE = 256


def ring(columns: int, rows: int, bumps: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Return a ring of quads around Z, 3 m across and 10 m off the middle: [V, 3] and [Q, 4]."""
    around, across = np.meshgrid(
        2 * np.pi * np.arange(columns) / columns, 2 * np.pi * np.arange(rows) / rows, indexing="ij"
    )
    radius = 0.4 * (1 + bumps * np.sin(7 * around) * np.sin(5 * across))
    wide = 1.1 + radius * np.cos(across)
    points = np.stack(
        [wide * np.cos(around) + 10, wide * np.sin(around), radius * np.sin(across)], axis=-1
    )
    i, j = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    corners = [(i, j), (i + 1, j), (i + 1, j + 1), (i, j + 1)]
    quads = np.stack([(a % columns) * rows + b % rows for a, b in corners], axis=-1)
    return points.reshape(-1, 3).astype(np.float32), quads.reshape(-1, 4).astype(np.int32)


def halves(quads: np.ndarray) -> np.ndarray:
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3)


def pattern(points: np.ndarray) -> np.ndarray:
    """Return smooth sRGB colours in [0, 1] that differ everywhere, [P, 3]."""
    return (0.5 + 0.4 * np.sin(points * (2.0, 1.5, 3.0))).astype(np.float32)


def painted(columns: int = 64, rows: int = 24, bumps: float = 0.0) -> PaintedMesh:
    """The ring in triangles, with a texture on which every texel has the colour of its place."""
    vertices, quads = ring(columns, rows, bumps)
    faces = halves(quads)
    islands = unwrap(vertices, faces, SIZE)
    pixels = np.zeros((SIZE, SIZE, 4), dtype=np.uint8)
    # Splats of many places: every texel that is looked at gets its colour.
    weights = np.array([(i, j, 12 - i - j) for i in range(13) for j in range(13 - i)]) / 12
    places = np.einsum("wk,fki->fwi", weights, vertices[faces]).reshape(-1, 3)
    uvs = np.einsum("wk,fki->fwi", weights, islands.corner_uvs).reshape(-1, 2) * SIZE - 0.5
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            x = (np.rint(uvs[:, 0]) + dx).clip(0, SIZE - 1).astype(int)
            y = (np.rint(uvs[:, 1]) + dy).clip(0, SIZE - 1).astype(int)
            free = (pixels[y, x, 3] == 0) | ((dx, dy) == (0, 0))
            pixels[y[free], x[free], :3] = np.rint(255 * pattern(places[free]))
            pixels[y[free], x[free], 3] = 255
    a, b, c = vertices[faces].transpose(1, 0, 2)
    flat = np.cross(b - a, c - a)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True)
    return PaintedMesh(
        vertices=vertices,
        faces=faces,
        corner_normals=np.repeat(flat[:, None], 3, axis=1).astype(np.float32),
        corner_uvs=islands.corner_uvs,
        pixels=pixels,
    )


def sampled(result: Remeshed) -> tuple[np.ndarray, np.ndarray]:
    """Return the middles of the new faces and the texture's colours there, in [0, 1]."""
    mesh = result.mesh
    assert mesh.texture is not None
    uvs = mesh.texture.corner_uvs.mean(axis=1)
    size = len(mesh.texture.pixels)
    x, y = (uvs * size).astype(int).T
    return mesh.vertices[mesh.faces].mean(axis=1), mesh.texture.pixels[y, x, :3] / 255


def edge_uses(polygons: np.ndarray) -> set[int]:
    start, end = polygons.ravel(), np.roll(polygons, -1, axis=1).ravel()
    edges = np.sort(np.stack([start, end], axis=1), axis=1)
    return set(np.unique(edges, axis=0, return_counts=True)[1].tolist())


def test_quads_get_the_colours_of_the_surface_they_replace() -> None:
    vertices, quads = ring(40, 16)

    result = remesh(
        RemeshRequest(source=painted(), vertices=vertices, polygons=quads, texture_size=SIZE)
    )

    places, colors = sampled(result)
    # A texel is about 0.02 m, over which the pattern changes by 0.02; so does the chord's sag.
    assert np.abs(colors - pattern(places)).max() < 0.08
    assert np.abs(colors - pattern(places)).mean() < 0.02
    assert result.is_closed
    np.testing.assert_array_equal(result.polygons, quads)


def test_what_stands_off_the_surface_is_put_back_on_it() -> None:
    vertices, quads = ring(64, 24)
    off = vertices + np.random.default_rng(2).normal(0, 0.01, vertices.shape).astype(np.float32)

    result = remesh(
        RemeshRequest(source=painted(128, 48), vertices=off, polygons=quads, texture_size=0)
    )

    x, y, z = (result.mesh.vertices - (10, 0, 0)).T
    away = np.hypot(np.hypot(x, y) - 1.1, z)
    assert np.abs(away - 0.4).max() < 0.003  # The sag of the source's faces.


def test_both_halves_of_a_quad_lie_side_by_side_on_the_texture() -> None:
    vertices, quads = ring(50, 20, bumps=0.3)

    result = remesh(
        RemeshRequest(source=painted(), vertices=vertices, polygons=quads, texture_size=SIZE)
    )

    texture = result.mesh.texture
    assert texture is not None
    np.testing.assert_array_equal(texture.corner_uvs[::2, 0], texture.corner_uvs[1::2, 0])
    np.testing.assert_array_equal(texture.corner_uvs[::2, 2], texture.corner_uvs[1::2, 1])
    uvs = quad_uvs(texture.corner_uvs)
    assert uvs.shape == (len(quads), 4, 2)
    x, y = uvs.transpose(2, 0, 1)
    area = (x * np.roll(y, -1, axis=1) - y * np.roll(x, -1, axis=1)).sum(axis=1)
    assert (area > 0).all()


def test_fewer_triangles_keep_the_colours_and_stay_closed() -> None:
    source = painted()

    result = remesh(RemeshRequest(source=source, triangles=600, texture_size=SIZE))

    assert len(result.polygons) == 600
    assert edge_uses(result.polygons) == {2}
    assert result.is_closed
    places, colors = sampled(result)
    assert np.abs(colors - pattern(places)).mean() < 0.03


def test_a_normal_map_shows_the_faces_that_are_gone() -> None:
    """Under the map every place has the normal that the source had at the place nearest to it."""
    source = painted(96, 48, bumps=0.15)
    vertices, quads = ring(24, 12, bumps=0.15)

    def bytes_of(normal_map: bool) -> np.ndarray | None:
        result = remesh(
            RemeshRequest(
                source=source,
                vertices=vertices,
                polygons=quads,
                texture_size=SIZE,
                normal_map=normal_map,
                occlusion_map=normal_map,
            )
        )
        texture = result.mesh.texture
        assert texture is not None
        assert (texture.normal is None) == (texture.occlusion is None)
        return texture.normal.pixels if texture.normal else None

    normal = bytes_of(True)
    assert normal is not None
    away = np.abs(normal[..., :2].astype(int) - 128)
    assert (away.max(axis=2) > 10).mean() > 0.1  # The bumps between the few quads.
    assert normal[..., 2].min() > 100
    assert bytes_of(False) is None


def test_without_a_texture_the_attribute_has_the_colours() -> None:
    source = painted()
    vertices, quads = ring(40, 16)

    result = remesh(RemeshRequest(source=source, vertices=vertices, polygons=quads, texture_size=0))

    assert result.mesh.texture is None
    encoded = pattern(vertices)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    assert np.abs(result.mesh.vertex_colors - linear).mean() < 0.02


def test_an_open_mesh_is_not_called_closed() -> None:
    vertices, quads = ring(40, 16)

    result = remesh(
        RemeshRequest(source=painted(), vertices=vertices, polygons=quads[1:], texture_size=64)
    )

    assert not result.is_closed


def test_it_stops_when_it_is_told_to() -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise CancelledError

    with pytest.raises(CancelledError):
        remesh(RemeshRequest(source=painted(), triangles=500), check=check)
