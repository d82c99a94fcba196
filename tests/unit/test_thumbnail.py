# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of meshes whose outline, colours and hidden parts are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.mesh import MeshData
from maquette.core.thumbnail import look_at, render_thumbnail

RED, GREEN, BLUE = (0.8, 0.0, 0.0), (0.0, 0.8, 0.0), (0.0, 0.0, 0.8)


def _mesh(vertices, faces, colors) -> MeshData:
    vertices = np.asarray(vertices, dtype=np.float32).reshape(-1, 3)
    faces = np.asarray(faces, dtype=np.int32).reshape(-1, 3)
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(normals, faces[:, corner], across)
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    return MeshData(
        vertices=vertices,
        faces=faces,
        normals=(normals / np.maximum(lengths, 1e-12)).astype(np.float32),
        vertex_colors=np.broadcast_to(np.asarray(colors, dtype=np.float32), vertices.shape).copy(),
    )


def _sphere(radius: float = 1.0, center=(0.0, 0.0, 0.0), color=RED, steps: int = 48) -> MeshData:
    up, around = np.meshgrid(
        np.linspace(0, np.pi, steps + 1), np.arange(2 * steps) * np.pi / steps, indexing="ij"
    )
    points = np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.cos(up)], -1)
    number = np.arange(points.size // 3).reshape(up.shape)
    a, b = number[:-1], np.roll(number[:-1], -1, axis=1)
    c, d = number[1:], np.roll(number[1:], -1, axis=1)
    faces = np.concatenate([np.stack([a, c, d], -1), np.stack([a, d, b], -1)])
    return _mesh(points * radius + np.asarray(center), faces, color)


def _join(*meshes: MeshData) -> MeshData:
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return MeshData(
        vertices=np.concatenate([mesh.vertices for mesh in meshes]),
        faces=np.concatenate(
            [mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]
        ).astype(np.int32),
        normals=np.concatenate([mesh.normals for mesh in meshes]),
        vertex_colors=np.concatenate([mesh.vertex_colors for mesh in meshes]),
    )


def _box(color_of_side) -> MeshData:
    """A cube of six loose sides, one colour each, named by the direction they face."""
    sides = []
    for (axis, sign), color in color_of_side.items():
        u, v = np.roll(np.eye(3), -axis - 1, axis=0)[:2]
        middle = np.eye(3)[axis] * sign
        quad = [middle + s * u + t * v for s, t in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        faces = np.array([[0, 1, 2], [0, 2, 3]])
        sides.append(_mesh(quad, faces if sign > 0 else faces[:, ::-1], color))
    return _join(*sides)


def test_a_sphere_fills_the_picture_as_a_disc_in_the_middle() -> None:
    picture = render_thumbnail(_sphere(radius=3.0, center=(5.0, 1.0, -2.0)), 128)

    rows, columns = np.nonzero(picture[:, :, 3] > 127)
    away = np.hypot(rows - 63.5, columns - 63.5)
    radius = 0.46 * 128  # The margin is 4 % on each side.
    assert picture.shape == (128, 128, 4) and picture.dtype == np.uint8
    assert away.max() == pytest.approx(radius, abs=1.0)
    assert len(rows) == pytest.approx(np.pi * radius**2, rel=0.01)


def test_the_outline_is_smooth() -> None:
    alpha = render_thumbnail(_sphere(), 96)[:, :, 3]

    assert np.count_nonzero((alpha > 0) & (alpha < 255)) > 100


def test_front_right_and_top_are_seen_and_each_is_where_it_should_be() -> None:
    sides = {(0, 1): GREEN, (1, -1): RED, (2, 1): BLUE}
    hidden = {(0, -1): (1, 1, 1), (1, 1): (1, 1, 1), (2, -1): (1, 1, 1)}
    picture = render_thumbnail(_box(sides | hidden), 128)

    solid = picture[:, :, 3] == 255
    centers = {}
    for channel, name in enumerate(("front", "right", "top")):
        alone = solid & (picture[:, :, channel] > 60)
        others = np.delete(picture[:, :, :3], channel, axis=2)[alone]
        # Pixels on an edge between two sides show both.
        assert np.mean(others.max(axis=1) < 20) > 0.9, name
        centers[name] = np.argwhere(alone).mean(axis=0)
    assert centers["top"][0] > max(centers["front"][0], centers["right"][0])  # Rows count upward.
    assert centers["right"][1] > centers["front"][1]


def test_what_is_nearer_hides_what_is_behind_in_either_order() -> None:
    near = _sphere(0.5, (0.0, -2.0, 0.0), GREEN)
    far = _sphere(0.5, (0.0, 2.0, -1.0), RED)

    one, other = render_thumbnail(_join(near, far), 64), render_thumbnail(_join(far, near), 64)

    np.testing.assert_array_equal(one, other)
    assert (one[:, :, 1] > 60).any()


def test_every_pixel_shows_what_a_ray_from_it_meets_first() -> None:
    rng = np.random.default_rng(3)
    corners = rng.normal(size=(60, 3, 3))
    colors = rng.uniform(0.2, 0.9, size=(60, 1, 3)).repeat(3, axis=1)
    mesh = _mesh(corners, np.arange(180), colors.reshape(-1, 3))

    size, fine = 24, 48
    picture = render_thumbnail(mesh, size)

    azimuth, elevation = np.radians(32.0), np.radians(22.0)
    towards = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            -np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    up = np.cross(towards, right)
    points = mesh.vertices.astype(np.float64)
    flat = np.stack([points @ right, points @ up], axis=1)
    low, high = flat.min(axis=0), flat.max(axis=0)
    step = (high - low).max() / (fine * 0.92)
    covered = np.zeros((fine, fine), dtype=bool)
    for row in range(fine):
        for column in range(fine):
            shift = (np.array([column, row]) - (fine - 1) / 2) * step
            a, b = (low + high)[:] / 2 + shift
            covered[row, column] = _meets_a_front(corners, a * right + b * up, towards)
    share = covered.reshape(size, 2, size, 2).mean(axis=(1, 3))
    off = np.abs(share - picture[:, :, 3] / 255)
    # A pixel exactly on an edge may fall on either side.
    assert np.count_nonzero(off > 0.01) <= 3


@pytest.mark.parametrize("extent", [0.1, 1.0])  # smaller than a pixel, and several of them
def test_the_nearest_face_is_found_as_by_looking_at_all_of_them(extent: float) -> None:
    rng = np.random.default_rng(5)
    middles = rng.normal(size=(1500, 1, 3))
    corners = (middles + extent * rng.normal(size=(1500, 3, 3))).astype(np.float32)
    size, fine = 20, 40

    view = look_at(corners.reshape(-1, 3), np.arange(4500, dtype=np.int32).reshape(-1, 3), size)

    depth = _depths(corners.astype(np.float64), fine)  # [pixels, faces]
    nearest = np.where(np.isfinite(depth).any(axis=1), depth.argmax(axis=1), -1)
    found = np.full(fine * fine, -1)
    found[view.pixel] = view.face
    # Where a pixel is on an edge, or two faces meet there, rounding decides.
    assert np.count_nonzero(found != nearest) <= 4
    assert np.count_nonzero(nearest >= 0) > 50
    np.testing.assert_allclose(view.weights.sum(axis=1), 1.0, atol=1e-5)


def _depths(corners, fine: int):
    """Return the depth of each face at each pixel, -inf where it is not or looks away."""
    azimuth, elevation = np.radians(32.0), np.radians(22.0)
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0.0])
    towards = np.array(
        [
            np.sin(azimuth) * np.cos(elevation),
            -np.cos(azimuth) * np.cos(elevation),
            np.sin(elevation),
        ]
    )
    seen = corners @ np.stack([right, np.cross(towards, right), towards], axis=1)
    flat = seen[..., :2].reshape(-1, 2)
    low, high = flat.min(axis=0), flat.max(axis=0)
    step = (high - low).max() / (fine * 0.92)
    places = (np.arange(fine) - (fine - 1) / 2) * step
    across, up = np.meshgrid(places + (low + high)[0] / 2, places + (low + high)[1] / 2)
    points = np.stack([across.ravel(), up.ravel()], axis=1)[:, None]
    a, b, c = seen.transpose(1, 0, 2)

    def turn(first, second):
        return first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]

    area = turn((b - a)[:, :2], (c - a)[:, :2])
    away = points - a[:, :2]
    second = turn(away, (c - a)[:, :2]) / area
    third = turn((b - a)[:, :2], away) / area
    height = a[:, 2] + second * (b - a)[:, 2] + third * (c - a)[:, 2]
    covers = (area > 0) & (second >= 0) & (third >= 0) & (second + third <= 1)
    return np.where(covers, height, -np.inf)


