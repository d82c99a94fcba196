# SPDX-License-Identifier: GPL-3.0-or-later
"""Rough answers save exact ones and change nothing: the mesh is that of the field itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from maquette.benchmarks.fields import read_field
from maquette.benchmarks.shapes import NAMES
from maquette.core.decoder.stf import SignedDistanceField
from maquette.core.geometry.extract import evaluate_grid, extract_mesh
from maquette.tests.analytic_fields import CPU, Field, ball, block, ring, rod, squashed, union
from torch import Tensor

pytestmark = pytest.mark.needs_torch

RESOLUTION = 64
CELL = 2 / (RESOLUTION - 1)

SHAPES: dict[str, Field] = {
    "sphere": ball(0.7),
    "ring": ring(0.6, 0.04),
    "slats": union(
        block((0.6, 0.5, 0.75 * CELL), (0.1, -0.1, 0.613)),
        rod((-0.83, -0.71, -0.67), (0.79, 0.83, -0.43), CELL),
    ),
    "two objects": union(ball(0.3, (-0.5, 0.0, 0.0)), ball(0.06, (0.7, 0.2, 0.3))),
    "leaves the box": ball(0.5, (0.8, 0.7, -0.9)),
}


def wobbled(field: Field, reach: float) -> Field:
    """Return a field whose atanh is wrong by up to `reach`, another way everywhere."""

    def draft(points: Tensor) -> Tensor:
        h = torch.atanh(field(points)).clamp(-8.0, 8.0)
        wave = torch.sin(points @ torch.tensor([1713.0, 2011.0, 3301.0]))
        return torch.tanh(h + reach * wave)

    return draft


class Counted:
    """A field that counts the points that it is asked about."""

    def __init__(self, field: Field) -> None:
        self._field, self.count = field, 0

    def __call__(self, points: Tensor) -> Tensor:
        self.count += len(points)
        return self._field(points)


def assert_same_mesh(field: Field, draft: Field) -> None:
    plain = extract_mesh(field, RESOLUTION, device=CPU)
    drafted = extract_mesh(field, RESOLUTION, device=CPU, draft=draft)

    # A product of matrices rounds a point differently beside other points.
    np.testing.assert_allclose(drafted[0], plain[0], rtol=0.0, atol=1e-6)
    assert np.array_equal(drafted[1], plain[1])


@pytest.mark.parametrize("reach", [0.0, 0.01, 0.1, 0.4])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_mesh_is_the_same_however_rough_the_drafts(shape: str, reach: float) -> None:
    field = squashed(SHAPES[shape])

    assert_same_mesh(field, wobbled(field, reach))


def wrong_in_a_corner(field: Field) -> Field:
    """Return drafts that are right at the coarsest nodes and far off around a place between."""

    def draft(points: Tensor) -> Tensor:
        near = (points - torch.tensor([0.71, 0.02, 0.03])).norm(dim=1) < 0.05
        return torch.where(near, -field(points).sign() * 0.9, field(points))

    return draft


USELESS: dict[str, Callable[[Field], Field]] = {
    "wrong in a corner": wrong_in_a_corner,
    "inside out": lambda field: lambda points: -field(points),
    "nothing at all": lambda field: lambda points: torch.zeros(len(points)),
    "all inside": lambda field: lambda points: torch.ones(len(points)),
}


@pytest.mark.parametrize("way", USELESS)
def test_drafts_that_are_wrong_are_found_out(way: str) -> None:
    field = squashed(ball(0.7))

    assert_same_mesh(field, USELESS[way](field))


@pytest.mark.parametrize("shape", ["sphere", "ring", "two objects"])
def test_few_nodes_are_asked_exactly(shape: str) -> None:
    plain, exact = Counted(squashed(SHAPES[shape])), Counted(squashed(SHAPES[shape]))
    resolution = 128

    alone = evaluate_grid(plain, resolution, device=CPU)
    drafted = evaluate_grid(exact, resolution, device=CPU, draft=wobbled(exact._field, 0.01))

    assert exact.count < 0.7 * plain.count
    assert drafted.num_queries < 1.6 * alone.num_queries
    assert torch.equal(drafted.values > 0, alone.values > 0)


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_drafts_in_bf16_give_the_surface_of_fitted_networks(name: str) -> None:
    exact = read_field(name)
    field = SignedDistanceField(exact.mlp, exact.weights, color_dtype=torch.bfloat16)
    assert exact.draft_distance is None and field.draft_distance is not None

    plain = evaluate_grid(exact.signed_distance, RESOLUTION, device=CPU)
    drafted = evaluate_grid(
        field.signed_distance, RESOLUTION, device=CPU, draft=field.draft_distance
    )

    # The same node asked beside others is summed in another order.
    clear = plain.values.abs() > 1e-5
    assert torch.equal((drafted.values > 0)[clear], (plain.values > 0)[clear])
    inside = plain.values > 0
    ends = torch.zeros_like(inside)
    ends[:-1] |= inside[:-1] != inside[1:]
    torch.testing.assert_close(drafted.values[ends], plain.values[ends], rtol=0.0, atol=1e-5)
