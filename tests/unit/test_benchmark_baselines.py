# SPDX-License-Identifier: GPL-3.0-or-later
"""The usual ways that the benchmarks compare with compute the same as ours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from maquette.benchmarks.baselines.stock import (
    StockPrior,
    dense_chunk,
    dense_grid,
    stock_color,
    stock_distance,
)
from maquette.benchmarks.baselines.table_cubes import table_marching_cubes
from maquette.benchmarks.fields import fill_projection, read_field, read_tensors
from maquette.benchmarks.shapes import NAMES
from maquette.benchmarks.suites import iso
from maquette.benchmarks.suites.evaluation import Evaluations, kept, random_prior, table_of
from maquette.benchmarks.suites.field import missed_cells
from maquette.benchmarks.suites.sampler import AnalyticPrior
from maquette.benchmarks.timing import Timing
from maquette.core.config import SamplerConfig
from maquette.core.decoder.params_proj import RowProjection
from maquette.core.geometry.extract import evaluate_grid
from maquette.core.geometry.marching_cubes import marching_cubes
from maquette.core.specs import PRIORS
from maquette.tests.analytic_diffusion import relative_errors
from maquette.tests.analytic_fields import ball as ball_field
from maquette.tests.analytic_fields import squashed, union
from torch import Tensor

CPU = torch.device("cpu")
NAMED = ("fp32", "bf16", "stock fp32", "diffusers fp32", "diffusers bf16")


def points(count: int) -> Tensor:
    return torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", ["shap-e-text", "shap-e-image"])
@torch.inference_mode()
def test_stock_attention_predicts_what_the_prior_does(name: str) -> None:
    spec = replace(PRIORS[name], num_latents=48, channels=32, width=128, num_layers=3)
    prior = random_prior(spec)
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(2, 48, 32, generator=generator)
    condition = torch.randn(2, 5, spec.condition_width, generator=generator)
    timestep = torch.tensor([3, 700])

    stock, ours = (ask(x, timestep, condition) for ask in (StockPrior(prior), prior))

    assert float((stock - ours).norm() / ours.norm()) < 1e-4


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_the_stock_field_is_ours(name: str) -> None:
    field = read_field(name)

    distance, color = stock_distance(field)(points(500)), stock_color(field)(points(500))

    torch.testing.assert_close(distance, field.signed_distance(points(500)), rtol=0, atol=1e-5)
    torch.testing.assert_close(color, field.color(points(500)), rtol=0, atol=1e-5)


@torch.inference_mode()
def test_the_dense_grid_is_ours_node_by_node() -> None:
    field = read_field("torus")

    dense = dense_grid(field, 20)
    ours = evaluate_grid(field.signed_distance, 20, device=CPU, method="dense").values

    torch.testing.assert_close(dense, ours, rtol=0, atol=1e-5)
    torch.testing.assert_close(dense_chunk(field, 20, 4096), dense.flatten()[4096:8000])


@torch.no_grad()
def test_a_projection_makes_its_fitted_matrix_of_every_latent() -> None:
    tensors = read_tensors("chair")
    projection = RowProjection(256, 93, 8)
    generator = torch.Generator().manual_seed(0)

    fill_projection(projection.weight, projection.bias, projection.norm, tensors, 0, generator)

    matrix = projection(torch.randn(1, 256, 8))
    torch.testing.assert_close(matrix[0], tensors["generated.0"])
    assert float(projection.weight.std()) > 0.01


def grid_of(field: object, resolution: int) -> Tensor:
    axis = torch.linspace(-1, 1, resolution)
    nodes = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
    return field(nodes).view((resolution,) * 3)


def test_tables_over_all_cells_make_the_mesh_that_ours_makes() -> None:
    field = grid_of(squashed(union(ball_field(0.6), ball_field(0.3, (0.6, 0.3, 0.5)))), 23)

    theirs, ours = table_marching_cubes(field), marching_cubes(field, border="open")

    assert len(ours[1]) > 1000
    assert iso.is_same_mesh(ours, theirs)


def test_a_mesh_with_one_triangle_turned_around_is_another() -> None:
    vertices, faces = marching_cubes(grid_of(squashed(ball_field(0.6)), 9))
    turned = faces.clone()
    turned[7] = turned[7].flip(0)
    order = torch.from_numpy(np.random.default_rng(0).permutation(len(faces)))

    assert iso.is_same_mesh((vertices, faces), (vertices, faces[order].roll(1, dims=1)))
    assert not iso.is_same_mesh((vertices, faces), (vertices, turned))
    assert not iso.is_same_mesh((vertices, faces), (vertices + 1e-3, faces))
    assert not iso.is_same_mesh((vertices, faces), (vertices, faces[1:]))


def test_a_cell_that_came_out_empty_is_counted_as_missed() -> None:
    dense = torch.full((5, 5, 5), -0.5)
    dense[2, 2, 2] = 0.25
    filled = torch.full((5, 5, 5), -1.0)

    assert missed_cells(dense, dense) == 0
    assert missed_cells(filled, dense) == 8
    dense[2, 2, 2] = 1e-7
    assert missed_cells(filled, dense) == 0


def test_evaluations_are_counted_by_what_the_prior_is_asked() -> None:
    problem = AnalyticPrior(0.3, 6)

    latents = problem.sample(SamplerConfig(num_steps=3))

    assert latents.shape == (24, 16, 8)
    assert problem.sequences == 2 * 24 * 3


def test_a_reused_difference_counts_half_an_evaluation() -> None:
    problem = AnalyticPrior(0.3, 6)

    problem.sample(SamplerConfig(num_steps=4, delta_reuse=2))

    assert problem.sequences / 2 / 24 == 3.0


def test_the_converged_solution_does_not_move_with_more_steps() -> None:
    problem = AnalyticPrior(0.05, 1)
    noise = torch.randn(2, 16, 8, generator=torch.Generator().manual_seed(0))

    coarse, fine = (problem.converged(noise, steps) for steps in (150, 300))

    assert float(relative_errors(coarse, fine).max()) < 1e-3


def test_what_evaluations_cost_is_read_back_from_the_rows_of_a_run() -> None:
    timings = {name: Timing(float(i), 2.0 * i, 3, 0.5) for i, name in enumerate(NAMED, start=1)}
    found = Evaluations(timings, {"bf16": 0.012}, {"int8": "OpenVINO is not installed"}, 24)

    again = kept(table_of(found))

    assert again.timings == found.timings
    assert again.errors["bf16"] == 0.012
    assert again.missing == found.missing
    assert (again.num_layers, again.best) == (24, found.best)
