# SPDX-License-Identifier: GPL-3.0-or-later
"""Points, views and closedness of surfaces, against closed forms and brute force."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from maquette.core.asset import Box, Cameras, Places, Surface, boxed
from maquette.core.assets_in.cameras import DISTANCE, ELEVATION, FOV, ring_cameras, sphere_cameras
from maquette.core.assets_in.closed import is_closed, query_points, signed_volume
from maquette.core.assets_in.cloud import farthest_first, sample_cloud, sample_places
from maquette.core.assets_in.paint import Attribute, Flat, Mix, Picture, wrap
from maquette.core.assets_in.raster import visible
from maquette.core.assets_in.views import render_views
from maquette.tests.unit.surfaces import BLUE, RED, cube, sphere, surface_of

SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], dtype=np.float32)
TWO = np.array([[0, 1, 2], [0, 2, 3]])
UVS = {"": SQUARE[TWO][..., :2].astype(np.float32)}


def at(surface: Surface, u: float, v: float) -> Places:
    """Return the place of a UV on the square."""
    face, weights = (0, (1 - u, u - v, v)) if u >= v else (1, (1 - v, u, v - u))
    return Places(np.array([face]), np.array([weights], dtype=np.float32))


def front_camera(distance: float = 4.0, fov: float = FOV) -> Cameras:
    """Return a camera on -Y that looks at the origin."""
    axes = np.array([[[1, 0, 0], [0, 0, -1], [0, 1, 0]]], dtype=np.float32)
    return Cameras(np.array([[0, -distance, 0]], dtype=np.float32), axes, fov)


def test_the_box_is_filled_by_the_longest_side() -> None:
    surface = surface_of(SQUARE * (4, 2, 1) + (10, 20, 30), TWO)

    inside, box = boxed(surface)

    assert box == Box((12.0, 21.0, 30.0), 2.0)
    np.testing.assert_allclose(inside.vertices.min(axis=0), [-1, -0.5, 0])
    np.testing.assert_allclose(inside.vertices.max(axis=0), [1, 0.5, 0])


@pytest.mark.parametrize(
    ("surface", "reason"),
    [
        (surface_of(SQUARE, np.empty((0, 3))), "no faces"),
        (surface_of(np.zeros((3, 3)), np.array([[0, 1, 2]])), "no size"),
    ],
)
def test_nothing_has_no_box(surface: Surface, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        boxed(surface)


def test_points_fall_in_proportion_to_area() -> None:
    """One of the squares has 9 times the other's area, and half of it faces away from it."""
    small = SQUARE / 3 + (0, 0, 1)
    surface = surface_of(np.concatenate([SQUARE, small]), np.concatenate([TWO, TWO + 4]))

    places = sample_places(surface, 10_000, np.random.default_rng(0))

    share = np.bincount(places.faces, minlength=4) / 10_000
    # One place is drawn from each equal share of the area, so the counts are all but exact.
    np.testing.assert_allclose(share, [0.45, 0.45, 0.05, 0.05], atol=2e-4)
    points = places.at(surface.corners)
    on_large = points[points[:, 2] == 0]
    np.testing.assert_allclose(on_large.mean(axis=0), [0.5, 0.5, 0], atol=0.01)
    np.testing.assert_allclose(on_large[:, :2].var(axis=0), [1 / 12, 1 / 12], atol=0.003)


def test_the_farthest_come_first() -> None:
    points = np.random.default_rng(1).random((200, 3)).astype(np.float32)

    order = farthest_first(points, 30)

    chosen = [0]
    for _ in range(29):
        apart = np.linalg.norm(points[:, None] - points[chosen], axis=-1).min(axis=1)
        chosen.append(int(apart.argmax()))
    assert order.tolist() == chosen


def test_equal_points_are_never_taken_twice() -> None:
    points = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)

    assert sorted(farthest_first(points, 12)) == list(range(12))


