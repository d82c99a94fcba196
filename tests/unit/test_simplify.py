# SPDX-License-Identifier: GPL-3.0-or-later
"""Fewer triangles: as many as asked for, sound, and still the same shape."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from maquette.core.errors import CancelledError
from maquette.core.geometry import simplify as module
from maquette.core.geometry.collapse import collapse_edges
from maquette.core.geometry.extract import extract_mesh
from maquette.core.geometry.health import inspect_mesh
from maquette.core.geometry.simplify import simplify
from maquette.tests.analytic_fields import (
    CPU,
    Field,
    Mesh,
    block,
    canonical,
    face_areas,
    lumpy,
    rod,
    shape_mesh,
    signed_volume,
    squashed,
    union,
)
from numpy.typing import NDArray
from scipy.spatial import cKDTree

RESOLUTION = 96
CELL = 2 / (RESOLUTION - 1)


def thin_chair() -> Field:
    """A chair whose legs are 2.4 cells thick, with a loose ball."""
    legs = [rod((x, y, -0.8), (x, y, 0.0), 1.2 * CELL) for x in (-0.4, 0.4) for y in (-0.4, 0.4)]
    slats = [rod((x, 0.4, 0.0), (x, 0.45, 0.8), 1.2 * CELL) for x in (-0.3, 0.0, 0.3)]
    rail = rod((-0.4, 0.45, 0.8), (0.4, 0.45, 0.8), 1.5 * CELL)
    loose = block((0.1, 0.1, 0.1), (0.8, 0.0, -0.6))
    return union(block((0.45, 0.45, 0.04), (0.0, 0.0, 0.0)), rail, loose, *legs, *slats)


@pytest.fixture(scope="module")
def chair() -> Mesh:
    return extract_mesh(squashed(thin_chair()), RESOLUTION, device=CPU)


@pytest.fixture(params=["package", "built in"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With fast-simplification and without."""
    if request.param == "built in":
        monkeypatch.setattr(module, "has_fast_simplification", lambda: False)
    else:
        assert module.has_fast_simplification()
    return str(request.param)


