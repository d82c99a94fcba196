# SPDX-License-Identifier: GPL-3.0-or-later
"""Distance and color as two networks: as one whose weights keep them apart."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch
from maquette.core.decoder.implicit_mlp import ImplicitMLP, SplitMLP
from maquette.core.decoder.stf import Decoder
from maquette.core.prior.gaussian import ConditionalGaussian
from maquette.core.specs import DECODERS, PRIORS, DecoderSpec, GaussianSpec, PaintSpec
from maquette.tests.unit.tiny_prior import tiny_basis
from maquette.training.config import TrainingConfig
from maquette.training.initialise import initialise_decoder
from maquette.training.stage1 import fit_basis
from torch import Tensor

SPEC = DecoderSpec(
    num_latents=20,
    channels=4,
    hidden_width=6,
    color_width=4,
    num_generated=2,
    num_hidden=3,
    position_frequencies=2,
)


def _decoder() -> Decoder:
    torch.manual_seed(0)
    decoder = Decoder(SPEC)
    initialise_decoder(decoder)
    return decoder


def _blocks(first: Tensor, second: Tensor) -> Tensor:
    return torch.block_diag(first, second)


@torch.no_grad()
def _as_one(decoder: Decoder, latent: Tensor) -> tuple[ImplicitMLP, list[Tensor]]:
    """Return one network of both widths in which neither half reads the other."""
    split = cast("SplitMLP", decoder.mlp)
    wide = ImplicitMLP(replace(SPEC, hidden_width=10, color_width=0))
    halves = split.distance, split.color
    for bias, *parts in zip(
        wide.generated_biases, *(each.generated_biases for each in halves), strict=True
    ):
        bias.copy_(torch.cat(parts))
    for layer, *parts in zip(
        [*wide.shared, wide.output], *([*each.shared, each.output] for each in halves), strict=True
    ):
        layer.weight.copy_(_blocks(*(part.weight for part in parts)))
        layer.bias.copy_(torch.cat([part.bias for part in parts]))
    entry, inner, color_entry, color_inner = (each[0] for each in decoder.weights(latent))
    matrices = [torch.cat([entry, color_entry]), _blocks(inner, color_inner)]
    return wide, [each[None] for each in matrices]


@torch.no_grad()
def test_two_networks_are_one_whose_halves_do_not_meet() -> None:
    decoder, latent = _decoder(), torch.randn(1, 20, 4)
    points = torch.rand(300, 3) * 2 - 1
    field = decoder.field(latent[0])

    wide, weights = _as_one(decoder, latent)

    raw = wide(points[None], weights)[0]
    torch.testing.assert_close(field.signed_distance(points), raw[:, 0].tanh())
    torch.testing.assert_close(field.color(points), raw[:, 1:].sigmoid())
    torch.testing.assert_close(decoder.mlp(points[None], decoder.weights(latent))[0], raw)


@torch.no_grad()
def test_either_is_evaluated_without_the_other() -> None:
    decoder, latent, points = _decoder(), torch.randn(20, 4), torch.rand(50, 3)
    distance = decoder.field(latent).signed_distance(points)
    color = decoder.field(latent).color(points)
    split = cast("SplitMLP", decoder.mlp)

    for name, network in (("color", split.color), ("distance", split.distance)):
        kept = [parameter.clone() for parameter in network.parameters()]
        for parameter in network.parameters():
            parameter.fill_(torch.nan)
        field = decoder.field(latent)
        if name == "color":
            assert torch.equal(field.signed_distance(points), distance)
        else:
            assert torch.equal(field.color(points), color)
        for parameter, before in zip(network.parameters(), kept, strict=True):
            parameter.copy_(before)


@torch.no_grad()
def test_the_last_latents_are_of_color_alone() -> None:
    decoder, latent, points = _decoder(), torch.randn(20, 4), torch.rand(50, 3)
    painted = latent.clone()
    painted[12:] = torch.randn(8, 4)
    one, other = decoder.field(latent), decoder.field(painted)

    assert torch.equal(one.signed_distance(points), other.signed_distance(points))
    assert float((one.color(points) - other.color(points)).abs().max()) > 1e-3


def test_paint_moves_colors_alone() -> None:
    torch.manual_seed(1)
    paint = PaintSpec(num_parts=2, num_colors=3, num_values=3, main_token=1, part_tokens=(1,))
    sizes = GaussianSpec(width=16, shape_tokens=(0,), paint=paint, num_groups=4, rank=2)
    module, basis = ConditionalGaussian(sizes, 2, 8, 8, num_shape=5), tiny_basis()
    with torch.no_grad():
        module.reader.main.weight.mul_(20)
    condition = torch.randn(6, 2, 8)
    repainted = condition.clone()
    repainted[:, 1] *= -1
    noisy, sigma = torch.randn(6, 8), torch.full((6,), 3.0)

    one, other = (module.denoise(noisy, sigma, each, basis) for each in (condition, repainted))

    assert torch.equal(one.clean[:, :5], other.clean[:, :5])
    assert float((one.clean[:, 5:] - other.clean[:, 5:]).abs().amax(1).min()) > 0


def test_a_basis_keeps_shape_and_paint_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = replace(
        PRIORS["starter"], num_latents=20, channels=4, basis_size=10, num_shape=6, num_tokens=2
    )
    monkeypatch.setitem(PRIORS, "tiny", prior)
    monkeypatch.setitem(DECODERS, "tiny", SPEC)
    generator = torch.Generator().manual_seed(3)
    # As strong as they are many: components fall off quickly, as those of latents do.
    scale = 0.6 ** torch.arange(80.0) * 5 + 1e-3
    mixed = torch.linalg.qr(torch.randn(80, 80, generator=generator)).Q
    latents = torch.randn(500, 80, generator=generator) * scale @ mixed
    config = cast("TrainingConfig", SimpleNamespace(architecture="tiny", seed=0))

    basis = fit_basis(config, latents, 450)

    assert not basis.rows[:6, 48:].any()
    assert not basis.rows[6:, :48].any()
    centered = (latents[:450] - latents[:450].mean(0)).double().numpy()
    for rows, columns in ((slice(0, 6), slice(0, 48)), (slice(6, 10), slice(48, 80))):
        singular = np.linalg.svd(centered[:, columns], compute_uv=False)
        expected = singular[: rows.stop - rows.start] / np.sqrt(449)
        np.testing.assert_allclose(basis.spread[rows].numpy(), expected, rtol=1e-3)