def test_a_cloud_lies_on_the_surface_in_its_colours() -> None:
    sides = np.repeat([0, 1, 0, 0, 0, 0], 2)
    surface = cube(Flat(RED), Flat((0.0, 0.0, 0.5)), face_paints=sides)

    cloud = sample_cloud(surface, num_points=3000, seed=5)

    assert np.abs(cloud.points).max(axis=1) == pytest.approx(1.0)
    on_right = cloud.points[:, 0] == 1
    assert on_right.mean() == pytest.approx(1 / 6, abs=0.02)
    # 0.5 in linear light is 0.7354 in sRGB.
    np.testing.assert_allclose(cloud.colors[on_right], [[0, 0, 0.7354]] * on_right.sum(), atol=1e-4)
    inner = ~on_right & (np.abs(cloud.points[:, 0]) < 0.99)
    np.testing.assert_allclose(cloud.colors[inner], [RED] * inner.sum(), atol=1e-6)
    assert cloud.rows.shape == (3000, 6) and cloud.rows.dtype == np.float32


def test_clouds_are_repeated_by_their_seed() -> None:
    first, again = (sample_cloud(cube(), num_points=100, seed=3) for _ in range(2))
    other = sample_cloud(cube(), num_points=100, seed=4)

    assert first.rows.tobytes() == again.rows.tobytes()
    assert first.rows.tobytes() != other.rows.tobytes()


def test_a_surface_without_area_has_no_points() -> None:
    line = surface_of(np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0]]), np.array([[0, 1, 2]]))

    with pytest.raises(ValueError, match="no area"):
        sample_cloud(line, num_points=10)


@pytest.mark.parametrize(
    ("uv", "expected"),
    [
        ((0.25, 0.25), 0.0),  # The centre of the first pixel.
        ((0.75, 0.25), 1.0),
        ((0.5, 0.25), 0.5),  # Between both, in linear light.
        ((0.0, 0.25), 0.5),  # Repeated beyond the edge.
    ],
)
def test_pictures_are_read_between_their_pixels(uv: tuple[float, float], expected: float) -> None:
    pixels = np.zeros((2, 2, 4), dtype=np.uint8)
    pixels[:, 1] = 255
    surface = surface_of(SQUARE, TWO, Picture(pixels, ""), corner_uvs=UVS)

    assert surface.colors(at(surface, *uv)) == pytest.approx(np.full((1, 3), expected), abs=1e-6)


def test_the_first_row_of_a_picture_is_at_the_bottom() -> None:
    pixels = np.zeros((2, 2, 3), dtype=np.uint8)
    pixels[0] = (255, 0, 0)
    surface = surface_of(SQUARE, TWO, Picture(pixels, "none", is_smooth=False), corner_uvs=UVS)

    assert surface.colors(at(surface, 0.6, 0.2)).tolist() == [[1, 0, 0]]
    assert surface.colors(at(surface, 0.6, 0.9)).tolist() == [[0, 0, 0]]


def test_what_lies_beyond_a_picture() -> None:
    index = np.array([[-1, 2], [2, -3]])

    assert wrap(index, np.array([2, 2]), "REPEAT").tolist() == [[1, 0], [0, 1]]
    assert wrap(index, np.array([2, 2]), "EXTEND").tolist() == [[0, 1], [1, 0]]
    assert wrap(index, np.array([2, 2]), "MIRROR").tolist() == [[0, 1], [1, 1]]
    clipped = Picture(np.full((2, 2, 3), 255, np.uint8), "", outside="CLIP")
    outside = {"": UVS[""] + 5}
    surface = surface_of(SQUARE, TWO, clipped, corner_uvs=outside)
    assert surface.colors(at(surface, 0.5, 0.5)).tolist() == [[0, 0, 0]]


