# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of shapes against closed forms and against plain sphere tracing of the whole field."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from maquette.training.shapes.builder import ShapeBuilder, Style
from maquette.training.shapes.field import ShapeBatch
from maquette.training.shapes.pieces import Shape, finished, settle
from maquette.training.shapes.raycast import Raycaster, Rays, local_bounds
from maquette.training.shapes.renders import (
    _shadow,
    add_backgrounds,
    render_shapes,
    render_views,
)
from maquette.training.shapes.scenes import scene_at
from maquette.training.shapes.views import Cameras, Lights, draw_cameras, draw_lights, look_at
from torch import Tensor

HALF = 0.85


def ball(color: tuple[float, float, float] = (0.8, 0.1, 0.1)) -> Shape:
    builder = ShapeBuilder(np.random.default_rng(0), Style(), {"main": color}, {"main": 0.0})
    builder.ball("main", (0, 0, 0), 0.5)
    return finished(settle(builder.pieces()), scene_at(0, 0).attributes)


def camera(azimuth: float, elevation: float, reach: float, fov: float) -> Cameras:
    one = torch.ones(1)
    return look_at(
        azimuth * one, elevation * one, reach * one, torch.zeros(1, 3), fov * one, 0 * one
    )


def even_light(key: float = 0.0, sky: float = 1.0) -> Lights:
    return Lights(
        directions=torch.tensor([[0.0, -1.0, 0.0]]),
        keys=torch.full((1, 3), key),
        skies=torch.full((1, 3), sky),
        shadows=torch.ones(1),
        shines=torch.zeros(1),
    )


def traced(batch: ShapeBatch, rays: Rays) -> Tensor:
    """Depths by sphere tracing of the union, inf where a ray gets away."""
    depth = torch.zeros(len(rays.origins))
    for _ in range(90):
        gap = -batch.signed_distance(rays.at(depth)[None])[0]
        depth = depth + gap
    return torch.where(depth < 6.0, depth, float("inf"))


def test_a_ball_covers_the_disc_that_its_tangents_bound() -> None:
    reach, fov, size = 4.0, 0.7, 64

    shown = render_views(
        ShapeBatch([ball()]), torch.zeros(1).long(), camera(0, 0, reach, fov), even_light(), size
    )

    tangent = HALF / math.sqrt(reach**2 - HALF**2)
    expected = math.pi * (tangent / math.tan(fov / 2)) ** 2 / 4
    assert float(shown.alpha.mean()) == pytest.approx(expected, rel=0.01)


def test_an_even_sky_shows_the_color_itself_at_the_side_of_a_ball() -> None:
    color = (0.8, 0.3, 0.1)
    # The sky's share is 0.7 + 0.3 z, which the strength makes up for at the equator.
    light = even_light(sky=1 / 0.7)

    shown = render_views(
        ShapeBatch([ball(color)]), torch.zeros(1).long(), camera(0, 0, 4.0, 0.7), light, 33
    )

    assert shown.rgb[0, 16, 16].tolist() == pytest.approx(color, abs=0.02)
    assert shown.rgb[0, 8, 16, 0] > shown.rgb[0, 24, 16, 0]


def test_first_hits_agree_with_sphere_tracing_of_the_whole_field() -> None:
    generator = torch.Generator().manual_seed(1)
    for index in range(6):
        batch = ShapeBatch([scene_at(31, index)])
        caster = Raycaster(batch)
        origins = torch.nn.functional.normalize(torch.randn(150, 3, generator=generator), dim=1)
        targets = 0.6 * (2 * torch.rand(150, 3, generator=generator) - 1)
        directions = torch.nn.functional.normalize(targets - 2.5 * origins, dim=1)
        rays = Rays(2.5 * origins, directions)
        members = caster.is_visible.nonzero()[:, 0]

        each = [caster.depths(member.expand(150), rays) for member in members]
        found = torch.stack(each).amin(dim=0)

        exact = traced(batch, rays)
        # Rays that graze an edge may end on either side of it.
        agree = (found.isinf() & exact.isinf()) | ((found - exact).abs() < 0.02)
        assert float(agree.float().mean()) > 0.97


