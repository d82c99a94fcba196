# SPDX-License-Identifier: GPL-3.0-or-later
"""UV islands: no overlap, distance kept, even texels, few of them."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.texture.cells import Outlines
from maquette.core.texture.packing import pack
from maquette.core.texture.shelves import fill_shelves
from maquette.core.texture.unwrap import Unwrapping, unwrap
from maquette.tests.analytic_fields import Mesh, face_areas, shape_mesh
from numpy.typing import NDArray

EVERY_SHAPE = pytest.mark.parametrize("name", ["ball", "ring", "lumpy", "two", "table", "spiral"])


def uv_areas(corner_uvs: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the area of each triangle, positive where counter-clockwise, [F]."""
    a, b, c = corner_uvs.astype(np.float64).transpose(1, 0, 2)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    areas: NDArray[np.float64] = (ux * vy - uy * vx) / 2
    return areas


def samples_inside(
    corner_uvs: NDArray[np.float32], size: int, margin: float = 1e-3
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the samples of a size^2 grid strictly inside triangles: index and triangle.

    Written differently from the code under test: every sample of each triangle's box is tried.
    """
    corners = corner_uvs.astype(np.float64) * size - 0.5
    low = np.ceil(corners.min(axis=1)).astype(np.int64)
    spans = np.maximum(np.floor(corners.max(axis=1)).astype(np.int64) - low + 1, 0)
    count = spans.prod(axis=1)
    face = np.repeat(np.arange(len(corners)), count)
    step = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    sample = low[face] + np.stack([step % spans[face, 0], step // spans[face, 0]], axis=1)
    inside = np.ones(len(face), dtype=bool)
    for k in range(3):
        start, end = corners[face, k], corners[face, (k + 1) % 3]
        (ux, uy), (vx, vy) = (end - start).T, (sample - start).T
        inside &= ux * vy - uy * vx > margin * np.hypot(ux, uy)
    return (sample[:, 1] * size + sample[:, 0])[inside], face[inside]


def overlap_share(corner_uvs: NDArray[np.float32], size: int) -> float:
    """Return the share of covered samples that lie in two triangles."""
    index, _ = samples_inside(corner_uvs, size)
    counts = np.bincount(index)
    return float((counts > 1).sum() / (counts > 0).sum())


def island_map(unwrapping: Unwrapping, size: int) -> NDArray[np.int64]:
    """Return the island at each texel centre, -1 where there is none, [S, S]."""
    index, face = samples_inside(unwrapping.corner_uvs, size)
    islands = np.full(size * size, -1, dtype=np.int64)
    islands[index] = unwrapping.islands[face]
    return islands.reshape(size, size)


def smallest_gap(islands: NDArray[np.int64], reach: int) -> int:
    """Return the fewest free texels between two islands along an axis or a diagonal."""
    size = len(islands)
    for distance in range(1, reach + 1):
        for up in range(-distance, distance + 1):
            for right in range(-distance, distance + 1):
                if max(abs(up), abs(right)) != distance:
                    continue
                here = islands[
                    max(0, -up) : size - max(0, up), max(0, -right) : size - max(0, right)
                ]
                there = islands[
                    max(0, up) : size - max(0, -up), max(0, right) : size - max(0, -right)
                ]
                if ((here >= 0) & (there >= 0) & (here != there)).any():
                    return distance - 1
    return reach


@EVERY_SHAPE
def test_islands_lie_in_the_square_and_do_not_overlap(name: str) -> None:
    unwrapping = unwrap(*shape_mesh(name), 512)

    assert unwrapping.corner_uvs.dtype == np.float32
    assert unwrapping.corner_uvs.min() >= 0 and unwrapping.corner_uvs.max() <= 1
    assert overlap_share(unwrapping.corner_uvs, 1024) == 0
    assert (uv_areas(unwrapping.corner_uvs) > 0).all()


def test_noise_overlaps_by_next_to_nothing() -> None:
    # Slivers smaller than a fiftieth of a neighbour may be seen from behind.
    unwrapping = unwrap(*shape_mesh("ripples"), 512)

    assert overlap_share(unwrapping.corner_uvs, 1024) < 1e-4


def test_faces_of_an_island_share_their_corners() -> None:
    _, faces = shape_mesh("lumpy")
    unwrapping = unwrap(*shape_mesh("lumpy"), 512)

    key = unwrapping.islands.astype(np.int64).repeat(3) * (faces.max() + 1) + faces.ravel()
    _, place = np.unique(key, return_inverse=True)
    low, high = np.full((2, place.max() + 1, 2), np.inf)
    uvs = unwrapping.corner_uvs.reshape(-1, 2)
    np.minimum.at(low, place, uvs)
    np.minimum.at(high, place, -uvs)
    assert np.abs(low + high).max() < 1e-6


@pytest.mark.parametrize(
    ("name", "most_islands", "least_coverage"),
    [
        ("ball", 8, 0.5),
        ("ring", 14, 0.5),
        ("lumpy", 12, 0.5),
        ("table", 40, 0.45),
        ("two", 14, 0.5),
    ],
)
def test_islands_are_few_and_use_the_square(
    name: str, most_islands: int, least_coverage: float
) -> None:
    unwrapping = unwrap(*shape_mesh(name), 1024)

    assert unwrapping.num_islands <= most_islands
    assert uv_areas(unwrapping.corner_uvs).sum() >= least_coverage


def test_a_surface_above_itself_is_cut_apart() -> None:
    # Seen from above, the spiral's upper side covers the same place twice in one connected piece.
    unwrapping = unwrap(*shape_mesh("spiral"), 512)

    assert overlap_share(unwrapping.corner_uvs, 1024) == 0
    assert unwrapping.num_islands < 150


@EVERY_SHAPE
def test_texels_are_evenly_spread(name: str) -> None:
    vertices, faces = shape_mesh(name)
    unwrapping = unwrap(vertices, faces, 1024)

    areas = face_areas(vertices, faces)
    seen = areas > 0.02 * areas.mean()
    density = np.sqrt(uv_areas(unwrapping.corner_uvs)[seen] / areas[seen])
    weights = areas[seen] / areas[seen].sum()
    # Flat projection loses the root of a cosine and never gains: 0.63 is seen at 66 degrees.
    assert weights[density < 0.63 * density.max()].sum() < 0.02
    assert density.min() > 0.35 * density.max()


@pytest.mark.parametrize(("size", "padding"), [(256, 4), (512, 7)])
def test_islands_keep_their_distance(size: int, padding: int) -> None:
    unwrapping = unwrap(*shape_mesh("table"), size, padding=padding)

    assert unwrapping.padding == padding
    assert smallest_gap(island_map(unwrapping, size), padding) == padding
    # Half of it at the border.
    assert unwrapping.corner_uvs.min() * size >= padding / 2 - 1e-3
    assert (1 - unwrapping.corner_uvs.max()) * size >= padding / 2 - 1e-3


@pytest.mark.parametrize("size", [64, 100, 8192])
def test_any_texture_size_will_do(size: int) -> None:
    unwrapping = unwrap(*shape_mesh("table"), size)

    assert unwrapping.corner_uvs.min() >= 0 and unwrapping.corner_uvs.max() <= 1
    assert uv_areas(unwrapping.corner_uvs).sum() > 0.25
    assert overlap_share(unwrapping.corner_uvs, 1024) == 0


def cube() -> Mesh:
    """Return a cube of twelve large faces."""
    vertices = np.array(
        [[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=np.float32
    )
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [triangle for a, b, c, d in quads for triangle in ((a, b, c), (a, c, d))]
    return vertices, np.array(faces, dtype=np.int32)


def test_a_cube_has_six_square_islands() -> None:
    unwrapping = unwrap(*cube(), 512)

    assert unwrapping.num_islands == 6
    assert np.allclose(uv_areas(unwrapping.corner_uvs), uv_areas(unwrapping.corner_uvs)[0])
    assert overlap_share(unwrapping.corner_uvs, 512) == 0


def test_open_and_broken_meshes_are_laid_out_too() -> None:
    vertices, faces = cube()
    broken = np.concatenate([faces[:-3], [[0, 1, 3], [5, 5, 6], [2, 2, 2]]]).astype(np.int32)

    unwrapping = unwrap(vertices, broken, 256)

    assert np.isfinite(unwrapping.corner_uvs).all()
    assert unwrapping.corner_uvs.min() >= 0 and unwrapping.corner_uvs.max() <= 1


def test_same_mesh_gives_the_same_layout() -> None:
    first, second = (unwrap(*shape_mesh("lumpy"), 512) for _ in range(2))

    assert np.array_equal(first.corner_uvs, second.corner_uvs)


def test_layout_is_as_valid_as_that_of_xatlas() -> None:
    vertices, faces = shape_mesh("lumpy", 32)
    xatlas = pytest.importorskip("xatlas")
    _, indices, uvs = xatlas.parametrize(vertices, faces.astype(np.uint32))
    reference = uvs[indices.astype(np.int64)]

    mine = unwrap(vertices, faces, 1024)

    assert overlap_share(mine.corner_uvs, 1024) <= overlap_share(reference, 1024)
    assert uv_areas(mine.corner_uvs).sum() >= 0.9 * np.abs(uv_areas(reference)).sum()


def l_shapes(count: int) -> Outlines:
    """Return outlines of the letter L in growing sizes; each covers 3/4 of its box."""
    ring = np.array([[0, 0], [2, 0], [2, 1], [1, 1], [1, 2], [0, 2]], dtype=np.float64)
    edges = np.stack([ring, np.roll(ring, -1, axis=0)], axis=1)
    sizes = 1 + np.arange(count) / count
    points = np.concatenate([edges * size for size in sizes])
    return Outlines(np.repeat(np.arange(count), len(ring)), points)


def test_packing_fills_holes() -> None:
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float64)
    hole = square[::-1] * 3.2 + 0.4
    rings = [square * 4, hole, *[square] * 9]
    edges = [np.stack([ring, np.roll(ring, -1, axis=0)], axis=1) for ring in rings]
    shapes = Outlines(np.repeat([0, 0, *range(1, 10)], 4), np.concatenate(edges))

    packing = pack(shapes, 4**2 - 3.2**2 + 9, 512, 4)

    # With the small squares beside it, the frame would have to share the width with them.
    by_boxes, _, _ = fill_shelves(shapes, 512, 4)
    assert packing.scale > 1.2 * by_boxes
    assert 4 * packing.scale > 0.9 * 512


@pytest.mark.parametrize(("count", "padding"), [(300, 4), (3000, 1)])
def test_shelves_hold_any_number_of_shapes(count: int, padding: int) -> None:
    shapes = l_shapes(count)

    scale, offsets, turns = fill_shelves(shapes, 512, padding)

    points = np.einsum("eij,epj->epi", turns[shapes.shape], shapes.points * scale)
    points += offsets[shapes.shape][:, None]
    low = points.reshape(count, 12, 2).min(axis=1)
    high = points.reshape(count, 12, 2).max(axis=1)
    assert low.min() >= padding / 2 - 1e-6 and high.max() <= 512 - padding / 2 + 1e-6
    apart = (low[:, None] - high[None] >= padding - 1e-6).any(axis=2)
    assert (apart | apart.T | np.eye(count, dtype=bool)).all()
