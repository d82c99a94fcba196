# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distances of closed meshes against closed forms, and windings against solid angles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.asset import Surface
from maquette.core.assets_in.known_distances import known_distances
from maquette.core.assets_in.paint import Flat
from maquette.core.errors import CancelledError
from maquette.core.inside import Windings
from maquette.tests.unit.surfaces import (
    BLUE,
    RED,
    both,
    box_distance,
    cube,
    inside_out,
    moved,
    sphere,
    surface_of,
)
from numpy.typing import NDArray

HALF = 0.4
LEFT, RIGHT = np.array([-0.2, 0.0, 0.0]), np.array([0.2, 0.1, 0.05])


def union() -> Surface:
    return both(moved(cube(Flat(RED), half=HALF), LEFT), moved(cube(Flat(BLUE), half=HALF), RIGHT))


def torus(around: int = 96, across: int = 48) -> Surface:
    """Return a closed torus of radii 0.6 and 0.2 about the z axis."""
    u, v = np.meshgrid(
        2 * np.pi * np.arange(around) / around,
        2 * np.pi * np.arange(across) / across,
        indexing="ij",
    )
    ring = 0.6 + 0.2 * np.cos(v)
    points = np.stack([ring * np.cos(u), ring * np.sin(u), 0.2 * np.sin(v)], -1).reshape(-1, 3)
    index = np.arange(around * across).reshape(around, across)
    right, up = np.roll(index, -1, axis=0), np.roll(index, -1, axis=1)
    beyond = np.roll(right, -1, axis=1)
    faces = np.concatenate(
        [np.stack(each, -1) for each in ((index, right, beyond), (index, beyond, up))]
    )
    return surface_of(points, faces.reshape(-1, 3))


def solid_angles(
    points: NDArray[np.floating], corners: NDArray[np.floating]
) -> NDArray[np.floating]:
    """Return the winding number as Van Oosterom and Strackee (1983) have it, eq. 8, summed up."""
    a, b, c = (corners[None, :, i] - points[:, None] for i in range(3))
    x, y, z = (np.linalg.norm(each, axis=-1) for each in (a, b, c))
    upper = (a * np.cross(b, c)).sum(-1)
    lower = x * y * z + (a * b).sum(-1) * z + (b * c).sum(-1) * x + (c * a).sum(-1) * y
    return np.arctan2(upper, lower).sum(1) / (2 * np.pi)


@pytest.mark.parametrize(
    "surface",
    [sphere(12, 0.7), torus(24, 12), union(), both(cube(half=0.8), inside_out(cube(half=0.3)))],
    ids=["sphere", "torus", "overlapping boxes", "cavity"],
)
@pytest.mark.parametrize("turn", [False, True])
def test_windings_are_the_sum_of_solid_angles(surface: Surface, turn: bool) -> None:
    surface = inside_out(surface) if turn else surface
    points = np.random.default_rng(1).uniform(-1, 1, (600, 3)).astype(np.float32)

    counted = Windings(surface.corners).around(points)

    expected = solid_angles(points.astype(np.float64), surface.corners.astype(np.float64))
    np.testing.assert_allclose(counted, expected, atol=1e-6)
    assert len(set(counted.tolist())) > 1


def test_points_straight_below_edges_and_corners_are_counted_once() -> None:
    grid = np.linspace(-0.5, 0.5, 5)
    points = np.stack(np.meshgrid(grid, grid, [-0.7, -0.2, 0.1, 0.8]), -1).reshape(-1, 3)

    counted = Windings(cube(half=0.5).corners).around(points.astype(np.float32))

    # Sides belong to what is on one side of them only, but everything else has one answer.
    inner = (np.abs(points[:, :2]) < 0.5).all(axis=1)
    np.testing.assert_array_equal(counted[inner], np.abs(points[inner, 2]) < 0.5)


@pytest.mark.parametrize(
    ("surface", "truth", "chord"),
    [
        (cube(half=0.6), lambda p: box_distance(p, 0.6), 0.0),
        (sphere(48, 0.7), lambda p: 0.7 - np.linalg.norm(p, axis=1), 0.001),
        (
            torus(),
            lambda p: 0.2 - np.hypot(np.hypot(p[:, 0], p[:, 1]) - 0.6, p[:, 2]),
            0.001,
        ),
    ],
    ids=["cube", "sphere", "torus"],
)
@pytest.mark.parametrize("turn", [False, True])
def test_distances_are_those_of_closed_forms(
    surface: Surface,
    truth: Callable[[NDArray[np.floating]], NDArray[np.floating]],
    chord: float,
    turn: bool,
) -> None:
    known = known_distances(inside_out(surface) if turn else surface, seed=3)

    assert known is not None
    shown, around = known
    true = truth(around.points.astype(np.float64))
    # Far off, the triangles of some points on the surface are looked at.
    assert np.abs(around.distance - true).max() < 0.06
    assert np.abs(around.distance - true).mean() < 0.002
    near = np.abs(true) < 0.03
    np.testing.assert_allclose(around.distance[near], true[near], atol=chord + 1e-4)
    sure = np.abs(true) > chord + 1e-6
    np.testing.assert_array_equal(around.distance[sure] > 0, true[sure] > 0)
    assert 0.05 < (true > 0).mean() < 0.95 and near.mean() > 0.2
    np.testing.assert_allclose(truth(shown.points.astype(np.float64)), 0.0, atol=chord + 1e-5)
    assert len(shown.points) == 4096


