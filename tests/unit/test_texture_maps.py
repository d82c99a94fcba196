# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of meshes with few triangles: what they show is the field, not the triangles."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import torch
from maquette.core.config import Shading
from maquette.core.errors import CancelledError, NonFiniteError
from maquette.core.geometry.extract import extract_mesh
from maquette.core.geometry.grid import GridValues
from maquette.core.mesh import TextureData
from maquette.core.texture.bake import bake_texture
from maquette.core.texture.band import SurfaceBand, sample_band
from maquette.core.texture.maps import MapSources, lay_out
from maquette.core.texture.raster import rasterize
from maquette.core.texture.shading import corner_normals
from maquette.core.texture.tangents import tangent_frames
from maquette.core.texture.unwrap import Unwrapping, unwrap
from maquette.tests.analytic_fields import CPU, Field, Mesh, ball, block, ring, squashed
from numpy.typing import NDArray
from torch import Tensor

RADIUS = 0.7
SIZE = 256


def stripes(points: Tensor) -> Tensor:
    """Return colours that change within a few texels along every axis."""
    return (points * 20).sin() * 0.5 + 0.5


def icosphere(rounds: int) -> Mesh:
    """Return a ball of 20 * 4^rounds triangles whose corners lie on the surface."""
    golden = (1 + 5**0.5) / 2
    corners = [(0.0, s, t * golden) for s in (-1, 1) for t in (-1, 1)]
    points = np.array([np.roll(corner, turn) for turn in range(3) for corner in corners])
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    near = np.abs(distance - 2) < 1e-6
    faces = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    triangles = points[np.array(faces)]
    outward = np.linalg.det(triangles) > 0
    triangles[~outward] = triangles[~outward][:, ::-1]
    for _ in range(rounds):
        a, b, c = triangles.transpose(1, 0, 2)
        ab, bc, ca = (a + b) / 2, (b + c) / 2, (c + a) / 2
        parts = ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))
        triangles = np.concatenate([np.stack(part, axis=1) for part in parts])
    triangles *= RADIUS / np.linalg.norm(triangles, axis=2, keepdims=True)
    rounded = np.round(triangles.reshape(-1, 3), 9)
    vertices, faces_ = np.unique(rounded, axis=0, return_inverse=True)
    return vertices.astype(np.float32), faces_.reshape(-1, 3).astype(np.int32)


@lru_cache(maxsize=4)
def band_of(name: str) -> SurfaceBand:
    fields: dict[str, Field] = {
        "ball": ball(RADIUS),
        "ring": ring(0.6, 0.25),
        "plate": block((0.7, 0.7, 0.02), (0.0, 0.0, 0.1)),
    }
    field = squashed(fields[name])
    vertices, _ = extract_mesh(field, 128, device=CPU)
    return sample_band(field, vertices, 128, device=CPU)


