# SPDX-License-Identifier: GPL-3.0-or-later
"""Levels of detail: half as many triangles each, sound, and the texture still fits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.core.errors import CancelledError
from maquette.core.geometry.health import inspect_mesh
from maquette.core.geometry.levels import Level, coarser_levels, finest_level
from maquette.core.geometry.symmetry import cut_half, larger_side, mirror_half
from maquette.core.mesh import TextureData
from maquette.core.texture.bake import bake_texture
from maquette.core.texture.unwrap import Unwrapping, unwrap
from maquette.tests.analytic_fields import CPU, canonical, face_areas, shape_mesh
from maquette.tests.unit.test_symmetry import mirrored_faces
from numpy.typing import NDArray
from torch import Tensor

SIZE = 512


def waves(points: Tensor) -> Tensor:
    """Colours that change by at most 3 per unit of length."""
    return 0.5 + 0.5 * torch.sin(6 * points)


def textured(name: str) -> tuple[Level, Unwrapping, TextureData]:
    vertices, faces = shape_mesh(name)
    islands = unwrap(vertices, faces, SIZE)
    texture = bake_texture(waves, vertices, faces, islands, SIZE, device=CPU)
    level = finest_level(vertices, faces, islands.islands, islands.corner_uvs)
    return level, islands, texture


def looked_up(pixels: NDArray[np.uint8], uvs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return colours in [0, 1] at UVs [N, 2], between four texels as renderers do it."""
    place = uvs * len(pixels) - 0.5
    low = np.floor(place).astype(int)
    (right, up), found = (place - low).T, np.zeros((len(uvs), 3))
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = (low + np.array([dx, dy])).clip(0, len(pixels) - 1).T
            weight = (right if dx else 1 - right) * (up if dy else 1 - up)
            found += weight[:, None] * pixels[row, column, :3] / 255
    return found


def color_errors(level: Level, texture: TextureData) -> NDArray[np.float64]:
    """Return how far the texture is from the colours of the field at points of a level."""
    assert level.corner_uvs is not None
    random = np.random.default_rng(0)
    areas = face_areas(level.vertices, level.faces)
    face = random.choice(len(areas), 50_000, p=areas / areas.sum())
    cuts = np.sort(random.random((2, len(face))), axis=0)
    share = np.stack([cuts[0], cuts[1] - cuts[0], 1 - cuts[1]], axis=1)
    points = np.einsum("nc,nci->ni", share, level.vertices[level.faces[face]])
    uvs = np.einsum("nc,nci->ni", share, level.corner_uvs[face])
    expected = waves(torch.from_numpy(points)).numpy()
    errors: NDArray[np.float64] = np.abs(looked_up(texture.pixels, uvs) - expected).max(axis=1)
    return errors


@pytest.mark.parametrize("name", ["lumpy", "ring", "spiral"])
def test_levels_halve_the_triangles_and_show_the_same_texture(name: str) -> None:
    finest, _, texture = textured(name)
    fine = inspect_mesh(finest.vertices, finest.faces)

    levels, note = coarser_levels(finest, 3)

    assert note == "" and len(levels) == 3
    for number, level in enumerate(levels, 1):
        goal = len(finest.faces) / 2**number
        assert goal - 2 < len(level.faces) <= goal
        health = inspect_mesh(level.vertices, level.faces)
        assert health.is_sound
        assert (health.num_parts, health.euler_number) == (fine.num_parts, fine.euler_number)
        # A texel is 0.01 wide on these, over which the colours change by 0.03.
        errors = color_errors(level, texture)
        assert errors.mean() < 0.01 and np.quantile(errors, 0.999) < 0.06


def test_the_finest_level_has_the_uvs_that_it_was_given() -> None:
    finest, islands, _ = textured("table")

    assert finest.corner_uvs is not None
    assert np.abs(finest.corner_uvs - islands.corner_uvs).max() * SIZE < 0.01


def test_islands_neither_turn_over_nor_vanish_into_one_another() -> None:
    finest, _, _ = textured("lumpy")

    (_, level), _ = coarser_levels(finest, 2)

    assert level.corner_uvs is not None and level.islands is not None
    a, b, c = level.corner_uvs.astype(np.float64).transpose(1, 0, 2)
    (ax, ay), (bx, by) = (b - a).T, (c - a).T
    assert (ax * by - ay * bx > 0).all()
    # Each island covers nearly the area of the surface that it covered before.
    before = np.bincount(finest.islands, face_areas(finest.vertices, finest.faces))
    after = np.bincount(level.islands, face_areas(level.vertices, level.faces), len(before))
    assert np.abs(after - before).max() < 0.02 * before.sum()


def test_without_texture_levels_have_no_uvs() -> None:
    finest = finest_level(*shape_mesh("ball"), None, None)

    levels, note = coarser_levels(finest, 2)

    assert note == "" and [each.corner_uvs for each in levels] == [None, None]
    assert all(inspect_mesh(each.vertices, each.faces).is_sound for each in levels)


def test_levels_end_with_a_note_where_the_shape_allows_no_more() -> None:
    # Eight loose tetrahedra: nothing can go.
    corners = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)], np.float32)
    sides = np.array([(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)], np.int32)
    vertices = np.concatenate([corners + np.float32(3 * k) for k in range(8)])
    faces = np.concatenate([sides + 4 * k for k in range(8)]).astype(np.int32)

    levels, note = coarser_levels(finest_level(vertices, faces, None, None), 3)

    assert levels == () and note.startswith("0 of 3 levels of detail")


def test_making_levels_stops_when_asked() -> None:
    finest, _, _ = textured("ball")
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise CancelledError

    with pytest.raises(CancelledError):
        coarser_levels(finest, 4, check=check)


def symmetric_and_textured(name: str) -> tuple[Level, TextureData]:
    mesh = shape_mesh(name)
    half = cut_half(*mesh, 48, larger_side(*mesh))
    vertices, faces = mirror_half(*half)
    islands = unwrap(vertices, faces, SIZE)
    texture = bake_texture(waves, vertices, faces, islands, SIZE, device=CPU)
    level = finest_level(vertices, faces, islands.islands, islands.corner_uvs, len(half[0]))
    return level, texture


@pytest.mark.parametrize("name", ["lumpy", "ring", "ripples"])
def test_levels_of_a_symmetric_mesh_are_their_own_mirror_images(name: str) -> None:
    finest, texture = symmetric_and_textured(name)

    levels, note = coarser_levels(finest, 2)

    assert note == "" and len(levels) == 2
    for number, level in enumerate(levels, 1):
        assert inspect_mesh(level.vertices, level.faces).is_sound
        assert len(finest.faces) / 2**number - 4 < len(level.faces) <= len(finest.faces) / 2**number
        assert mirrored_faces(level.vertices, level.faces) == canonical(level.faces)
        # Both halves lie where the texture was painted for them.
        assert np.median(color_errors(level, texture)) < 0.02


def test_without_a_texture_they_are_so_too() -> None:
    finest, _ = symmetric_and_textured("lumpy")
    bare = finest_level(finest.vertices, finest.faces, None, None, finest.num_half)

    (level,), note = coarser_levels(bare, 1)

    assert note == "" and level.corner_uvs is None
    assert inspect_mesh(level.vertices, level.faces).is_sound
    assert mirrored_faces(level.vertices, level.faces) == canonical(level.faces)
