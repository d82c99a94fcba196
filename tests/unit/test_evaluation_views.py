# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures of ground truth, of surfaces and of volumes against what a ball must look like."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from maquette.core.asset import Cameras
from maquette.core.decoder.stf import Decoder
from maquette.core.specs import DECODERS
from maquette.evaluation import views
from maquette.evaluation.encoders import Encoded
from maquette.evaluation.tracing import over, trace_view, view_rays
from maquette.evaluation.views import (
    has_density,
    held_out_cameras,
    render_surface,
    score_views,
    view_psnr,
)
from maquette.training.shapes.attributes import ShapeAttributes
from maquette.training.shapes.builder import ShapeBuilder, Style
from maquette.training.shapes.field import ShapeBatch

pytestmark = pytest.mark.needs_torch

RED = (1.0, 0.0, 0.0)
RADIUS = 0.85


def ball() -> Any:
    builder = ShapeBuilder(np.random.default_rng(0), Style(), {"main": RED}, {"main": 0.0}, ())
    builder.ball("main", (0.0, 0.0, 0.0), 1.0)
    return builder.finish(ShapeAttributes(kind="snowman", main_colour="red"))


class BallDecoder:
    """A field that is a red ball whatever the latent."""

    spec = DECODERS["starter"]

    def __init__(self, radius: float) -> None:
        self.radius = radius

    def field(self, latent: torch.Tensor) -> BallDecoder:
        return self

    def signed_distance(self, points: torch.Tensor) -> torch.Tensor:
        return ((self.radius - points.norm(dim=1)) / 0.1).tanh()

    def color(self, points: torch.Tensor) -> torch.Tensor:
        return torch.tensor(RED).expand(len(points), 3)


def silhouette(size: int, radius: float, distance: float, fov: float) -> float:
    """Return the share of a picture that a centred ball covers."""
    edge = radius / math.sqrt(distance**2 - radius**2) / math.tan(fov / 2)
    return math.pi * edge**2 / 4


def test_a_traced_ball_is_a_disc_of_the_right_size() -> None:
    cameras = held_out_cameras(0, 0, 1)

    picture = trace_view(ShapeBatch([ball()]), cameras, 0, 48)

    distance = float(np.linalg.norm(cameras.origins[0]))
    expected = silhouette(48, RADIUS, distance, cameras.fov)
    assert float(picture[..., 3].mean()) == pytest.approx(expected, rel=0.01)
    np.testing.assert_allclose(picture[24, 24], [*RED, 1.0], atol=1e-6)
    np.testing.assert_allclose(picture[0, 0], 0.0)


def test_rays_run_through_the_centers_of_pixels() -> None:
    axes = np.array([[[1, 0, 0], [0, -1, 0], [0, 0, -1]]], dtype=np.float32)
    cameras = Cameras(np.array([[0, 0, 4]], dtype=np.float32), axes, math.pi / 2)

    origins, directions = view_rays(cameras, 0, 2)

    assert origins.tolist() == [[0, 0, 4]] * 4
    # tan(45 degrees) = 1, and the centers of two pixels lie halfway to either edge.
    first = torch.tensor([-0.5, 0.5, -1.0]) / math.sqrt(1.5)
    torch.testing.assert_close(directions[0], first)


def test_a_surface_is_seen_as_the_shape_itself() -> None:
    cameras = held_out_cameras(0, 1, 1)
    truth = over(trace_view(ShapeBatch([ball()]), cameras, 0, 48), 1.0)

    (seen,) = render_surface(BallDecoder(RADIUS), torch.zeros(1), cameras, 48)  # type: ignore[arg-type]

    assert view_psnr(truth, seen) > 30.0


def test_a_larger_field_seen_from_farther_fills_the_same_picture() -> None:
    doubled = Encoded(torch.zeros(1), 1.1)

    score = score_views(
        ball(),
        BallDecoder(1.1 * RADIUS),  # type: ignore[arg-type]
        doubled,
        seed=0,
        index=0,
        size=32,
    )

    assert score.stf_psnr_db > 28.0
    assert score.nerf_psnr_db is None


def test_an_empty_field_shows_the_ground_alone() -> None:
    cameras = held_out_cameras(0, 2, 1)

    (seen,) = render_surface(BallDecoder(-1.0), torch.zeros(1), cameras, 8)  # type: ignore[arg-type]

    assert (seen == 1.0).all()


def test_a_volume_of_fog_that_nothing_passes_is_seen_in_its_color(monkeypatch) -> None:
    class Fog:
        def __init__(self, mlp: object, weights: object) -> None:
            pass

        def evaluate(self, points, level, directions=None):
            inside = (points.norm(dim=1) < RADIUS).float()[:, None]
            return 1000.0 * inside, torch.tensor(RED).expand(len(points), 3)

    class Foggy:
        mlp = None

        def weights(self, latent: torch.Tensor) -> None:
            return None

    monkeypatch.setattr(views, "RadianceField", Fog)
    cameras = held_out_cameras(0, 3, 1)
    truth = over(trace_view(ShapeBatch([ball()]), cameras, 0, 16), 1.0)

    seen = views.render_volume(
        Foggy(),  # type: ignore[arg-type]
        torch.zeros(1),
        cameras,
        0,
        16,
        torch.Generator().manual_seed(0),
    )

    assert view_psnr(truth, seen) > 20.0
    np.testing.assert_allclose(seen[8, 8], RED, atol=0.02)


def test_a_published_field_is_seen_both_ways() -> None:
    torch.manual_seed(0)
    spec = replace(
        DECODERS["shap-e"],
        num_latents=16,
        channels=8,
        hidden_width=4,
        num_hidden=6,
        position_frequencies=1,
        direction_frequencies=0,
        direction_layer=-1,
    )
    decoder = Decoder(spec).eval()
    latent = Encoded(torch.zeros(spec.num_latents, spec.channels))

    score = score_views(ball(), decoder, latent, seed=0, index=0, size=8)

    assert 0.0 < score.stf_psnr_db < 60.0
    assert score.nerf_psnr_db is not None and 0.0 < score.nerf_psnr_db < 60.0


def test_psnr_of_pictures_has_a_closed_form_and_an_end() -> None:
    picture = np.full((4, 4, 3), 0.5, dtype=np.float32)

    assert view_psnr(picture, picture + np.float32(0.1)) == pytest.approx(20.0, abs=1e-3)
    assert view_psnr(picture, picture) == 100.0


def test_only_fields_with_a_density_are_nerfs() -> None:
    class Stub:
        spec = DECODERS["shap-e"]

    assert has_density(Stub())  # type: ignore[arg-type]
    Stub.spec = replace(DECODERS["starter"])
    assert not has_density(Stub())  # type: ignore[arg-type]
