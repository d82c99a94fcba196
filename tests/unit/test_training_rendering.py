# SPDX-License-Identifier: GPL-3.0-or-later
"""The rendering and distillation objectives against closed forms."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from maquette.core.decoder.nerf import Level, RadianceField, RayConfig, render_rays
from maquette.core.decoder.stf import Decoder
from maquette.core.specs import DECODERS, DecoderSpec
from maquette.training.dataset import Queries
from maquette.training.distill import distill_loss
from maquette.training.initialise import initialise_decoder
from maquette.training.rendering import nerf_loss
from maquette.training.source import Rays, StfTargets
from maquette.training.stage1_config import DistillConfig, RayLossConfig
from torch import Tensor

pytestmark = pytest.mark.needs_torch

SPEC = DecoderSpec(
    num_latents=32,
    channels=8,
    hidden_width=16,
    num_generated=2,
    num_hidden=3,
    position_frequencies=4,
    heads=DECODERS["shap-e"].heads,
)
RED = torch.tensor([0.8, 0.2, 0.1])


class Ball(RadianceField):
    """Constant density and one colour inside a radius."""

    def __init__(self, radius: float, density: float) -> None:
        self.radius, self.density = radius, density

    def evaluate(
        self, points: Tensor, level: Level, directions: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        density = self.density * (points.norm(dim=1, keepdim=True) < self.radius).float()
        return density, RED.expand(len(points), 3)


def decoder() -> Decoder:
    torch.manual_seed(0)
    made = Decoder(SPEC)
    initialise_decoder(made)
    return made


def rays_along_y(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Return rays that pass the origin at these distances, [R, 3] each."""
    origins = torch.stack([offsets, torch.full_like(offsets, -4.0), 0 * offsets], dim=1)
    return origins, torch.tensor([0.0, 1.0, 0.0]).expand_as(origins)


