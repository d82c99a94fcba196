# SPDX-License-Identifier: GPL-3.0-or-later
"""Textures: what a renderer reads from them is the field's colour."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from maquette.core.errors import CancelledError, NonFiniteError
from maquette.core.mesh import TextureData
from maquette.core.texture.bake import bake_texture
from maquette.core.texture.color import linear_to_srgb, srgb_to_linear, to_bytes
from maquette.core.texture.growth import IslandGrowth
from maquette.core.texture.raster import rasterize
from maquette.core.texture.unwrap import Unwrapping, unwrap
from maquette.tests.analytic_fields import CPU, shape_mesh
from numpy.typing import NDArray
from torch import Tensor


def by_position(points: Tensor) -> Tensor:
    """Return the position as a colour."""
    return (points + 1) / 2


def baked(name: str, size: int) -> tuple[Unwrapping, TextureData]:
    unwrapping = unwrap(*shape_mesh(name), size)
    texture = bake_texture(by_position, *shape_mesh(name), unwrapping, size, device=CPU)
    return unwrapping, texture


def looked_up(pixels: NDArray[np.uint8], uvs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what bilinear filtering reads, as OpenGL defines it, clamped at the border."""
    size = len(pixels)
    place = uvs * size - 0.5
    corner = np.floor(place).astype(np.int64)
    (right, up), total = (place - corner).T, np.zeros((len(uvs), 3))
    for dy, vertical in ((0, 1 - up), (1, up)):
        for dx, horizontal in ((0, 1 - right), (1, right)):
            x, y = np.clip(corner + np.array([dx, dy]), 0, size - 1).T
            total += pixels[y, x, :3] * (vertical * horizontal)[:, None]
    return total