def test_among_very_many_faces_distances_stay_close() -> None:
    known = known_distances(sphere(128, 0.7), seed=0)

    assert known is not None
    around = known[1]
    true = 0.7 - np.linalg.norm(around.points.astype(np.float64), axis=1)
    near = np.abs(true) < 0.03
    assert np.abs(around.distance - true)[near].max() < 0.015
    assert np.abs(around.distance - true)[near].mean() < 0.001
    assert ((around.distance > 0) == (true > 0))[np.abs(true) > 2e-4].all()


def test_what_lies_within_overlapping_parts_is_no_surface() -> None:
    known = known_distances(union(), seed=0)

    assert known is not None
    shown, around = known
    for offset, color in ((LEFT, BLUE), (RIGHT, RED)):
        assert box_distance(shown.points - offset, HALF).max() < 1e-3
        # What shows is on one of both boxes, in its color.
        on_other = np.abs(box_distance(shown.points - offset, HALF)) > 1e-5
        assert np.abs(shown.colors[on_other] - color).max() < 1e-6
    sides = [box_distance(around.points - offset, HALF) for offset in (LEFT, RIGHT)]
    whole = np.maximum(*sides)
    np.testing.assert_array_equal(around.distance > 0, whole > 0)
    outside = whole < 0
    assert np.abs(around.distance - whole)[outside].max() < 0.06
    assert np.abs(around.distance - whole)[outside].mean() < 0.002
    # Inside, walls of one box within the other do not count: it may be farther, never nearer.
    assert (around.distance - whole)[~outside].min() > -1e-3
    middle = np.flatnonzero((np.abs(around.points - [0.0, 0.05, 0.0]) < 0.1).all(axis=1))
    assert len(middle) and around.distance[middle].min() > 0.2


def test_colors_are_those_of_the_nearest_side() -> None:
    paints = np.repeat([0, 1, 0, 0, 0, 0], 2)
    known = known_distances(cube(Flat(RED), Flat(BLUE), half=0.6, face_paints=paints), seed=1)

    assert known is not None
    for points, _, colors in known:
        near = np.abs(box_distance(points, 0.6)) < 0.03
        order = np.sort(np.abs(points), axis=1)
        sure = near & (order[:, 2] - order[:, 1] > 0.1)
        is_blue = (np.abs(points).argmax(axis=1) == 0) & (points[:, 0] > 0)
        assert np.abs(colors[sure & is_blue] - BLUE).max() < 1e-6
        assert np.abs(colors[sure & ~is_blue] - RED).max() < 1e-6
        assert (sure & is_blue).sum() > 50


def test_what_encloses_nothing_has_no_distances() -> None:
    whole = cube(half=0.5)
    front = surface_of(np.eye(3) * 0.8, np.array([[0, 1, 2], [0, 2, 1]]))

    assert known_distances(replace_faces(whole, whole.faces[:-1])) is None
    assert known_distances(front) is None  # Closed, but flat.


def replace_faces(surface: Surface, faces: NDArray[np.int32]) -> Surface:
    count = len(faces)
    return replace(
        surface,
        faces=faces,
        corner_normals=surface.corner_normals[:count],
        face_paints=surface.face_paints[:count],
    )


def test_a_seed_gives_the_same_numbers_again() -> None:
    first, again, other = (known_distances(union(), seed=seed) for seed in (1, 1, 2))

    assert first is not None and again is not None and other is not None
    for each, same, another in zip(first, again, other, strict=True):
        for values, repeated in zip(each, same, strict=True):
            np.testing.assert_array_equal(values, repeated)
        assert not np.array_equal(each.points[:100], another.points[:100])


def test_looking_for_distances_stops_when_asked() -> None:
    calls: list[int] = []
    known_distances(union(), check=lambda: calls.append(0))
    assert len(calls) > 10

    for stop_at in (1, 2, len(calls) // 2, len(calls)):
        left = iter(range(stop_at - 1))

        def check(left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                raise CancelledError

        with pytest.raises(CancelledError):
            known_distances(union(), check=check)