def test_paints_are_multiplied_and_mixed() -> None:
    attribute = np.zeros((2, 3, 3), dtype=np.float32)
    attribute[0, 1] = (1, 1, 1)  # At u = 1, v = 0.
    tint = Mix(Attribute("tint"), Flat((0.5, 1.0, 0.25)), 1.0, "MULTIPLY")
    for paint, expected in (
        (tint, (0.25, 0.5, 0.125)),
        (Mix(Flat(RED), Flat(BLUE), 0.25), (0.75, 0.0, 0.25)),
        (Mix(Flat((0.6, 0.2, 0)), Flat((0.6, 0.5, 1)), 1.0, "SCREEN"), (0.84, 0.6, 1.0)),
        (Mix(Flat((0.6, 0.2, 0)), Flat((0.6, 0.5, 1)), 1.0, "ADD"), (1.0, 0.7, 1.0)),
    ):
        surface = surface_of(SQUARE, TWO, paint, corner_colors={"tint": attribute})
        place = Places(np.array([0]), np.array([[0.25, 0.5, 0.25]], dtype=np.float32))
        assert surface.colors(place)[0] == pytest.approx(expected)


def test_a_missing_attribute_is_white() -> None:
    surface = surface_of(SQUARE, TWO, Attribute("none"))

    assert surface.colors(at(surface, 0.5, 0.5)).tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("cameras", [sphere_cameras(20, seed=2), ring_cameras(20)])
def test_cameras_look_upright_at_the_centre(cameras: Cameras) -> None:
    right, down, forward = np.moveaxis(cameras.axes, 1, 0)

    np.testing.assert_allclose(cameras.origins, -DISTANCE * forward, atol=1e-5)
    np.testing.assert_allclose(np.cross(right, down), forward, atol=1e-5)
    np.testing.assert_allclose(right[:, 2], 0, atol=1e-6)
    assert (down[:, 2] <= 0).all()
    # Blender's default camera: 50 mm on 36 mm.
    assert cameras.fov == pytest.approx(0.6911, abs=1e-4)


def test_the_ring_is_at_one_elevation_and_the_sphere_everywhere() -> None:
    ring, ball = ring_cameras(8).origins / DISTANCE, sphere_cameras(2000, seed=0).origins / DISTANCE

    np.testing.assert_allclose(np.arcsin(ring[:, 2]), ELEVATION, atol=1e-6)
    np.testing.assert_allclose(ring[0], [0, -math.cos(ELEVATION), math.sin(ELEVATION)], atol=1e-6)
    assert len(np.unique(np.round(ring, 5), axis=0)) == 8
    # On a sphere heights are spread evenly (Archimedes).
    np.testing.assert_allclose(
        np.quantile(ball[:, 2], [0.25, 0.5, 0.75]), [-0.5, 0, 0.5], atol=0.06
    )
    assert (
        sphere_cameras(3, seed=1).origins.tobytes() == sphere_cameras(3, seed=1).origins.tobytes()
    )


def test_a_side_seen_straight_on_has_its_size_and_depth() -> None:
    """The front of the cube is 3 away, where the picture shows 2 * 3 * tan(fov / 2)."""
    views = render_views(cube(Flat((1, 1, 1))), front_camera(), size=64)

    rgba, depth = views.rgba[0], views.depth[0]
    shown = 2 * 3 * math.tan(FOV / 2)
    side = 2 / shown * 64
    assert (rgba[..., 3] / 255).sum() == pytest.approx(side**2, rel=0.02)
    assert depth[32, 32] == pytest.approx(3.0, abs=1e-5)
    np.testing.assert_allclose(depth[np.isfinite(depth)], 3.0, atol=1e-4)
    assert np.isinf(depth[0, 0]) and rgba[0, 0].tolist() == [0, 0, 0, 0]


def test_light_is_the_published_one() -> None:
    views = render_views(cube(Flat((1, 1, 1))), front_camera(), size=32)

    linear = 0.3 + 0.7 * 0.63953443  # The front's normal is -Y.
    assert views.rgba[0, 16, 16, 0] == round(255 * (1.055 * linear ** (1 / 2.4) - 0.055))


