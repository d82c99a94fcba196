# SPDX-License-Identifier: GPL-3.0-or-later
"""Occlusion against what is known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.errors import CancelledError
from maquette.core.texture.bake import bake_texture
from maquette.core.texture.maps import MapSources
from maquette.core.texture.occlusion import openness
from maquette.core.texture.shading import corner_normals
from maquette.core.texture.unwrap import unwrap
from maquette.core.texture.voxels import ClearanceGrid, measure_clearance
from maquette.tests.analytic_fields import CPU, Mesh, shape_mesh
from numpy.typing import NDArray

UP = (0.0, 0.0, 1.0)


def boxes(*low_high: tuple[tuple[float, float, float], tuple[float, float, float]]) -> Mesh:
    """Return closed boxes, which may touch or run into one another."""
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    cube = np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))], dtype=np.int32)
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
    vertices, faces = [], []
    for number, (low, high) in enumerate(low_high):
        vertices.append(np.array(low) + corners * (np.array(high) - np.array(low)))
        faces.append(cube + 8 * number)
    return np.concatenate(vertices).astype(np.float32), np.concatenate(faces).astype(np.int32)


def grid_of(mesh: Mesh) -> ClearanceGrid:
    """Measure a mesh from random places all over it."""
    vertices, faces = mesh
    a, b, c = vertices[faces].astype(np.float64).transpose(1, 0, 2)
    doubled = np.cross(b - a, c - a)
    areas = np.linalg.norm(doubled, axis=1)
    random = np.random.default_rng(0)
    face = random.choice(len(faces), 200_000, p=areas / areas.sum())
    weights = random.dirichlet((1.0,) * 3, len(face))[..., None]
    samples = (vertices[faces[face]] * weights).sum(axis=1).astype(np.float32)
    normals = (doubled / areas[:, None])[face].astype(np.float32)
    return measure_clearance(vertices, faces, samples, normals)


def seen(
    mesh: Mesh, points: list[tuple[float, float, float]], normal: tuple[float, float, float] = UP
) -> NDArray[np.float32]:
    places = np.array(points, dtype=np.float32)
    return openness(grid_of(mesh), places, np.tile(np.float32(normal), (len(places), 1)))


def test_a_plane_far_from_everything_sees_all_of_the_sky() -> None:
    mesh = boxes(((-1, -1, -0.2), (1, 1, 0)))

    assert (seen(mesh, [(0.1 * i, 0.07 * i, 0.0) for i in range(-9, 10)]) == 1.0).all()


def test_a_slanted_plane_sees_all_of_its_sky_too() -> None:
    vertices, faces = boxes(((-1, -1, -0.2), (1, 1, 0)))
    turn = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    places = np.random.default_rng(5).uniform(-0.8, 0.8, (200, 3)) * (1, 1, 0) @ turn.T

    grid = grid_of(((vertices @ turn.T).astype(np.float32), faces))
    normals = np.tile((turn @ UP).astype(np.float32), (len(places), 1))
    found = openness(grid, places.astype(np.float32), normals)

    assert found.mean() > 0.995 and found.min() > 0.95


@pytest.mark.parametrize("distance", [0.0, 0.1, 0.3])
def test_a_floor_at_the_foot_of_a_high_wall_sees_half_of_the_sky(distance: float) -> None:
    # Every ray toward an endless wall meets it: half of them, at any distance.
    mesh = boxes(((-1, -1, -0.2), (1, 1, 0)), ((-1, -1, -0.2), (-0.8, 1, 0.8)))
    points = [(-0.8 + distance, 0.02 * i, 0.0) for i in range(-10, 11)]

    found = seen(mesh, points)

    # The wall is 0.8 high and 2 long: a strip of height h at distance d in front of an endless
    # floor hides (1 - d / sqrt(d^2 + h^2)) / 2, weighted by cosine.
    expected = 1 - (1 - distance / np.hypot(distance, 0.8)) / 2
    # At its very foot, rays that run along the wall count as hits after a few cells: 0.04.
    assert found.mean() == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize(("radius", "height"), [(0.8, 0.4), (0.4, 0.4), (0.3, 0.8)])
def test_a_point_below_the_middle_of_a_disk_loses_what_the_disk_covers(
    radius: float, height: float
) -> None:
    # A disk seen under the half angle a covers sin(a)^2 of the cosine-weighted hemisphere.
    turn = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    rim = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=1)
    lower = np.column_stack([rim, np.full(64, height)])
    middle = [(0, 0, height), (0, 0, height + 0.1)]
    vertices = np.concatenate([lower, lower + np.array([0, 0, 0.1]), middle])
    here, onward = np.arange(64), np.roll(np.arange(64), -1)
    faces = np.concatenate(
        [
            np.column_stack([onward, here, np.full(64, 128)]),
            np.column_stack([here + 64, onward + 64, np.full(64, 129)]),
            np.column_stack([here, onward, onward + 64]),
            np.column_stack([here, onward + 64, here + 64]),
        ]
    )
    ground = boxes(((-1, -1, -0.2), (1, 1, 0)))
    mesh = (
        np.concatenate([ground[0], vertices]).astype(np.float32),
        np.concatenate([ground[1], faces + 8]).astype(np.int32),
    )

    found = seen(mesh, [(0.003 * i, 0.002 * i, 0.0) for i in range(20)])

    # Rays start two cells of 0.022 above the ground.
    expected = 1 - radius**2 / (radius**2 + (height - 0.045) ** 2)
    assert found.mean() == pytest.approx(expected, abs=0.02)


def test_what_is_inside_is_negative_and_distances_are_right() -> None:
    vertices, faces = shape_mesh("ball")
    grid = grid_of((vertices, faces))
    random = np.random.default_rng(2)
    directions = random.normal(size=(3000, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = random.uniform(0.6, 0.74, (3000, 1))

    found = grid.at(grid.places((directions * radii).astype(np.float32))).numpy() * grid.cell

    # The mesh itself is up to 0.001 below the ball; far off, the distance may be too small, which
    # only costs steps.
    expected = radii[:, 0] - 0.7
    near = np.abs(expected) < grid.cell
    assert np.abs(found - expected)[near].max() < 0.25 * grid.cell
    short = (np.abs(expected) - np.abs(found)) / grid.cell
    assert short.min() > -0.25 and short.max() < 0.6


def test_a_thin_plate_hides_the_sky_though_no_node_lies_in_it() -> None:
    mesh = boxes(((-1, -1, -0.2), (1, 1, 0)), ((-1, -1, 0.3), (1, 1, 0.306)))

    assert seen(mesh, [(0.01 * i, 0.0, 0.0) for i in range(10)]).max() < 0.15


def test_the_map_of_a_table_is_dark_below_its_top_and_the_same_each_time() -> None:
    vertices, faces = shape_mesh("table")
    unwrapping = unwrap(vertices, faces, 256)
    maps = MapSources(corner_normals=corner_normals(vertices, faces, "smooth"), occlusion=True)

    first, second = (
        bake_texture(
            lambda points: points, vertices, faces, unwrapping, 256, device=CPU, maps=maps
        ).occlusion
        for _ in range(2)
    )

    assert first is not None and second is not None
    assert np.array_equal(first.pixels, second.pixels)
    middles = vertices[faces].mean(axis=1)
    column, row = (unwrapping.corner_uvs.mean(axis=1) * 256).astype(int).T
    shown = first.pixels[row, column, 0] / 255
    heights = vertices[faces][..., 2]
    on_top = (heights > 0.35).all(axis=1) & (np.abs(middles[:, 0]) < 0.6)
    below_top = (np.ptp(heights, axis=1) < 1e-3) & (np.abs(heights.mean(axis=1) - 0.24) < 0.02)
    below_top &= (np.abs(middles[:, 0]) < 0.6) & (np.abs(middles[:, 1]) < 0.4)
    assert below_top.sum() > 20 and on_top.sum() > 20
    assert shown[on_top].min() > 0.97
    legs = (heights < 0.2).all(axis=1) & (np.abs(np.abs(middles[:, 0]) - 0.64) < 0.01)
    high = middles[:, 2] > 0
    assert shown[legs & high].mean() < shown[legs & ~high].mean() - 0.1
    # Below the top only the legs stand in the way of what is, for it, the sky.
    assert 0.6 < shown[below_top].mean() < 0.99


def test_rays_stop_when_asked_to() -> None:
    mesh = boxes(((-1, -1, -0.2), (1, 1, 0)))

    def stop() -> None:
        raise CancelledError

    with pytest.raises(CancelledError):
        openness(grid_of(mesh), np.zeros((1, 3), np.float32), np.float32([UP]), check=stop)
