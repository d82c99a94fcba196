# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of meshes and their gradients, against areas, finite differences and a second raster."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from maquette.core.assets_in.cameras import FOV, sphere_cameras
from maquette.core.assets_in.raster import visible
from maquette.core.geometry.marching_cubes import marching_cubes
from maquette.tests.unit.surfaces import sphere
from maquette.training.mesh_pictures import (
    PaintedMesh,
    linear_to_srgb,
    mesh_pictures,
    srgb_to_linear,
    vertex_normals,
)
from maquette.training.outlines import blend_outlines
from maquette.training.raster import Projection, interpolate, project, visible_faces
from maquette.training.source import Pictures, pixel_directions
from torch import Tensor

pytestmark = pytest.mark.needs_torch

SIZE = 24


def cameras(count: int, size: int = SIZE, seed: int = 0) -> Pictures:
    """Return cameras around the box, and black pictures."""
    found = sphere_cameras(count, seed)
    origins, axes = (torch.from_numpy(each)[None] for each in (found.origins, found.axes))
    return Pictures(torch.zeros(1, count, size, size, 4), origins, axes, FOV)


def welded_sphere(rings: int = 12) -> tuple[Tensor, Tensor]:
    """Return a closed sphere whose neighbours share vertices, float64 and int64."""
    surface = sphere(rings)
    vertices, faces = np.unique(surface.vertices, axis=0, return_inverse=True)
    corners = torch.from_numpy(faces.reshape(-1)[surface.faces])
    is_flat = (corners == corners.roll(1, 1)).any(1)
    return torch.from_numpy(vertices).double(), corners[~is_flat].long()


def coverage(screen: Tensor, faces: Tensor, size: int = SIZE) -> Tensor:
    """Return the blended coverage of flat triangles at depth 1, [size, size]."""
    projection = Projection(screen, torch.ones_like(screen[:, 0]))
    fragments = visible_faces(projection, faces, size)
    flat = screen.new_zeros(size * size, 1)
    flat[fragments.pixels] = 1.0
    return blend_outlines(flat.view(size, size, 1), projection, faces, fragments)[..., 0]


def slope_by_differences(function: Callable[[Tensor], Tensor], at: Tensor, along: Tensor) -> float:
    # So small that hardly ever a pixel jumps from one triangle to another within it.
    step = 1e-8
    with torch.no_grad():
        return float((function(at + step * along) - function(at - step * along)) / (2 * step))


def test_it_shows_the_triangles_that_the_other_raster_shows() -> None:
    surface = sphere(16)
    view = sphere_cameras(1, seed=3)
    vertices, faces = torch.from_numpy(surface.vertices), torch.from_numpy(surface.faces).long()

    projection = project(
        vertices, torch.from_numpy(view.origins[0]), torch.from_numpy(view.axes[0]), FOV, 64
    )
    fragments = visible_faces(projection, faces, 64)

    hits = visible(surface.corners, view, 0, 64)
    # In single precision a pixel's centre may fall to either side of an edge.
    ours, theirs = set(fragments.pixels.tolist()), set(hits.pixels.tolist())
    assert len(theirs) > 1000 and len(ours ^ theirs) <= 2
    is_common = np.isin(hits.pixels, list(ours))
    shown = fragments.depth[torch.from_numpy(hits.pixels[is_common])]
    np.testing.assert_allclose(shown, hits.depth[is_common], rtol=1e-5)


def test_what_corners_say_is_interpolated_in_perspective() -> None:
    """Positions that are interpolated lie on the rays of their pixels."""
    vertices, faces = welded_sphere()
    view = cameras(1)
    origin, axes = view.origins[0, 0].double(), view.axes[0, 0].double()
    projection = project(vertices, origin, axes, FOV, SIZE)
    fragments = visible_faces(projection, faces, SIZE)

    positions = interpolate(projection, faces, fragments, vertices, SIZE)

    rows = torch.div(fragments.pixels, SIZE, rounding_mode="floor")
    spread = axes.expand(len(rows), 3, 3)
    directions = pixel_directions(spread, fragments.pixels % SIZE, rows, SIZE, FOV)
    seen = positions - origin
    torch.testing.assert_close(seen / seen.norm(dim=1, keepdim=True), directions)


@pytest.mark.parametrize("seed", range(10))
def test_a_triangle_covers_its_area(seed: int) -> None:
    """Summed over pixels: the area, and by each corner half the opposite edge turned."""
    generator = torch.Generator().manual_seed(seed)
    angles = torch.rand((), generator=generator) + torch.arange(3) * (2 * math.pi / 3)
    center = 31.5 + torch.rand(2, generator=generator)
    screen = (center + 24 * torch.stack([angles.cos(), angles.sin()], dim=1)).double()
    screen.requires_grad_(True)
    faces = torch.tensor([[0, 1, 2]])

    total = coverage(screen, faces, 64).sum()
    (slope,) = torch.autograd.grad(total, screen)

    first, second = (screen[k] - screen[0] for k in (1, 2))
    area = (first[0] * second[1] - first[1] * second[0]).abs() / 2
    (known,) = torch.autograd.grad(area, screen)
    assert float(total.detach()) == pytest.approx(float(area.detach()), rel=0.02)
    torch.testing.assert_close(slope, known, rtol=0, atol=0.08 * float(known.norm(dim=1).max()))