def true_colors(unwrapping: Unwrapping, mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Return the texels of a ball and the colours of the places right above them."""
    texels = rasterize(*mesh, unwrapping.corner_uvs, unwrapping.border, SIZE)
    outward = texels.positions / np.linalg.norm(texels.positions, axis=1, keepdims=True)
    colors = stripes(torch.from_numpy(RADIUS * outward)).numpy()
    return texels.index, np.rint(255 * colors).astype(np.uint8)


@pytest.mark.parametrize(("projected", "median", "p99"), [(True, 0.0, 1.0), (False, 8.0, 20.0)])
def test_texels_have_the_colours_of_the_surface_and_not_of_the_chords_below_it(
    projected: bool, median: float, p99: float
) -> None:
    mesh = icosphere(2)
    unwrapping = unwrap(*mesh, SIZE)
    project = band_of("ball").project if projected else None

    texture = bake_texture(stripes, *mesh, unwrapping, SIZE, device=CPU, project=project)

    index, expected = true_colors(unwrapping, mesh)
    shown = texture.pixels.reshape(-1, 4)[index, :3]
    error = np.abs(shown.astype(int) - expected).max(axis=1)
    if projected:
        assert np.median(error) <= median and np.quantile(error, 0.99) <= p99
    else:
        assert np.median(error) >= median and np.quantile(error, 0.99) >= p99


def test_points_move_onto_the_surface_along_the_shortest_way() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(5000, 3, generator=generator), dim=1)
    off = (torch.rand(5000, 1, generator=generator) - 0.5) * 2 / 64  # up to a cell

    moved = band_of("ball").project(directions * (RADIUS + off))

    # Between the nodes, a chord is off by the square of a cell over eight radii: 5e-5 on each axis.
    assert (moved - RADIUS * directions).norm(dim=1).max() < 3e-4


def test_a_narrow_band_of_known_nodes_says_the_same_near_the_surface() -> None:
    field, asked = squashed(ball(RADIUS)), []
    grids: list[GridValues] = []
    vertices, _ = extract_mesh(field, 128, device=CPU, on_grid=grids.append)

    def counted(points: torch.Tensor) -> torch.Tensor:
        asked.append(len(points))
        return field(points)

    wide = sample_band(counted, vertices, 128, device=CPU)
    all_nodes = sum(asked)
    asked.clear()
    narrow = sample_band(counted, vertices, 128, device=CPU, is_far=False, known=grids[0])
    directions = torch.nn.functional.normalize(torch.randn(20_000, 3), dim=1)
    # As far off as texels are where four triangles of five are left.
    points = directions * (RADIUS + (torch.rand(20_000, 1) - 0.5) * 2 / 127 / 10)

    torch.testing.assert_close(narrow.normals(points), wide.normals(points), rtol=0.0, atol=2e-5)
    # Whether a point within a hundredth of a cell, 1.6e-4, has to move may hang on the last bit.
    torch.testing.assert_close(narrow.project(points), wide.project(points), rtol=0.0, atol=2e-4)
    assert sum(asked) < 0.5 * all_nodes


def test_a_point_too_far_off_stays_where_it_is() -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, RADIUS + 0.06], [0.95, 0.95, 0.95]])

    assert torch.equal(band_of("ball").project(points), points)
    assert band_of("ball").normals(points).isnan().all()


def test_both_sides_of_a_thin_plate_keep_their_points() -> None:
    axis = torch.linspace(-0.5, 0.5, 40)
    x, y = torch.meshgrid(axis, axis, indexing="ij")
    for side in (-1.0, 1.0):
        height = torch.full_like(x, 0.1 + side * 0.028)
        moved = band_of("plate").project(torch.stack([x, y, height], dim=-1).view(-1, 3))

        assert (moved[:, 2] - (0.1 + side * 0.02)).abs().max() < 1e-3


def test_normals_of_the_band_are_those_of_the_field() -> None:
    generator = torch.Generator().manual_seed(0)
    turn, roll = torch.rand(2, 4000, generator=generator) * 2 * torch.pi
    out = torch.stack([turn.cos() * roll.cos(), turn.sin() * roll.cos(), roll.sin()], dim=1)
    center = 0.6 * torch.stack([turn.cos(), turn.sin(), torch.zeros_like(turn)], dim=1)

    cosine = (band_of("ring").normals(center + 0.25 * out) * out).sum(dim=1)

    assert torch.rad2deg(cosine.clamp(max=1).acos()).max() < 0.6


def test_the_field_is_asked_near_its_surface_only() -> None:
    asked = 0

    def counting(points: Tensor) -> Tensor:
        nonlocal asked
        asked += len(points)
        return squashed(ball(RADIUS))(points)

    vertices, _ = extract_mesh(squashed(ball(RADIUS)), 128, device=CPU)
    sample_band(counting, vertices, 128, device=CPU)

    assert 0 < asked < 0.12 * 128**3


def test_nan_distances_are_refused_and_sampling_can_be_stopped() -> None:
    vertices, _ = icosphere(1)

    def stop() -> None:
        raise CancelledError

    with pytest.raises(NonFiniteError, match="distance"):
        sample_band(lambda points: points[:, 0] * torch.nan, vertices, 32, device=CPU)
    with pytest.raises(CancelledError):
        sample_band(ball(RADIUS), vertices, 32, device=CPU, check=stop)


def decoded(
    mesh: Mesh, unwrapping: Unwrapping, corners: NDArray[np.float32], texture: TextureData
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return random places on a mesh and the normals that a renderer shows there."""
    vertices, faces = mesh
    frames = tangent_frames(vertices, faces, unwrapping.corner_uvs, corners)
    random = np.random.default_rng(1)
    face = random.integers(0, len(faces), 20000)
    weights = random.dirichlet((1.0,) * 3, len(face))[..., None]
    uvs = (unwrapping.corner_uvs[face] * weights).sum(axis=1)
    assert texture.normal is not None
    column, row = (uvs * SIZE).astype(int).T
    red, green, blue = (texture.normal.pixels[row, column] / 127.5 - 1.0).T[..., None]
    normal = (frames.normals[face] * weights).sum(axis=1)
    tangent = (frames.tangents[face] * weights).sum(axis=1)
    bitangent = frames.signs[face, None] * np.cross(normal, tangent)
    shown = red * tangent + green * bitangent + blue * normal
    return (
        (vertices[faces[face]] * weights).sum(axis=1),
        shown / np.linalg.norm(shown, axis=1, keepdims=True),
    )


# Where flat faces meet, a texel lies on two of them: 2 % of the places at this size.
@pytest.mark.parametrize(("shading", "share"), [("smooth", 0.999), ("auto", 0.999), ("flat", 0.9)])
@pytest.mark.parametrize("projected", [True, False])
def test_shading_and_map_together_give_the_normals_of_the_field(
    shading: Shading, share: float, projected: bool
) -> None:
    mesh = icosphere(2)  # 320 triangles: neighbours meet at 13 degrees
    unwrapping = unwrap(*mesh, SIZE)
    corners = corner_normals(*mesh, shading)
    band = band_of("ball")

    texture = bake_texture(
        stripes,
        *mesh,
        unwrapping,
        SIZE,
        device=CPU,
        project=band.project if projected else None,
        maps=MapSources(corner_normals=corners, field_normals=band.normals),
    )

    places, shown = decoded(mesh, unwrapping, corners, texture)
    outward = places / np.linalg.norm(places, axis=1, keepdims=True)
    angles = np.degrees(np.arccos((shown * outward).sum(axis=1).clip(-1, 1)))
    assert np.median(angles) < 0.8 and np.quantile(angles, share) < 2.0


@pytest.mark.parametrize("name", ["ball", "plate"])
def test_to_settle_is_to_project_and_then_to_look(name: str) -> None:
    band = band_of(name)
    generator = torch.Generator().manual_seed(0)
    points = (torch.rand(40_000, 3, generator=generator) * 2 - 1) * 0.8  # most of them far off

    places, normals = band.settle(points)

    assert torch.equal(places, band.project(points))
    torch.testing.assert_close(normals, band.normals(places), rtol=0, atol=0, equal_nan=True)
    assert 0.01 < float(normals.isfinite().all(dim=1).float().mean()) < 0.9


@pytest.mark.parametrize("num_threads", [1, 2])
def test_maps_are_the_same_whatever_is_done_at_once_and_beforehand(num_threads: int) -> None:
    mesh = icosphere(2)
    unwrapping, band = unwrap(*mesh, SIZE), band_of("ball")
    corners = corner_normals(*mesh, "smooth")
    slowly = bake_texture(
        stripes,
        *mesh,
        unwrapping,
        SIZE,
        device=CPU,
        project=band.project,
        maps=MapSources(corner_normals=corners, field_normals=band.normals),
    )

    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        quickly = bake_texture(
            stripes,
            *mesh,
            unwrapping,
            SIZE,
            device=CPU,
            maps=MapSources(corner_normals=corners, settle=band.settle),
            canvas=lay_out(*mesh, unwrapping, SIZE, has_maps=True),
        )
    finally:
        torch.set_num_threads(before)

    np.testing.assert_array_equal(quickly.pixels, slowly.pixels)
    assert quickly.normal is not None and slowly.normal is not None
    np.testing.assert_array_equal(quickly.normal.pixels, slowly.normal.pixels)
    assert (quickly.png, quickly.normal.png) == (slowly.png, slowly.normal.png)


def test_a_flat_mesh_without_its_map_is_far_off() -> None:
    vertices, faces = icosphere(2)
    corners = corner_normals(vertices, faces, "flat")

    middles = vertices[faces] * 0.8 + vertices[faces].mean(axis=1, keepdims=True) * 0.2
    outward = middles / np.linalg.norm(middles, axis=2, keepdims=True)

    assert np.degrees(np.arccos((corners * outward).sum(axis=2))).mean() > 4.0


def test_the_map_is_neutral_far_from_islands_and_where_the_field_is_unknown() -> None:
    mesh = icosphere(2)
    unwrapping = unwrap(*mesh, SIZE)
    corners = corner_normals(*mesh, "smooth")

    texture = bake_texture(
        stripes,
        *mesh,
        unwrapping,
        SIZE,
        device=CPU,
        maps=MapSources(
            corner_normals=corners, field_normals=lambda points: torch.full_like(points, torch.nan)
        ),
    )

    assert texture.normal is not None and texture.occlusion is None
    assert (texture.normal.pixels == (128, 128, 255)).all()


def test_green_points_along_v_and_red_along_u() -> None:
    # One face seen from above, u along x and v along y, with a field that leans either way.
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], dtype=np.float32)
    faces = np.array([[0, 1, 2]], dtype=np.int32)
    uvs = np.array([[[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]], dtype=np.float32)
    unwrapping = Unwrapping(uvs, np.zeros(1, dtype=np.int32), np.arange(3), 4)
    leaning = torch.nn.functional.normalize(torch.tensor([[0.3, 0.4, 1.0]]), dim=1)

    texture = bake_texture(
        stripes,
        vertices,
        faces,
        unwrapping,
        32,
        device=CPU,
        maps=MapSources(
            corner_normals=corner_normals(vertices, faces, "flat"),
            field_normals=lambda points: leaning.expand(len(points), 3),
        ),
    )

    assert texture.normal is not None
    expected = np.rint((leaning[0].numpy() + 1) * 127.5)
    assert (texture.normal.pixels[8, 8] == expected).all()
