# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed distances of closed surfaces against closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.assets_in.closed import is_closed
from maquette.core.assets_in.paint import Flat
from maquette.datasets.distances import signed_distances
from maquette.tests.unit.surfaces import (
    BLUE,
    RED,
    both,
    box_distance,
    cube,
    inside_out,
    moved,
    sphere,
)

POINTS = np.random.default_rng(0).uniform(-1, 1, (1500, 3)).astype(np.float32)


def test_distances_of_a_cube_are_exact():
    rows = signed_distances(cube(half=0.6), POINTS)

    np.testing.assert_array_equal(rows[:, :3], POINTS)
    np.testing.assert_allclose(rows[:, 3], box_distance(POINTS, 0.6), atol=1e-5)


def test_overlapping_parts_are_one_inside():
    """Four pairs of sides even lie in one plane."""
    left, right = np.array([-0.2, 0, 0]), np.array([0.2, 0, 0])
    union = both(moved(cube(half=0.4), left), moved(cube(half=0.4), right))

    distance = signed_distances(union, POINTS)[:, 3]

    assert is_closed(union)
    inside = np.maximum(box_distance(POINTS - left, 0.4), box_distance(POINTS - right, 0.4)) > 0
    np.testing.assert_array_equal(distance > 0, inside)


def test_a_shell_is_empty_inside():
    shell = both(cube(half=0.8), inside_out(cube(half=0.4)))

    distance = signed_distances(shell, POINTS)[:, 3]

    expected = np.minimum(box_distance(POINTS, 0.8), -box_distance(POINTS, 0.4))
    np.testing.assert_allclose(distance, expected, atol=1e-5)


def test_a_mesh_that_is_inside_out_is_still_solid():
    distance = signed_distances(inside_out(sphere(radius=0.7)), POINTS)[:, 3]

    np.testing.assert_allclose(distance, 0.7 - np.linalg.norm(POINTS, axis=1), atol=2e-3)


def test_colours_are_those_of_the_nearest_side():
    sides = np.repeat([0, 1, 0, 0, 0, 0], 2)
    surface = cube(Flat(RED), Flat(BLUE), half=0.5, face_paints=sides)
    points = np.array([[0.9, 0.1, 0.2], [-0.9, 0, 0], [0.3, 0.1, 0.1], [0, 0, 0.45]], np.float32)

    rows = signed_distances(surface, points)

    np.testing.assert_allclose(rows[:, 4:], [BLUE, RED, BLUE, RED], atol=1e-6)
    assert rows[:, 3] == pytest.approx([-0.4, -0.4, 0.2, 0.05])