def test_depths_of_a_sphere_lie_on_it() -> None:
    cameras = sphere_cameras(3, seed=7)
    size = 48

    views = render_views(sphere(), cameras, size=size)

    for origin, axes, depth in zip(cameras.origins, cameras.axes, views.depth, strict=True):
        rows, columns = np.nonzero(np.isfinite(depth))
        fractions = (np.stack([columns, rows, columns], 1) * 2 + 1) / size - 1
        plane = fractions * math.tan(FOV / 2)
        plane[:, 2] = 1
        points = origin + depth[rows, columns][:, None] * (plane @ axes)
        # A pixel's depth is the mean of four samples, and the sphere is made of flat faces.
        inner = depth[rows, columns] < 3.4
        assert inner.sum() > 300
        np.testing.assert_allclose(np.linalg.norm(points[inner], axis=1), 1.0, atol=0.01)


def test_colours_do_not_bend_with_perspective() -> None:
    """A picture on a square that leans away must be seen as a camera would see it."""
    stripes = np.zeros((2, 64, 3), dtype=np.uint8)
    stripes[:, 32:] = 255
    leaning = np.array([[-0.8, -0.8, -0.8], [0.8, 0.8, -0.8], [0.8, 0.8, 0.8], [-0.8, -0.8, 0.8]])
    surface = surface_of(leaning, TWO, Picture(stripes, ""), corner_uvs=UVS)

    hits = visible(surface.corners, front_camera(), 0, 128)

    seen = surface.colors(hits.places)[:, 0]
    points = hits.places.at(surface.corners)
    clear = np.abs(points[:, 0]) > 0.03
    np.testing.assert_array_equal(seen[clear] > 0.5, points[clear, 0] > 0)
    # Places project back to the pixels that they were found by.
    across = points[:, 0] / (points[:, 1] + 4) / math.tan(FOV / 2)
    np.testing.assert_allclose((across + 1) * 64 - 0.5, hits.pixels % 128, atol=1e-3)


def test_drawing_in_portions_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = render_views(cube(), sphere_cameras(2), size=32)
    monkeypatch.setattr("maquette.core.assets_in.raster._PIXELS_AT_ONCE", 100)

    parts = render_views(cube(), sphere_cameras(2), size=32)

    assert parts.rgba.tobytes() == whole.rgba.tobytes()
    assert parts.depth.tobytes() == whole.depth.tobytes()


def test_a_camera_inside_is_refused() -> None:
    with pytest.raises(ValueError, match="inside"):
        render_views(cube(), front_camera(distance=0.5), size=8)


def test_closed_surfaces_are_told_from_open_ones() -> None:
    whole = cube()
    keep = np.arange(12) != 3
    hole = replace(
        whole,
        faces=whole.faces[keep],
        corner_normals=whole.corner_normals[keep],
        face_paints=whole.face_paints[keep],
    )
    turned = whole.faces.copy()
    turned[3] = turned[3, ::-1]

    assert is_closed(whole) and is_closed(sphere())
    assert not is_closed(hole)
    assert not is_closed(replace(whole, faces=turned))
    assert not is_closed(surface_of(SQUARE, TWO))
    assert signed_volume(whole) == pytest.approx(8)
    assert signed_volume(replace(whole, faces=whole.faces[:, ::-1])) == pytest.approx(-8)


def test_distances_are_asked_for_near_the_surface_and_anywhere() -> None:
    points = query_points(sphere(radius=0.5), 4000, 4000, seed=1)

    off = np.linalg.norm(points, axis=1) - 0.5
    near, uniform = off[:4000], points[4000:]
    # Half have a spread of 0.01 and half of 0.05 along the normal.
    assert near.std() == pytest.approx(math.sqrt((0.01**2 + 0.05**2) / 2), rel=0.06)
    assert np.abs(points).max() <= 1
    np.testing.assert_allclose(uniform.var(axis=0), 1 / 3, rtol=0.06)
