# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluation on the grid: exact nodes, and the sparse way against the dense one."""

from __future__ import annotations

import pytest
import torch
from maquette.core.errors import CancelledError, NonFiniteError
from maquette.core.geometry.extract import evaluate_grid
from maquette.core.geometry.grid import GridValues, Method, axis_coordinates
from maquette.core.geometry.sparse_grid import sparse_strides
from maquette.tests.analytic_fields import (
    CPU,
    Field,
    ball,
    block,
    lumpy,
    ring,
    rod,
    squashed,
    union,
)
from torch import Tensor


def evaluated(field: Field, resolution: int, method: Method) -> GridValues:
    return evaluate_grid(field, resolution, device=CPU, method=method)


def slats(resolution: int, width: float) -> Field:
    """Return rods and boards of a width in cells, straight, slanted and between the nodes."""
    half = width / (resolution - 1)
    rods = [
        rod((-0.8, -0.7 + 0.25 * k, -0.6 + 0.2 * k), (0.8, -0.7 + 0.3 * k, -0.6 + 0.2 * k), half)
        for k in range(4)
    ]
    straight = rod((0.013, -0.9, 0.511), (0.013, 0.9, 0.511), half)
    boards = [block((half, 0.3, 0.6), (0.1 + 0.131 * k, 0.4, 0.0)) for k in range(3)]
    return union(*rods, straight, *boards)


def assert_same_surface(sparse: GridValues, dense: GridValues) -> None:
    """Assert that all signs agree, and all values at the corners of mixed cells."""
    inside = dense.values > 0
    assert torch.equal(sparse.values > 0, inside)
    some = torch.nn.functional.max_pool3d(inside[None].float(), 2, stride=1)[0]
    every = -torch.nn.functional.max_pool3d(-inside[None].float(), 2, stride=1)[0]
    mixed = torch.nn.functional.pad((some != every).float()[None], (1,) * 6)
    near = torch.nn.functional.max_pool3d(mixed, 2, stride=1)[0] > 0
    assert near.any()
    assert torch.equal(sparse.values[near], dense.values[near])


def test_nodes_lie_where_shap_e_puts_them() -> None:
    # The coordinates of shap_e/models/volume.py, to the last bit.
    expected = torch.arange(128).float() / 127 * 2.0 + -1.0

    assert torch.equal(axis_coordinates(128, CPU), expected)


def test_dense_values_are_indexed_x_y_z() -> None:
    values = evaluated(lambda points: points @ torch.tensor([1.0, 10.0, 100.0]), 5, "dense").values

    axis = torch.linspace(-1, 1, 5)
    expected = axis[:, None, None] + 10 * axis[:, None] + 100 * axis
    assert torch.allclose(values, expected)


@pytest.mark.parametrize("resolution", [16, 24, 33, 64, 97, 100])
@pytest.mark.parametrize("steepness", [2.0, 8.0, 40.0])
def test_sparse_surface_equals_dense_at_any_resolution(resolution: int, steepness: float) -> None:
    field = squashed(lumpy(), steepness)

    sparse = evaluated(field, resolution, "sparse")

    assert_same_surface(sparse, evaluated(field, resolution, "dense"))


@pytest.mark.parametrize(
    ("resolution", "width"),
    [(64, 0.8), (64, 1.2), (64, 1.6), (64, 2.0), (97, 0.8), (97, 1.2), (97, 2.0), (128, 1.2)],
)
def test_sparse_keeps_parts_thinner_than_its_coarsest_cells(width: float, resolution: int) -> None:
    assert sparse_strides(resolution)[0] >= 4
    field = squashed(slats(resolution, width))

    sparse = evaluated(field, resolution, "sparse")

    assert not sparse.is_dense
    assert_same_surface(sparse, evaluated(field, resolution, "dense"))


@pytest.mark.parametrize(
    "field",
    [
        union(ball(0.3, (-0.5, 0.0, 0.0)), ball(0.08, (0.6, 0.1, 0.2))),
        ball(0.6, (0.7, 0.8, -0.9)),
        ring(0.6, 0.05),
        lambda points: points[:, 0] * 0 + 0.5,
    ],
    ids=["two objects", "leaves the box", "thin ring", "all inside"],
)
def test_sparse_surface_equals_dense(field: Field) -> None:
    sparse = evaluated(squashed(field), 64, "sparse")
    dense = evaluated(squashed(field), 64, "dense")

    assert torch.equal(sparse.values > 0, dense.values > 0)


def test_sparse_asks_a_small_share_of_the_nodes() -> None:
    sparse = evaluated(squashed(ball(0.5)), 128, "sparse")

    assert not sparse.is_dense
    assert sparse.num_queries < 0.08 * 128**3


def test_sparse_starts_again_where_a_part_is_steeper_than_it_first_saw() -> None:
    gentle, steep = ball(0.5, (-0.4, 0.0, 0.0)), rod((0.5, -0.8, 0.06), (0.5, 0.8, 0.06), 0.03)

    def field(points: Tensor) -> Tensor:
        return torch.tanh(torch.maximum(2 * gentle(points), 30 * steep(points)))

    assert_same_surface(evaluated(field, 97, "sparse"), evaluated(field, 97, "dense"))


def test_audit_finds_what_a_lying_field_hides_and_falls_back_to_dense() -> None:
    # Between the coarsest nodes the field jumps without warning: no bound on slopes holds.
    coarse = 2 * sparse_strides(64)[0] / 63

    def field(points: Tensor) -> Tensor:
        honest = torch.tanh(8 * ball(0.4)(points))
        offset = (points + 1) % coarse - coarse / 2
        hidden = (offset.norm(dim=1) < 0.4 * coarse) & (points[:, 0] > 0.7)
        return torch.where(hidden, 0.99, honest)

    result = evaluated(field, 64, "sparse")

    assert result.is_dense and result.num_queries == 64**3
    assert torch.equal(result.values, evaluated(field, 64, "dense").values)


def test_nothing_inside_is_only_believed_of_the_dense_grid() -> None:
    result = evaluated(lambda points: -0.9 + 0 * points[:, 0], 33, "sparse")

    assert result.is_dense and (result.values < 0).all()


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_progress_rises_to_one(method: Method) -> None:
    fractions: list[float] = []

    evaluate_grid(
        squashed(ball(0.5)),
        64,
        device=CPU,
        method=method,
        chunk_size=4096,
        on_progress=fractions.append,
    )

    assert fractions == sorted(fractions)
    assert len(fractions) > 5
    assert fractions[-1] == pytest.approx(1.0)


@pytest.mark.parametrize("method", ["sparse", "dense"])
def test_check_stops_between_chunks(method: Method) -> None:
    sizes: list[int] = []

    def field(points: Tensor) -> Tensor:
        sizes.append(len(points))
        return torch.tanh(ball(0.5)(points))

    def check() -> None:
        if len(sizes) == 3:
            raise CancelledError

    with pytest.raises(CancelledError):
        evaluate_grid(field, 64, device=CPU, method=method, chunk_size=1000, check=check)

    assert len(sizes) == 3 and max(sizes) <= 1000


@pytest.mark.parametrize("method", ["sparse", "dense"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_numbers_are_refused(method: Method, bad: float) -> None:
    def field(points: Tensor) -> Tensor:
        return torch.where(points[:, 0] > 0.3, bad, -0.5)

    with pytest.raises(NonFiniteError):
        evaluated(field, 33, method)


def test_half_precision_fields_are_taken() -> None:
    values = evaluated(lambda points: squashed(ball(0.5))(points).half(), 33, "sparse").values

    assert values.dtype == torch.float32
