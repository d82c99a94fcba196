# SPDX-License-Identifier: GPL-3.0-or-later
"""Latent to mesh against diffusers, step by step and as a whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.shap_e.renderer import MeshDecoder, ShapERenderer
from maquette.core.checkpoint.decoder_keys import decoder_key_map
from maquette.core.checkpoint.loader import load_module
from maquette.core.decoder.stf import Decoder
from maquette.core.geometry.extract import extract_mesh
from maquette.core.geometry.marching_cubes import marching_cubes
from maquette.tests.parity.reference_meshes import (
    assert_same_mesh,
    fill_tables,
    grid_points,
    sorted_faces,
)
from maquette.tests.parity.reference_models import TINY, export, reference_renderer
from torch import Tensor

RESOLUTION = 24


def smooth_field(kind: str) -> Tensor:
    """Return a field that is positive inside, [R, R, R]."""
    x, y, z = grid_points(32).view(32, 32, 32, 3).unbind(-1)
    if kind == "torus":
        return 0.25 - ((x.hypot(y) - 0.6) ** 2 + z**2).sqrt()
    # Leaves the box on all sides and has every kind of ambiguous cell.
    return (
        (4 * x).sin() * (5 * y).cos()
        + (5 * y).sin() * (6 * z).cos()
        + (6 * z).sin() * (4 * x).cos()
    )


@pytest.mark.parametrize("kind", ["torus", "waves"])
def test_marching_cubes_equals_diffusers(kind: str) -> None:
    field = smooth_field(kind)
    decoder = MeshDecoder()
    fill_tables(decoder)
    padded = torch.nn.functional.pad(field, (1,) * 6, value=-1.0)
    expected = decoder(padded, torch.full((3,), -1.0), torch.full((3,), 2.0))

    assert len(expected.faces) > 1000
    assert_same_mesh(marching_cubes(field, border="openai"), expected)


@pytest.fixture(scope="module")
def renderer() -> ShapERenderer:
    reference = reference_renderer(TINY.decoder, seed=3)
    fill_tables(reference.mesh_decoder)
    # A random field rarely crosses zero: spread its distance and shift it, so that it does.
    output = reference.mlp.mlp[-1]
    output.weight *= 16
    output.bias[0] -= 0.706
    return reference


@pytest.fixture(scope="module")
def decoder(renderer: ShapERenderer, tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    folder: Path = tmp_path_factory.mktemp("renderer")
    path = export(renderer, folder, "diffusion_pytorch_model.safetensors")
    key_map = partial(decoder_key_map, TINY.decoder)
    return load_module(lambda: Decoder(TINY.decoder), path, key_map)


def latent() -> Tensor:
    generator = torch.Generator().manual_seed(4)
    spec = TINY.decoder
    return torch.rand(1, spec.num_latents, spec.channels, generator=generator) * 2 - 1


@torch.inference_mode()
def test_latent_to_mesh_equals_diffusers(renderer: ShapERenderer, decoder: Decoder) -> None:
    expected = renderer.decode_to_mesh(latent(), torch.device("cpu"), grid_size=RESOLUTION)
    field = decoder.field(latent()[0])

    # Nearer to zero than the rounding of either side, a node could change sides.
    assert field.signed_distance(grid_points(RESOLUTION)).abs().min() > 1e-6
    vertices, faces = extract_mesh(
        field.signed_distance,
        RESOLUTION,
        device=torch.device("cpu"),
        method="dense",
        border="openai",
    )

    assert len(expected.faces) > 1000
    mesh = torch.from_numpy(vertices), torch.from_numpy(faces)
    # Where the field is flat, its rounding moves a vertex further than itself.
    assert_same_mesh(mesh, expected, tolerance=1e-4)


@torch.inference_mode()
def test_colours_of_the_mesh_equal_diffusers(renderer: ShapERenderer, decoder: Decoder) -> None:
    expected = renderer.decode_to_mesh(latent(), torch.device("cpu"), grid_size=RESOLUTION)

    srgb = decoder.field(latent()[0]).color(expected.verts)

    linear = torch.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    theirs = torch.stack([expected.vertex_channels[name] for name in "RGB"], dim=1)
    torch.testing.assert_close(theirs, linear, rtol=0, atol=2e-5)


@torch.inference_mode()
def test_without_the_published_shrink_vertices_keep_their_true_places(
    renderer: ShapERenderer, decoder: Decoder
) -> None:
    expected = renderer.decode_to_mesh(latent(), torch.device("cpu"), grid_size=RESOLUTION)
    values = decoder.field(latent()[0]).signed_distance(grid_points(RESOLUTION))

    vertices, faces = marching_cubes(values.view((RESOLUTION,) * 3))

    grown = expected.verts * (RESOLUTION + 1) / (RESOLUTION - 1)
    inner = (grown.abs() < 1).all(dim=1)
    assert inner.sum() > 1000
    torch.testing.assert_close(vertices[inner], grown[inner], rtol=0, atol=1e-4)
    # Only where the surface leaves the box do the two end differently, never in their faces.
    assert sorted_faces(faces) == sorted_faces(expected.faces)