def test_boxes_of_primitives_hold_their_surfaces() -> None:
    generator = torch.Generator().manual_seed(2)
    for index in range(4):
        batch = ShapeBatch([scene_at(32, index)])
        low, high = local_bounds(batch)
        caster = Raycaster(batch)
        points = 2 * torch.rand(4000, 3, generator=generator) - 1
        inside = batch._primitive_distances(points[None]) < 0
        for member in range(len(low)):
            local = caster.into_frame(torch.full((4000,), member), points)[inside[member]]
            assert ((low[member] - 1e-5 <= local) & (local <= high[member] + 1e-5)).all()


def test_the_lamp_lights_its_own_side_and_shadows_fall_behind() -> None:
    builder = ShapeBuilder(
        np.random.default_rng(0),
        Style(),
        {"main": (0.9, 0.9, 0.9)},
        {"main": 0.0},
    )
    builder.box("main", (0, 0, 0), (1.0, 1.0, 0.05), rounding=0.0)
    builder.box("main", (0, 0, 0.6), (0.3, 0.3, 0.1), rounding=0.0)
    shape = finished(settle(builder.pieces()), scene_at(0, 0).attributes)
    lamp = Lights(
        directions=torch.tensor([[0.0, 0.0, 1.0]]),
        keys=torch.full((1, 3), 0.6),
        skies=torch.full((1, 3), 0.2),
        shadows=torch.ones(1),
        shines=torch.zeros(1),
    )

    caster = Raycaster(ShapeBatch([shape]))
    spots = torch.tensor([[0.0, 0.0, -0.1], [0.7, 0.0, -0.1], [0.0, 0.0, 0.6]])
    hidden = _shadow(caster, torch.zeros(1).long(), lamp, torch.zeros(3).long(), spots)

    assert hidden.tolist() == pytest.approx([1.0, 0.0, 0.0], abs=1e-6)


def test_axes_are_right_down_and_forward_like_those_of_assets() -> None:
    cameras = draw_cameras(40, torch.Generator().manual_seed(3), "sphere")
    right, down, forward = cameras.axes.unbind(1)

    torch.testing.assert_close(torch.linalg.cross(right, down), forward, atol=1e-5, rtol=0)
    torch.testing.assert_close(cameras.axes.norm(dim=2), torch.ones(40, 3), atol=1e-5, rtol=0)
    assert float((cameras.origins.norm(dim=1)).min()) > 1.4
    assert float((down[:, 2] < 0.1).float().mean()) == 1.0


def test_ring_cameras_stand_evenly_at_one_height() -> None:
    cameras = draw_cameras(8, torch.Generator().manual_seed(4), "ring")
    looks = -cameras.axes[:, 2]

    assert float(looks[:, 2].std()) < 1e-5
    turns = torch.atan2(looks[:, 1], looks[:, 0]).sort().values.diff()
    torch.testing.assert_close(turns, torch.full((7,), math.pi / 4), atol=1e-4, rtol=0)


def test_pictures_repeat_for_a_seed_and_stay_in_range() -> None:
    shapes = [scene_at(33, index) for index in range(3)]

    one, other = (
        render_shapes(shapes, 24, generator=torch.Generator().manual_seed(5), per_shape=2)
        for _ in range(2)
    )

    assert torch.equal(one.rgb, other.rgb) and torch.equal(one.alpha, other.alpha)
    assert one.rgb.shape == (6, 24, 24, 3) and one.alpha.shape == (6, 24, 24)
    assert 0 <= float(one.rgb.min()) and float(one.rgb.max()) <= 1
    assert (one.alpha.flatten(1).amax(dim=1) == 1).all()
    whole = add_backgrounds(one, torch.Generator().manual_seed(6))
    assert 0 <= float(whole.min()) and float(whole.max()) <= 1
    solid = one.alpha == 1
    torch.testing.assert_close(whole[solid], one.rgb[solid], atol=1e-6, rtol=0)


def test_lights_come_from_above() -> None:
    generator = torch.Generator().manual_seed(7)

    lights = draw_lights(draw_cameras(200, generator), generator)

    assert float(lights.directions[:, 2].min()) > 0
    assert 0 <= float(lights.shadows.min()) and float(lights.shadows.max()) <= 0.9
