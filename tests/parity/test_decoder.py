# SPDX-License-Identifier: GPL-3.0-or-later
"""The decoder, read from published layouts, against diffusers and OpenAI's recorded numbers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from diffusers.pipelines.shap_e.renderer import ShapERenderer
from maquette.core.checkpoint.decoder_keys import decoder_key_map
from maquette.core.checkpoint.loader import load_module
from maquette.core.checkpoint.pack_layout import read_layout
from maquette.core.decoder.encoding import encode_position
from maquette.core.decoder.nerf import (
    Level,
    RadianceField,
    RayConfig,
    camera_rays,
    intersect_box,
    pan_cameras,
    render_rays,
)
from maquette.core.decoder.stf import Decoder
from maquette.core.geometry.marching_cubes import marching_cubes
from maquette.core.specs import DECODERS, DecoderSpec
from maquette.tests.parity.reference_meshes import assert_same_mesh, fill_tables, grid_points
from maquette.tests.parity.reference_models import (
    TINY,
    TINY_OPENAI_DECODER,
    export,
    recorded,
    reference_renderer,
    write,
)
from torch import Tensor

RESOLUTION = 16
TOLERANCE = 1e-5
"""Relative to the largest value: weights, distances and colours are of order one."""


def load_decoder(path: Path, spec: DecoderSpec) -> Decoder:
    return load_module(lambda: Decoder(spec), path, partial(decoder_key_map, spec))


def assert_close(actual: Tensor, expected: Tensor) -> None:
    tolerance = TOLERANCE * max(1.0, expected.abs().max().item())
    torch.testing.assert_close(actual, expected, rtol=0, atol=tolerance)


def random_latent(spec: DecoderSpec) -> Tensor:
    generator = torch.Generator().manual_seed(6)
    return torch.rand(1, spec.num_latents, spec.channels, generator=generator) * 2 - 1


def random_points(count: int) -> tuple[Tensor, Tensor]:
    """Return points in the box and unit directions, [P, 3] each."""
    generator = torch.Generator().manual_seed(7)
    points = torch.rand(count, 3, generator=generator) * 2 - 1
    directions = torch.randn(count, 3, generator=generator)
    return points, directions / directions.norm(dim=1, keepdim=True)


@torch.inference_mode()
def assert_decoder_agrees(reference: ShapERenderer, ours: Decoder, num_points: int) -> None:
    latent = random_latent(ours.spec)
    points, _ = random_points(num_points)

    expected_weights = reference.params_proj(latent)
    weights = ours.weights(latent)
    for i, weight in enumerate(weights):
        assert_close(weight, expected_weights[f"nerstf.mlp.{i}.weight"])
        reference.mlp.mlp[i].weight.copy_(expected_weights[f"nerstf.mlp.{i}.weight"][0])
    query = partial(reference.mlp, position=points[None], direction=None, ts=None)
    stf = query(nerf_level="fine", rendering_mode="stf")
    field = ours.field(latent[0])
    assert_close(field.signed_distance(points), stf.signed_distance[0, :, 0])
    assert_close(field.color(points), stf.channels[0])
    radiance = RadianceField(ours.mlp, weights)
    for level in ("coarse", "fine"):
        nerf = query(nerf_level=level, rendering_mode="nerf")
        density, color = radiance.evaluate(points, level)
        assert_close(density, nerf.density[0])
        assert_close(color, nerf.channels[0])


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_decoder_of_a_hub_folder_equals_diffusers(tmp_path: Path, suffix: str) -> None:
    reference = reference_renderer(TINY.decoder, seed=1)
    export(reference, tmp_path / "shap_e_renderer", f"diffusion_pytorch_model.{suffix}")

    component = read_layout(tmp_path, TINY).decoder
    assert component is not None

    assert_decoder_agrees(reference, load_decoder(component.path, component.spec), 500)


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> tuple[ShapERenderer, Decoder]:
    """Return both decoders at the official size, with a surface in the middle of the field."""
    spec = DECODERS["shap-e"]
    reference = reference_renderer(spec, seed=2)
    fill_tables(reference.mesh_decoder)
    center_distance(reference, random_latent(spec), grid_points(RESOLUTION))
    folder = tmp_path_factory.mktemp("official")
    path = export(reference, folder, "diffusion_pytorch_model.safetensors")
    ours = load_decoder(path, spec)
    path.unlink()
    return reference, ours


@torch.inference_mode()
def center_distance(reference: ShapERenderer, latent: Tensor, points: Tensor) -> None:
    """Spread the random distance and shift it, so that half of the points are inside."""
    output = reference.mlp.mlp[-1]
    output.weight[0] *= 16
    for i, weight in enumerate(reference.params_proj(latent).values()):
        reference.mlp.mlp[i].weight.copy_(weight[0])
    out = reference.mlp(
        position=points[None], direction=None, ts=None, nerf_level="fine", rendering_mode="stf"
    )
    output.bias[0] -= out.signed_distance.atanh().quantile(0.5)


def test_decoder_of_official_size_equals_diffusers(
    official: tuple[ShapERenderer, Decoder],
) -> None:
    assert_decoder_agrees(*official, 2000)


@torch.inference_mode()
def test_mesh_of_official_size_equals_diffusers(official: tuple[ShapERenderer, Decoder]) -> None:
    reference, ours = official
    latent = random_latent(ours.spec)
    expected = reference.decode_to_mesh(latent, torch.device("cpu"), grid_size=RESOLUTION)
    field = ours.field(latent[0])

    values = field.signed_distance(grid_points(RESOLUTION))
    mesh = marching_cubes(values.view((RESOLUTION,) * 3), border="openai")

    # Nearer to zero than the rounding of either side, a node could change sides.
    assert values.abs().min() > 1e-6
    assert len(expected.faces) > 1000
    # Where the field is flat, its rounding moves a vertex further than itself.
    assert_same_mesh(mesh, expected, tolerance=1e-4)


@pytest.fixture
def openai_decoder(tmp_path: Path) -> Decoder:
    """Return the decoder of the recorded numbers, read as a transmitter."""
    state, _ = recorded("decoder_tiny")
    return load_decoder(write(state, tmp_path / "transmitter.pt"), TINY_OPENAI_DECODER)


@torch.inference_mode()
def test_generated_weights_equal_the_recorded_ones(openai_decoder: Decoder) -> None:
    _, data = recorded("decoder_tiny")
    latent = data["in.latent"].view(1, 64, 32)

    for i, weight in enumerate(openai_decoder.weights(latent)):
        assert_close(weight, data[f"out.params.nerstf.mlp.{i}.weight"])


@torch.inference_mode()
def test_signed_distance_and_colour_equal_the_recorded_ones(openai_decoder: Decoder) -> None:
    _, data = recorded("decoder_tiny")
    field = openai_decoder.field(data["in.latent"].view(64, 32))
    points = data["in.points"][0]

    assert_close(field.signed_distance(points), data["out.stf.signed_distance"][0, :, 0])
    assert_close(field.color(points), data["out.stf.channels"][0])


@pytest.mark.parametrize(
    ("record", "level", "has_directions"),
    [
        ("nerf_coarse", "coarse", False),
        ("nerf_fine", "fine", False),
        ("nerf_fine_dir", "fine", True),
    ],
)
@torch.inference_mode()
def test_density_and_colour_equal_the_recorded_ones(
    openai_decoder: Decoder, record: str, level: Level, has_directions: bool
) -> None:
    _, data = recorded("decoder_tiny")
    weights = openai_decoder.weights(data["in.latent"].view(1, 64, 32))
    directions = data["in.directions"][0] if has_directions else None

    density, color = RadianceField(openai_decoder.mlp, weights).evaluate(
        data["in.points"][0], level, directions
    )

    assert_close(density, data[f"out.{record}.density"][0])
    assert_close(color, data[f"out.{record}.channels"][0])


def test_positional_encodings_equal_the_recorded_ones() -> None:
    _, data = recorded("decoder_tiny")

    assert_close(encode_position(data["in.points"][0, :8], 15), data["out.posenc_pos_first8"][0])
    assert_close(encode_position(data["in.directions"][0, :8], 8), data["out.posenc_dir_first8"][0])


def recorded_draws(data: dict[str, Tensor]) -> Callable[[tuple[int, ...]], Tensor]:
    draws = iter([data["draw.0.rand_like"], data["draw.1.rand"], data["draw.2.rand"]])
    return lambda shape: next(draws).reshape(shape)


@pytest.mark.parametrize("uses_directions", [False, True])
@torch.inference_mode()
def test_rays_equal_the_recorded_ones(openai_decoder: Decoder, uses_directions: bool) -> None:
    _, data = recorded("nerf_rays_tiny")
    field = RadianceField(
        openai_decoder.mlp, openai_decoder.weights(data["in.latent"].view(1, 64, 32))
    )
    origins, directions = data["in.rays"][0].unbind(1)
    config = RayConfig(num_coarse=16, num_fine=24, uses_directions=uses_directions)

    coarse, fine = render_rays(field, origins, directions, config, recorded_draws(data))

    prefix = "out_with_direction" if uses_directions else "out"
    # OpenAI's code composites in levels of 0 to 255.
    assert_close(fine.color, data[f"{prefix}.channels"][0] / 255)
    assert_close(fine.transmittance, data[f"{prefix}.transmittance"][0])
    assert_close(fine.distance, data[f"{prefix}.distances"][0])
    if not uses_directions:
        assert_close(coarse.color, data["out.channels_coarse"][0] / 255)
        assert_close(coarse.transmittance, data["out.transmittance_coarse"][0])
        assert_close(coarse.distance, data["out.distances_coarse"][0])


def test_box_intersections_equal_the_recorded_ones() -> None:
    _, data = recorded("nerf_rays_tiny")
    origins, directions = data["in.rays"][0].unbind(1)

    segment = intersect_box(origins, directions)

    assert segment.hits.tolist() == data["out.intersected"][0].tolist()
    assert_close(segment.near, data["out.t0"][0])
    assert_close(segment.far, data["out.t1"][0])


def test_turntable_equals_the_recorded_one() -> None:
    _, data = recorded("nerf_rays_tiny")

    for actual, name in zip(pan_cameras(), ("origin", "x", "y", "z"), strict=True):
        assert_close(actual, data[f"cam.{name}"])


def test_camera_rays_run_through_the_corners_of_the_view() -> None:
    origins, x, y, z = (each[3] for each in pan_cameras())

    starts, directions = camera_rays(origins, (x, y, z), 8, fov=0.7)

    assert_close(starts, origins.expand(64, 3))
    corner = z + (-x - y) * torch.tan(torch.tensor(0.35))
    assert_close(directions[0], corner / corner.norm())
    assert_close(directions[7], (z + (x - y) * 0.36502850) / (z + (x - y) * 0.36502850).norm())
