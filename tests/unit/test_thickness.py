# SPDX-License-Identifier: GPL-3.0-or-later
"""Wall thickness against shapes whose thickness is known."""

from __future__ import annotations

import numpy as np
import pytest
from maquette.core.errors import CancelledError
from maquette.core.geometry.rays import RayGrid, unit
from maquette.core.geometry.thickness import CONE_DEGREES, measure_thickness
from skimage.measure import marching_cubes


def surface_of(field, resolution=32, extent=1.2):
    """Return the surface of a field that is positive inside, in its own coordinates."""
    axis = np.linspace(-extent, extent, resolution)
    values = field(*np.meshgrid(axis, axis, axis, indexing="ij"))
    spacing = (axis[1] - axis[0],) * 3
    vertices, faces, _, _ = marching_cubes(
        values, 0.0, spacing=spacing, gradient_direction="ascent"
    )
    return vertices - extent, outward(vertices, faces)


def outward(vertices, faces):
    a, b, c = vertices[faces].transpose(1, 0, 2)
    return faces if np.einsum("fi,fi->", a, np.cross(b, c)) > 0 else faces[:, ::-1]


def box(size, middle=(0.0, 0.0, 0.0)):
    corners = np.array([[i & 1, i >> 1 & 1, i >> 2] for i in range(8)]) - 0.5
    quads = np.array(
        [[0, 4, 6, 2], [1, 3, 7, 5], [0, 1, 5, 4], [2, 6, 7, 3], [0, 2, 3, 1], [4, 5, 7, 6]]
    )
    faces = np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])
    return corners * size + middle, faces


def cone(half_angle, length=1.0, sides=48, rings=24):
    """A cone with its tip in the origin, opening upward."""
    turn = np.arange(sides) * (2 * np.pi / sides)
    heights = np.linspace(0, length, rings + 1)[1:]
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) * np.tan(half_angle)
    body = [np.column_stack([circle * h, np.full(sides, h)]) for h in heights]
    vertices = np.concatenate([[[0, 0, 0]], *body, [[0, 0, length]]])
    here, after = np.arange(sides), (np.arange(sides) + 1) % sides
    faces = [np.column_stack([np.zeros(sides, int), after + 1, here + 1])]
    for ring in range(rings - 1):
        low, high = 1 + ring * sides, 1 + (ring + 1) * sides
        faces.append(np.column_stack([low + here, low + after, high + after]))
        faces.append(np.column_stack([low + here, high + after, high + here]))
    last = 1 + (rings - 1) * sides
    faces.append(np.column_stack([np.full(sides, len(vertices) - 1), last + here, last + after]))
    faces = np.concatenate(faces)
    return vertices, outward(vertices, faces)


def test_a_ball_is_as_thick_as_it_is_wide_everywhere():
    vertices, faces = surface_of(lambda x, y, z: 1.0 - np.sqrt(x * x + y * y + z * z))

    found = measure_thickness(vertices, faces)

    # Flat faces lie inside the sphere and are off its normals by up to a quarter where they are
    # slivers, as a chord is shorter than the diameter by the cosine of that.
    assert found.of_samples.max() <= 2.0 + 1e-3
    assert found.of_samples.min() >= 2.0 * 0.97
    assert found.quantile(0.5) == pytest.approx(2.0, rel=0.01)


def test_a_slab_is_as_thick_as_it_is_whatever_the_triangles():
    # Two triangles a side, and many.
    coarse = measure_thickness(*box((3.0, 2.0, 0.1)))
    fine = measure_thickness(
        *surface_of(lambda x, y, z: np.minimum(np.minimum(1 - abs(x), 1 - abs(y)), 0.05 - abs(z)))
    )

    assert coarse.quantile(0.5) == pytest.approx(0.1, rel=1e-9)
    assert coarse.of_samples.min() == pytest.approx(0.1, rel=1e-9)
    # Its four sides are as thick as the slab is long or wide.
    share = (3 * 0.1 + 2 * 0.1) / (3 * 0.1 + 2 * 0.1 + 3 * 2)
    assert 1 - coarse.share_below(0.5) == pytest.approx(share, abs=0.002)
    assert fine.quantile(0.5) == pytest.approx(0.1, rel=1e-5)


def test_every_side_of_a_solid_cube_is_as_thick_as_the_cube():
    found = measure_thickness(*box((1.0, 1.0, 1.0)))

    # Near an edge as well, where the nearest surface is the side next to it.
    np.testing.assert_allclose(found.of_samples, 1.0, rtol=1e-9)


def test_the_walls_of_a_hollow_box_are_found_from_inside_and_outside():
    outer, faces = box((1.0, 1.0, 1.0))
    inner, _ = box((0.8, 0.8, 0.8))
    vertices = np.concatenate([outer, inner])

    found = measure_thickness(vertices, np.concatenate([faces, faces[:, ::-1] + 8]))

    from_inside = found.of_faces[12:]
    np.testing.assert_allclose(from_inside, 0.1, rtol=1e-9)
    # From outside the rims lie over no cavity: at most their share is thicker.
    assert found.of_samples.min() == pytest.approx(0.1, rel=1e-9)
    assert found.share_below(0.11) >= (0.8**2 + 0.8**2) / (1 + 0.8**2) - 0.01


