# SPDX-License-Identifier: GPL-3.0-or-later
"""Diffusers at the published size, without the published weights.

Not imported until it is asked for: a machine without diffusers still has the other baselines.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ...core.geometry.mc_tables import triangle_table
from ...core.specs import PriorSpec
from ..fields import fill_projection, read_tensors

if TYPE_CHECKING:
    from diffusers.pipelines.shap_e.renderer import MeshDecoder, ShapERenderer


def why_missing() -> str:
    """Return why there is no such baseline on this machine; empty where there is."""
    return "" if importlib.util.find_spec("diffusers") else "diffusers is not installed"


def guided_evaluation(spec: PriorSpec, dtype: torch.dtype) -> Callable[[], Tensor]:
    """Return one evaluation of diffusers' prior with both halves of the guidance."""
    from ...tests.parity.reference_models import reference_prior

    prior = reference_prior(spec, seed=0).to(dtype)
    x = torch.randn(2, spec.num_latents, spec.channels).to(dtype)
    condition = torch.randn(2, spec.condition_width).to(dtype)
    return lambda: prior(x, timestep=500, proj_embedding=condition).predicted_image_embedding


def renderer_of(name: str) -> ShapERenderer:
    """Return the renderer that makes a fitted field of every latent, as `fields.decoder_of`."""
    from diffusers.pipelines.shap_e.renderer import ShapERenderer

    tensors = read_tensors(name)
    renderer = ShapERenderer().requires_grad_(False).eval()
    layers = renderer.mlp.mlp
    first_shared = len(renderer.params_proj.projections)
    for number, layer in enumerate(layers):
        part = _bias_name(number, first_shared, len(layers))
        layer.bias.copy_(tensors[part])
        if number >= first_shared:
            layer.weight.copy_(tensors[part.removesuffix("bias") + "weight"])
    generator = torch.Generator().manual_seed(0)
    for number, projection in enumerate(renderer.params_proj.projections.values()):
        proj, norm = projection.proj, projection.norm
        fill_projection(proj.weight, proj.bias, norm, tensors, number, generator)
    fill_tables(renderer.mesh_decoder)
    return renderer


def fill_tables(decoder: MeshDecoder) -> MeshDecoder:
    """Give the decoder the tables that come with the weights; without them meshes are empty."""
    triangles, counts = triangle_table()
    decoder.cases.copy_(torch.from_numpy(triangles.copy()))
    decoder.masks.copy_(torch.arange(5) < torch.from_numpy(counts.copy())[:, None])
    return decoder


def _bias_name(number: int, first_shared: int, num_layers: int) -> str:
    if number < first_shared:
        return f"mlp.generated_biases.{number}"
    if number < num_layers - 1:
        return f"mlp.shared.{number - first_shared}.bias"
    return "mlp.output.bias"