def samples(vertices: NDArray[np.float32], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Points spread evenly over a surface."""
    random = np.random.default_rng(0)
    areas = face_areas(vertices, faces)
    face = random.choice(len(faces), 60_000, p=areas / areas.sum())
    share = np.sort(random.random((2, len(face), 1)), axis=0)
    a, b, c = vertices[faces[face]].astype(np.float64).transpose(1, 0, 2)
    points: NDArray[np.float64] = a * share[0] + b * (share[1] - share[0]) + c * (1 - share[1])
    return points


@pytest.mark.parametrize("budget", [8000, 3001, 1500])
def test_a_chair_with_thin_legs_keeps_its_parts_and_its_shape(
    chair: Mesh, way: str, budget: int
) -> None:
    fine = inspect_mesh(*chair)

    made = simplify(*chair, budget)

    health = inspect_mesh(made.vertices, made.faces)
    assert made.note == ""
    assert budget - 1 <= len(made.faces) <= budget
    assert health.is_sound
    assert (health.num_parts, health.euler_number) == (fine.num_parts, fine.euler_number) == (2, 0)
    # Both ways between points on both surfaces. Such points lie about 0.2 cells apart, and 0.7
    # in the worst place: of the fine mesh measured against itself.
    coarse, exact = samples(made.vertices, made.faces), samples(*chair)
    distances = [cKDTree(exact).query(coarse)[0], cKDTree(coarse).query(exact)[0]]
    assert max(each.max() for each in distances) < 1.2 * CELL
    assert max(each.mean() for each in distances) < 0.3 * CELL


def test_vertices_stay_near_the_surface_of_the_field(way: str) -> None:
    vertices, faces = shape_mesh("lumpy", 64)
    made = simplify(vertices, faces, len(faces) // 5)

    points = torch.from_numpy(samples(made.vertices, made.faces).astype(np.float32))
    cell = 2 / 63
    assert lumpy()(points).abs().mean() < 0.03 * cell
    assert lumpy()(points).abs().max() < 0.4 * cell
    volume = signed_volume(vertices, faces)
    assert signed_volume(made.vertices, made.faces) == pytest.approx(volume, rel=2e-3)


@pytest.mark.parametrize("name", ["spiral", "ripples", "ring", "two"])
def test_results_are_sound_whatever_the_shape(name: str, way: str) -> None:
    vertices, faces = shape_mesh(name)
    fine = inspect_mesh(vertices, faces)

    made = simplify(vertices, faces, len(faces) // 6)

    health = inspect_mesh(made.vertices, made.faces)
    assert health.is_sound and len(made.faces) <= len(faces) // 6
    assert (health.num_parts, health.euler_number) == (fine.num_parts, fine.euler_number)


def test_a_budget_that_is_met_changes_nothing(way: str) -> None:
    vertices, faces = shape_mesh("ball")

    made = simplify(vertices, faces, len(faces))

    assert made.vertices is vertices and made.faces is faces and made.note == ""


def test_the_same_mesh_gives_the_same_result(chair: Mesh, way: str) -> None:
    first, second = simplify(*chair, 2000), simplify(*chair, 2000)

    assert np.array_equal(first.vertices, second.vertices)
    assert np.array_equal(first.faces, second.faces)


def test_what_cannot_be_reached_is_said(way: str) -> None:
    # Its loose parts and handles need more.
    vertices, faces = shape_mesh("ripples")

    made = simplify(vertices, faces, 20)

    health = inspect_mesh(made.vertices, made.faces)
    assert health.is_manifold and health.is_closed and health.is_oriented
    assert len(made.faces) > 20
    assert (
        made.note == f"{len(made.faces)} triangles were kept because fewer would tear the surface"
    )


def test_a_surface_that_touches_itself_is_left_alone() -> None:
    vertices, faces = shape_mesh("ball")
    pinched = np.where(faces == faces[-1, 0], faces[0, 0], faces).astype(np.int32)

    made = simplify(vertices, pinched, 500)

    assert made.faces is pinched and "touches itself" in made.note


def test_a_torn_result_of_the_package_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    vertices, faces = shape_mesh("ball")
    asked: list[int] = []

    def torn(
        points: NDArray[np.float64], triangles: NDArray[np.int32], target_count: int, agg: float
    ) -> Mesh:
        asked.append(target_count)
        return points.astype(np.float32), triangles[:target_count]

    monkeypatch.setitem(sys.modules, "fast_simplification", SimpleNamespace(simplify=torn))
    monkeypatch.setattr(module, "has_fast_simplification", lambda: True)

    made = simplify(vertices, faces, 600)

    assert len(asked) == 2 and asked[1] == 2 * asked[0]
    assert len(made.faces) == 600 and inspect_mesh(made.vertices, made.faces).is_sound


def test_an_open_border_stays_in_its_plane_and_gets_no_chords(way: str) -> None:
    vertices, faces = shape_mesh("ball", 49)
    kept = (vertices[faces][:, :, 0] >= -1e-6).all(axis=1)
    used = np.unique(faces[kept])
    half = np.searchsorted(used, faces[kept]).astype(np.int32)
    before = inspect_mesh(vertices[used], half)

    made = simplify(vertices[used], half, 700)

    health = inspect_mesh(made.vertices, made.faces)
    assert 0 < health.num_border_edges < before.num_border_edges
    assert health.num_border_chords == before.num_border_chords == 0
    assert health.is_manifold and health.euler_number == 1  # a disc
    assert len(made.faces) in (699, 700)
    pairs = np.concatenate([made.faces[:, [0, 1]], made.faces[:, 1:], made.faces[:, ::2]])
    corners = np.sort(pairs)
    edges, count = np.unique(corners, axis=0, return_counts=True)
    assert np.abs(made.vertices[edges[count == 1]][..., 0]).max() < 1e-5


def test_flat_faces_cost_nothing_and_corners_stay() -> None:
    count = 12
    grid = np.arange((count + 1) ** 2).reshape(count + 1, count + 1)
    quads = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=-1)
    a, b, c, d = quads.reshape(-1, 4).T
    faces = np.concatenate([np.stack([a, b, c], 1), np.stack([a, c, d], 1)]).astype(np.int32)
    x, y = np.divmod(np.arange(grid.size), count + 1)
    vertices = np.stack([x, y, 0 * x], axis=1).astype(np.float32)

    made, made_faces = collapse_edges(vertices, faces, 30)

    assert len(made_faces) <= 30
    assert not made[:, 2].any()
    assert face_areas(made, made_faces).sum() == pytest.approx(count**2, rel=1e-6)


def test_collapsing_does_not_depend_on_how_often_it_is_checked(chair: Mesh) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1

    checked = collapse_edges(*chair, 4000, check=check)
    plain = collapse_edges(*chair, 4000)

    assert calls > 20
    assert canonical(checked[1]) == canonical(plain[1])


def test_simplifying_stops_when_asked(chair: Mesh, way: str) -> None:
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise CancelledError

    with pytest.raises(CancelledError):
        simplify(*chair, 1000, check=check)


def test_progress_rises_to_one(chair: Mesh, way: str) -> None:
    fractions: list[float] = []

    simplify(*chair, 1000, on_progress=fractions.append)

    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(1.0)