@pytest.mark.parametrize("density", [0.3, 2.0, 50.0])
def test_a_slab_lets_through_what_beer_and_lambert_say(density: float) -> None:
    """A box full of fog: the way through it is 2, however it is sampled."""
    origins, directions = rays_along_y(torch.linspace(-0.9, 0.9, 7))
    generator = torch.Generator().manual_seed(1)
    config = RayConfig(num_coarse=5, num_fine=7)

    for level in render_rays(
        Ball(9.0, density),
        origins,
        directions,
        config,
        lambda shape: torch.rand(shape, generator=generator),
    ):
        known = torch.exp(torch.tensor(-2.0 * density)).expand(7, 1)
        torch.testing.assert_close(level.transmittance, known, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(level.color, (1 - known) * RED, rtol=1e-4, atol=1e-6)


def test_a_ball_lets_through_by_its_chords() -> None:
    """Means over jittered samples; the fine ones lie where the ball is and err less."""
    radius, density = 0.7, 3.0
    offsets = torch.linspace(0, 0.65, 8).repeat_interleave(400)
    origins, directions = rays_along_y(offsets)
    generator = torch.Generator().manual_seed(2)

    coarse, fine = render_rays(
        Ball(radius, density),
        origins,
        directions,
        RayConfig(num_coarse=32, num_fine=64),
        lambda shape: torch.rand(shape, generator=generator),
    )

    known = torch.exp(-density * 2 * (radius**2 - offsets**2).sqrt())
    errors = [(each.transmittance[:, 0] - known).abs().mean() for each in (coarse, fine)]
    mean = fine.transmittance.view(8, 400).mean(1)
    torch.testing.assert_close(mean, known.view(8, 400)[:, 0], rtol=0, atol=0.01)
    assert errors[1] < errors[0]


def _rays(num_shapes: int, num_rays: int) -> Rays:
    generator = torch.Generator().manual_seed(3)
    ends = torch.rand(num_shapes, num_rays, 3, generator=generator) - 0.5
    origins = 4 * torch.nn.functional.normalize(ends - 0.1, dim=-1)
    directions = torch.nn.functional.normalize(ends - origins, dim=-1)
    color = torch.rand(num_shapes, num_rays, 3, generator=generator)
    return Rays(origins, directions, color, color[..., :1])


def test_a_field_without_density_costs_what_it_misses() -> None:
    """Nothing is seen: colour is all wrong, and so is what should be opaque."""
    empty = decoder()
    torch.nn.init.zeros_(empty.mlp.output.weight)
    torch.nn.init.constant_(empty.mlp.output.bias, -1.0)
    rays = _rays(2, 10)
    config = RayLossConfig(num_rays=10, num_views=1, num_coarse=4, num_fine=4)

    losses = nerf_loss(empty, empty.weights(torch.randn(2, 32, 8)), rays, config, torch.rand)

    torch.testing.assert_close(losses["nerf_color"], 2 * rays.color.mean())
    torch.testing.assert_close(losses["nerf_transmittance"], 2 * (1 - rays.transmittance).mean())


def test_portions_and_single_shapes_cost_as_the_whole() -> None:
    made, rays = decoder(), _rays(3, 12)
    torch.nn.init.constant_(made.mlp.output.bias, 1.0)
    latent = torch.randn(3, 32, 8, generator=torch.Generator().manual_seed(4))
    config = RayLossConfig(num_rays=12, num_views=1, num_coarse=6, num_fine=6)

    num_drawn = []

    def cost(rows: slice, rays_at_once: int) -> tuple[Tensor, Tensor]:
        made.zero_grad()
        num_drawn.append(0)
        part = Rays(*(each[rows] for each in rays))
        settings = replace(config, rays_at_once=rays_at_once)

        def middle(shape: tuple[int, ...]) -> Tensor:
            num_drawn[-1] += 1
            return torch.full(shape, 0.5)

        losses = nerf_loss(made, made.weights(latent[rows]), part, settings, middle)
        total = losses["nerf_color"] + losses["nerf_transmittance"]
        total.backward()
        assert made.mlp.output.weight.grad is not None
        return total.detach(), made.mlp.output.weight.grad.clone()

    whole, in_portions = cost(slice(0, 3), 0), cost(slice(0, 3), 5)
    alone = [cost(slice(i, i + 1), 0) for i in range(3)]

    torch.testing.assert_close(in_portions, whole)
    # The second computation, for the gradients, draws nothing anew.
    assert num_drawn[:2] == [3, 9]
    torch.testing.assert_close(sum(each[0] for each in alone) / 3, whole[0])


def _constant_field(distance: float) -> Decoder:
    made = decoder()
    torch.nn.init.zeros_(made.mlp.output.weight)
    torch.nn.init.zeros_(made.mlp.output.bias)
    torch.nn.init.constant_(made.mlp.output.bias[:1], distance)
    return made


def test_the_distillation_by_hand() -> None:
    made = _constant_field(0.5)
    queries = Queries(
        torch.zeros(1, 2, 3), torch.tensor([[0.05, -0.3]]), torch.tensor([[[1.0] * 3, [0.5] * 3]])
    )
    targets = StfTargets(queries, torch.tensor([True]))
    config = DistillConfig(num_points=2, distance_scale=0.1, color_distance=0.1)

    losses = distill_loss(made, made.weights(torch.zeros(1, 32, 8)), targets, config)

    said = torch.tanh(torch.tensor(0.5))
    known = torch.tanh(torch.tensor([0.5, -3.0]))
    torch.testing.assert_close(losses["stf_distance"], (said - known).abs().mean())
    torch.testing.assert_close(losses["stf_color"], torch.tensor(0.5))


@pytest.mark.parametrize("is_dense", [True, False])
def test_density_signs_what_is_not_known(is_dense: bool) -> None:
    """The first shape's distance is known to be negative, the second's only as far as it goes."""
    made = _constant_field(0.0)
    torch.nn.init.constant_(made.mlp.output.bias[2:3], 20.0 if is_dense else 5.0)
    queries = Queries(torch.zeros(2, 1, 3), torch.tensor([[-0.1], [-0.1]]), torch.zeros(2, 1, 3))
    targets = StfTargets(queries, torch.tensor([True, False]))
    config = DistillConfig(num_points=1, sign="density", inside_density=10.0)
    made.mlp.output.bias.data[0] = -1.0

    losses = distill_loss(made, made.weights(torch.zeros(2, 32, 8)), targets, config)

    known, guessed = -1.0, 1.0 if is_dense else -1.0
    errors = [torch.tensor(-1.0).tanh() - torch.tensor(each).tanh() for each in (known, guessed)]
    torch.testing.assert_close(losses["stf_distance"], torch.stack(errors).abs().mean())