def surface_samples(
    name: str, corner_uvs: NDArray[np.float32], concentration: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return random UVs and positions; low concentrations keep near edges and corners."""
    vertices, faces = shape_mesh(name)
    random = np.random.default_rng(0)
    face = random.integers(0, len(faces), 40000)
    weights = random.dirichlet((concentration,) * 3, len(face))[:, :, None]
    uvs = (corner_uvs[face].astype(np.float64) * weights).sum(axis=1)
    return uvs, (vertices[faces[face]] * weights).sum(axis=1)


@pytest.mark.parametrize("name", ["ball", "ring", "lumpy", "two", "table"])
@pytest.mark.parametrize("concentration", [1.0, 0.1])
def test_texture_shows_the_colour_of_the_surface_up_to_the_seams(
    name: str, concentration: float
) -> None:
    unwrapping, texture = baked(name, 512)

    uvs, positions = surface_samples(name, unwrapping.corner_uvs, concentration)

    error = np.abs(looked_up(texture.pixels, uvs) - 255 * (positions + 1) / 2).max(axis=1)
    # Half a level is rounding; the rest is creases that a texel straddles.
    assert error.max() < 1.5
    assert np.quantile(error, 0.99) < 0.6


def test_small_textures_stay_close() -> None:
    unwrapping, texture = baked("table", 128)

    uvs, positions = surface_samples("table", unwrapping.corner_uvs, 0.3)

    error = np.abs(looked_up(texture.pixels, uvs) - 255 * (positions + 1) / 2).max(axis=1)
    assert np.quantile(error, 0.999) < 3.0


def test_image_is_opaque_and_starts_at_the_bottom() -> None:
    unwrapping, texture = baked("lumpy", 256)

    assert texture.pixels.shape == (256, 256, 4) and texture.pixels.dtype == np.uint8
    assert (texture.pixels[..., 3] == 255).all()
    assert texture.num_islands == unwrapping.num_islands
    assert texture.corner_uvs is unwrapping.corner_uvs
    # The first corner of the first face, found through row = v * size.
    column, row = (unwrapping.corner_uvs[0, 0] * 256).astype(int)
    vertices, faces = shape_mesh("lumpy")
    expected = 255 * (vertices[faces[0, 0]] + 1) / 2
    assert texture.pixels[row, column, :3] == pytest.approx(expected, abs=2.5)


def test_gutter_repeats_the_colours_next_to_it() -> None:
    # Colours without a trend: what is not copied from the nearest texels shows up at once.
    def stripes(points: Tensor) -> Tensor:
        return (points * 40).sin() * 0.5 + 0.5

    vertices, faces = shape_mesh("two")
    unwrapping = unwrap(vertices, faces, 128)
    texture = bake_texture(stripes, vertices, faces, unwrapping, 128, device=CPU)
    shown = np.zeros(128 * 128, dtype=bool)
    shown[rasterize(vertices, faces, unwrapping.corner_uvs, unwrapping.border, 128).index] = True
    shown = np.pad(shown.reshape(128, 128), 4)
    colors = np.pad(texture.pixels[..., :3].astype(int), ((4, 4), (4, 4), (0, 0)))

    matched, near = np.zeros((2, 128, 128), dtype=bool)
    here = texture.pixels[..., :3]
    for distance in (0, 1, 2, 3, 4):
        if distance:
            assert (near & ~matched).sum() == 0
        ring = [
            (up, right)
            for up in range(-distance, distance + 1)
            for right in range(-distance, distance + 1)
            if max(abs(up), abs(right)) == distance
        ]
        for up, right in ring:
            window = (slice(4 + up, 132 + up), slice(4 + right, 132 + right))
            near |= shown[window]
            matched |= shown[window] & (colors[window] == here).all(axis=2)
    assert (near & ~matched).sum() == 0
    assert (near & ~shown[4:-4, 4:-4]).sum() > 1000


def test_no_mip_level_mixes_in_what_is_not_on_the_surface() -> None:
    def red(points: Tensor) -> Tensor:
        return torch.tensor([0.9, 0.2, 0.1]).expand(len(points), 3)

    vertices, faces = shape_mesh("table")
    unwrapping = unwrap(vertices, faces, 256)

    texture = bake_texture(red, vertices, faces, unwrapping, 256, device=CPU)

    assert (texture.pixels[..., :3] == to_bytes(np.array([0.9, 0.2, 0.1]))).all()


def test_texels_lie_on_the_surface_they_show() -> None:
    vertices, faces = shape_mesh("ball")
    unwrapping = unwrap(vertices, faces, 512)

    texels = rasterize(vertices, faces, unwrapping.corner_uvs, unwrapping.border, 512)

    assert len(np.unique(texels.index)) == len(texels.index)
    assert np.isfinite(texels.positions).all()
    distance = np.abs(np.linalg.norm(texels.positions, axis=1) - 0.7)
    assert np.quantile(distance, 0.9) < 1e-3  # chords of a ball, and the first ring
    assert distance.max() < 0.02  # the two rings beyond the edges


def test_faces_smaller_than_a_texel_are_not_lost() -> None:
    corner_uvs = np.array([[[0.5, 0.5], [0.502, 0.5], [0.5, 0.502]]], dtype=np.float32)
    vertices = np.eye(3, dtype=np.float32)

    texels = rasterize(
        vertices, np.array([[0, 1, 2]], dtype=np.int32), corner_uvs, np.arange(3), 64
    )

    # The four around it, and four more within a texel and a half of its far corners.
    assert len(texels.index) == 8
    assert np.isfinite(texels.positions).all()


def test_texels_of_a_plane_are_exact_also_beyond_its_edge() -> None:
    corner_uvs = np.array([[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75]]], dtype=np.float32)
    vertices = np.array([[0, 0, 1], [1, 0, 1], [0, 2, 1]], dtype=np.float32)

    texels = rasterize(
        vertices, np.array([[0, 1, 2]], dtype=np.int32), corner_uvs, np.arange(3), 16
    )

    u = (texels.index % 16 + 0.5) / 16
    v = (texels.index // 16 + 0.5) / 16
    expected = np.stack([(u - 0.25) * 2, (v - 0.25) * 4, np.ones_like(u)], axis=1)
    assert texels.positions == pytest.approx(expected, abs=1e-5)


def test_rings_grow_by_one_texel_and_stop_when_all_is_taken() -> None:
    growth = IslandGrowth(np.array([0]), 4)

    rings = [growth.next_ring() for _ in range(4)]

    assert [len(ring) for ring, _ in rings] == [3, 5, 7, 0]
    assert sorted(rings[0][0].tolist()) == [1, 4, 5]
    assert rings[0][1].tolist() == [0, 0, 0]
    index = np.array([0])
    for ring, source in rings[:3]:
        steps = np.abs(np.stack(np.divmod(ring, 4)) - np.stack(np.divmod(index[source], 4)))
        assert steps.max() == 1
        index = ring


def test_check_stops_between_chunks() -> None:
    calls: list[int] = []

    def color(points: Tensor) -> Tensor:
        calls.append(len(points))
        return by_position(points)

    def check() -> None:
        if len(calls) == 2:
            raise CancelledError

    unwrapping = unwrap(*shape_mesh("ball"), 256)
    with pytest.raises(CancelledError):
        bake_texture(
            color, *shape_mesh("ball"), unwrapping, 256, device=CPU, chunk_size=999, check=check
        )

    assert calls == [999, 999]


def test_progress_rises_to_one() -> None:
    fractions: list[float] = []
    unwrapping = unwrap(*shape_mesh("ball"), 128)

    bake_texture(
        by_position,
        *shape_mesh("ball"),
        unwrapping,
        128,
        device=CPU,
        chunk_size=1000,
        on_progress=fractions.append,
    )

    assert fractions == sorted(fractions) and fractions[-1] == 1.0


def test_nan_colours_are_refused() -> None:
    unwrapping = unwrap(*shape_mesh("ball"), 64)

    with pytest.raises(NonFiniteError, match="colour"):
        bake_texture(
            lambda points: points * torch.nan, *shape_mesh("ball"), unwrapping, 64, device=CPU
        )


def test_field_is_never_asked_outside_its_box() -> None:
    farthest = 0.0

    def color(points: Tensor) -> Tensor:
        nonlocal farthest
        farthest = max(farthest, float(points.abs().max()))
        return by_position(points)

    vertices, faces = shape_mesh("ball")
    vertices = vertices / np.abs(vertices).max()
    bake_texture(color, vertices, faces, unwrap(vertices, faces, 128), 128, device=CPU)

    assert farthest == 1.0


def test_transfer_function_has_the_values_of_the_standard() -> None:
    encoded = np.array([0.0, 0.04045, 0.5, 0.73535698, 1.0], dtype=np.float32)

    linear = srgb_to_linear(encoded)

    expected = [0.0, 0.0031308, 0.2140411, 0.5, 1.0]
    assert linear == pytest.approx(expected, abs=1e-6)


def test_transfer_functions_undo_one_another_for_every_byte() -> None:
    levels = (np.arange(256) / 255).astype(np.float32)

    assert np.array_equal(to_bytes(linear_to_srgb(srgb_to_linear(levels))), np.arange(256))
    assert np.array_equal(to_bytes(levels), np.arange(256))


def test_values_beyond_the_range_are_cut_off() -> None:
    wild = np.array([-0.5, 1.5], dtype=np.float32)

    assert srgb_to_linear(wild).tolist() == [0.0, 1.0]
    assert to_bytes(wild).tolist() == [0, 255]


def test_neighbours_share_no_texel_and_leave_none_out() -> None:
    # The worst case: every vertex and every diagonal of this sheet runs through texel centres.
    size, step = 64, 7
    lines = (np.arange(9) * step + 3.5) / size
    u, v = np.meshgrid(lines, lines)
    vertices = np.stack([u, v, np.zeros_like(u)], axis=-1).reshape(-1, 3).astype(np.float32)
    start = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    lower = np.stack([start, start + 1, start + 10], axis=1)
    upper = np.stack([start, start + 10, start + 9], axis=1)
    faces = np.concatenate([lower, upper]).astype(np.int32)
    nothing = np.zeros(0, dtype=np.int64)

    texels = rasterize(vertices, faces, vertices[faces][..., :2], nothing, size)

    assert len(texels.index) == len(np.unique(texels.index)) == (8 * step) ** 2
    expected = np.stack([texels.index % size + 0.5, texels.index // size + 0.5], axis=1) / size
    assert texels.positions[:, :2] == pytest.approx(expected, abs=1e-6)