def _meets_a_front(corners, origin, towards) -> bool:
    """Solve origin + t * towards = a + u * (b - a) + v * (c - a) for each triangle."""
    for a, b, c in corners:
        if np.cross(b - a, c - a) @ towards <= 0:
            continue
        _, u, v = np.linalg.solve(np.stack([-towards, b - a, c - a], axis=1), origin - a)
        if u >= 0 and v >= 0 and u + v <= 1:
            return True
    return False


def test_light_comes_from_above_and_colours_stay_their_own() -> None:
    picture = render_thumbnail(_sphere(color=(0.5, 0.25, 0.0)), 64)

    solid = picture[:, :, 3] == 255
    assert picture[50, 32, 0] > picture[14, 32, 0] + 30
    assert (picture[solid][:, 2] == 0).all()
    assert (picture[solid][:, 0] > picture[solid][:, 1]).all()


@pytest.mark.parametrize(
    "mesh",
    [
        _mesh(np.zeros((0, 3)), np.zeros((0, 3)), RED),
        _mesh([[0, 0, 0], [0, 0, 0], [0, 0, 0]], [[0, 1, 2]], RED),
        _mesh([[0, 0, 0], [1e-9, 0, 0], [0, 0, 1e-9], [5, 5, 5]], [[0, 1, 2]], RED),
    ],
)
def test_a_mesh_without_a_visible_face_gives_an_empty_picture(mesh: MeshData) -> None:
    picture = render_thumbnail(mesh, 32)

    assert np.count_nonzero(picture[:, :, 3]) <= 1