def test_a_cone_is_between_its_ball_and_its_chord():
    half_angle = np.radians(15.0)
    vertices, faces = cone(half_angle)

    found = measure_thickness(vertices, faces)

    heights = vertices[faces][:, :, 2]
    is_side = (heights.max(axis=1) < 0.6) & (heights.min(axis=1) > 0.2)
    slant = np.linalg.norm(vertices[faces[is_side]], axis=2)
    measured = found.of_faces[is_side]
    assert np.degrees(half_angle) < CONE_DEGREES
    # Flat faces lie inside the round cone, and near their edges a little nearer to the others.
    assert (measured <= slant.max(axis=1) * np.tan(2 * half_angle)).all()
    assert (measured >= slant.min(axis=1) * 2 * np.tan(half_angle) * 0.95).all()


def test_beyond_the_limit_nothing_is_measured_and_below_it_nothing_changes():
    mesh = surface_of(lambda x, y, z: 0.1 - abs(np.sqrt(x * x + y * y + z * z) - 0.9))

    everything, limited = measure_thickness(*mesh), measure_thickness(*mesh, limit=0.3)

    assert np.isinf(measure_thickness(*mesh, limit=0.1).of_samples).all()
    is_near = everything.of_samples < 0.3
    np.testing.assert_array_equal(limited.of_samples[is_near], everything.of_samples[is_near])


def test_the_same_mesh_gives_the_same_numbers_and_its_size_scales_them():
    vertices, faces = surface_of(lambda x, y, z: 1.0 - np.sqrt(x * x + 4 * y * y + z * z))

    first, second = measure_thickness(vertices, faces), measure_thickness(vertices, faces)
    larger = measure_thickness(vertices * 8.0, faces)

    np.testing.assert_array_equal(first.of_samples, second.of_samples)
    np.testing.assert_allclose(larger.of_samples, 8.0 * first.of_samples, rtol=1e-6)


def test_samples_stand_for_the_whole_surface_and_every_face_has_a_value():
    vertices, faces = surface_of(lambda x, y, z: 1.0 - np.sqrt(x * x + y * y + z * z))

    found = measure_thickness(vertices, faces, num_samples=500)

    a, b, c = vertices[faces].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert found.weights.sum() == pytest.approx(area)
    assert len(found.of_samples) == 500 < len(faces)
    assert np.isfinite(found.of_faces).all()


def test_the_share_of_thin_walls_is_within_its_sampling_error():
    """A thick and a thin slab beside each other, of which the areas are known."""
    thick, faces = box((1.0, 1.0, 0.5))
    thin, _ = box((1.0, 1.0, 0.05), middle=(3.0, 0.0, 0.0))
    vertices, faces = np.concatenate([thick, thin]), np.concatenate([faces, faces + 8])

    found = measure_thickness(vertices, faces)

    expected = 2.0 / (2 + 4 * 0.5 + 2 + 4 * 0.05)
    assert found.share_below(0.1) == pytest.approx(expected, abs=0.01)


def test_looking_can_be_stopped():
    def check():
        raise CancelledError

    with pytest.raises(CancelledError):
        measure_thickness(*box((1.0, 1.0, 1.0)), check=check)


def test_rays_meet_what_all_triangles_tried_one_by_one_say():
    generator = np.random.default_rng(3)
    vertices, faces = surface_of(
        lambda x, y, z: 0.3 - abs(np.sqrt(x * x + y * y + z * z) - 0.7), resolution=16
    )
    origins = generator.uniform(-1, 1, (300, 3))
    directions = unit(generator.normal(size=(300, 3)))
    directions[:30] = np.eye(3)[generator.integers(3, size=30)]

    hits = RayGrid(vertices, faces).first_hits(
        origins, directions, np.full(300, 9.0), np.zeros(len(faces), int), np.full(300, -1)
    )

    a, b, c = vertices[faces].transpose(1, 0, 2)
    expected = np.full(300, np.inf)
    for number, (origin, direction) in enumerate(zip(origins, directions, strict=True)):
        # Cramer's rule on origin + t direction = a + u (b - a) + v (c - a).
        system = np.stack([np.broadcast_to(-direction, a.shape), b - a, c - a], axis=2)
        is_crossed = np.abs(np.linalg.det(system)) > 1e-12
        offset = (origin - a[is_crossed])[..., None]
        t, u, v = np.linalg.solve(system[is_crossed], offset)[..., 0].T
        met = t[(t >= 0) & (u >= 0) & (v >= 0) & (u + v <= 1)]
        expected[number] = met.min(initial=np.inf)
    np.testing.assert_allclose(hits.distance, expected, rtol=1e-9)
    assert np.isfinite(expected).sum() > 100