@pytest.mark.parametrize("seed", range(6))
def test_gradients_are_those_of_finite_differences(seed: int) -> None:
    """Of every channel at once, by moving all vertices and colours of a dented sphere."""
    generator = torch.Generator().manual_seed(seed)
    vertices, faces = welded_sphere()
    vertices = 0.7 * vertices * (1 + 0.2 * torch.rand(len(vertices), 1, generator=generator))
    colors = torch.rand(vertices.shape, generator=generator).double() * 0.8 + 0.1
    view = cameras(2, seed=seed)
    view = Pictures(view.rgba.double(), view.origins.double(), view.axes.double(), FOV)
    weights = torch.rand(2, SIZE, SIZE, 4, generator=generator).double()
    along = torch.randn(2, *vertices.shape, generator=generator).double()

    def shown(state: Tensor) -> Tensor:
        mesh = PaintedMesh(state[0], faces, state[1])
        return (weights * mesh_pictures(mesh, view, 0)).sum()

    state = torch.stack([vertices, colors]).requires_grad_(True)
    (slope,) = torch.autograd.grad(shown(state), state)

    expected = slope_by_differences(shown, state.detach(), along)
    assert float((slope * along).sum()) == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert slope[0].abs().max() > 0.1


def test_what_is_hidden_does_not_pull() -> None:
    near = torch.tensor([[2.0, 2.0], [21.0, 3.0], [9.0, 20.0]])
    far = torch.tensor([[8.2, 6.1], [13.3, 7.4], [9.6, 12.2]])
    screen = torch.cat([near, far]).double().requires_grad_(True)
    depth = torch.tensor([1.0, 1.0, 1.0, 2.0, 2.0, 2.0]).double()
    faces = torch.tensor([[0, 1, 2], [3, 4, 5]])
    projection = Projection(screen, depth)
    fragments = visible_faces(projection, faces, SIZE)
    values = torch.rand(6, 3, generator=torch.Generator().manual_seed(0)).double()
    shown = interpolate(projection, faces, fragments, values, SIZE)
    flat = torch.zeros(SIZE * SIZE, 3).double().index_copy(0, fragments.pixels, shown)

    picture = blend_outlines(flat.view(SIZE, SIZE, 3), projection, faces, fragments)
    (slope,) = torch.autograd.grad(picture.square().sum(), screen)

    assert slope[:3].abs().min() > 0
    assert slope[3:].abs().max() == 0


def test_light_and_curve_are_those_of_the_views() -> None:
    levels = torch.linspace(0, 1, 256).double()
    torch.testing.assert_close(linear_to_srgb(srgb_to_linear(levels)), levels, rtol=0, atol=1e-6)
    vertices, faces = welded_sphere()

    normals = vertex_normals(PaintedMesh(vertices, faces, vertices))

    assert (normals * vertices).sum(1).min() > 0.99


def test_a_ball_is_found_from_its_pictures() -> None:
    """An ellipsoid off the middle becomes the ball, through marching cubes and outlines alone."""
    radius, size = 0.62, 16
    view = cameras(3, size, seed=5)
    axis = torch.linspace(-1, 1, 12)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), dim=-1)
    target = torch.cat([_disc(view, index, radius) for index in range(3)])
    center = torch.tensor([0.2, -0.15, 0.15], requires_grad=True)
    radii = torch.tensor([0.4, 0.5, 0.3], requires_grad=True)
    optimizer = torch.optim.Adam([center, radii], betas=(0.8, 0.95))
    ious = []

    for step in range(30):
        optimizer.param_groups[0]["lr"] = 0.06 * (1 - step / 30)
        values = 1 - ((points - center) / radii).norm(dim=-1)
        ious.append(_iou(values.detach() > 0, points.norm(dim=-1) < radius))
        vertices, faces = marching_cubes(values)
        mesh = PaintedMesh(vertices, faces.long(), torch.ones_like(vertices))
        loss = (mesh_pictures(mesh, view, 0)[..., 3] - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert ious[0] < 0.4, ious
    torch.testing.assert_close(center.detach(), torch.zeros(3), rtol=0, atol=0.04)
    torch.testing.assert_close(radii.detach(), torch.full((3,), radius), rtol=0, atol=0.04)
    assert ious[-1] > 0.9


def _iou(found: Tensor, known: Tensor) -> float:
    return float((found & known).sum() / (found | known).sum())


def _disc(view: Pictures, index: int, radius: float) -> Tensor:
    """Return the coverage of a ball at the origin, from 8 x 8 rays per pixel, [1, S, S]."""
    fine = 8 * view.rgba.shape[2]
    pixels = torch.arange(fine * fine)
    axes = view.axes[0, index].expand(len(pixels), 3, 3)
    rows = torch.div(pixels, fine, rounding_mode="floor")
    directions = pixel_directions(axes, pixels % fine, rows, fine, FOV)
    origin = view.origins[0, index]
    closest = torch.linalg.cross(origin.expand_as(directions), directions).norm(dim=1)
    hits = (closest < radius).float().view(1, 1, fine, fine)
    return torch.nn.functional.avg_pool2d(hits, 8)[0]
