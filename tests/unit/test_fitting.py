# SPDX-License-Identifier: GPL-3.0-or-later
"""Latents of meshes moved through a decoder of random weights, and packs that ask for it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from maquette.core import encode
from maquette.core.asset import Surface
from maquette.core.assets_in.known_distances import known_distances
from maquette.core.config import MeshInput, SamplerConfig
from maquette.core.decoder.stf import Decoder
from maquette.core.encoder.cloud import CloudEncoder
from maquette.core.errors import CancelledError, CheckpointError
from maquette.core.fitting import KnownPoints, fit_coefficients, fit_latents
from maquette.core.native_pack import NativePack
from maquette.core.pack import read_manifest
from maquette.core.prior.basis import LatentBasis
from maquette.core.sampling import sample_latents
from maquette.core.specs import DECODERS, CloudEncoderSpec, FitSpec
from maquette.tests.unit.surfaces import cube, sphere
from maquette.tests.unit.tiny_native_pack import FIT as SURFACE_FIT
from maquette.tests.unit.tiny_native_pack import write_tiny_pack
from maquette.training.initialise import initialise_decoder
from torch import Tensor

pytestmark = pytest.mark.needs_torch

SPEC = CloudEncoderSpec(
    num_latents=256, channels=32, width=16, num_layers=1, num_heads=2, num_tokens=4, num_points=64
)
FIT = FitSpec(
    num_steps=20,
    num_points=128,
    learning_rate=0.05,
    color_weight=16.0,
    rare_color_power=0.25,
    palette=((1.0, 0.0, 0.0), (0.0, 0.0, 1.0)),
    num_queries=128,
)
RADIUS = 0.6


@pytest.fixture(scope="module")
def decoder() -> Decoder:
    torch.manual_seed(1)
    decoder = Decoder(DECODERS["starter"])
    initialise_decoder(decoder)
    with torch.no_grad():
        decoder.mlp.output.weight.mul_(30)  # An untrained field is nearly flat.
    return decoder.requires_grad_(False)


@pytest.fixture(scope="module")
def known() -> tuple[KnownPoints, KnownPoints]:
    found = known_distances(sphere(24, RADIUS), seed=0)
    assert found is not None
    shown, around = (KnownPoints(*(torch.from_numpy(part)[None] for part in e)) for e in found)
    return shown, around


def asked() -> Tensor:
    """Return points that no fitting was told about."""
    return torch.rand(4000, 3, generator=torch.Generator().manual_seed(99)) * 2 - 1


def overlap(decoder: Decoder, latent: Tensor) -> float:
    """Return the IoU of a latent's inside and a sphere's."""
    points = asked()
    with torch.no_grad():
        shown = decoder.field(latent).signed_distance(points) > 0
    truth = points.norm(dim=1) < RADIUS
    return float((shown & truth).sum() / (shown | truth).sum())


def errors(decoder: Decoder, latent: Tensor) -> tuple[float, float]:
    """Return how wrong the distance and, at the surface of a red sphere, the color are."""
    points = asked()
    on_surface = torch.nn.functional.normalize(points, dim=1) * RADIUS
    true = ((RADIUS - points.norm(dim=1)) / 0.1).tanh()
    with torch.no_grad():
        field = decoder.field(latent)
        distance = (field.signed_distance(points) - true).abs().mean()
        color = (field.color(on_surface) - torch.tensor([1.0, 0.0, 0.0])).square().mean()
    return float(distance), float(color)


@torch.inference_mode()  # As those who sample call it.
def test_known_distances_tell_the_inside_at_points_never_asked(
    decoder: Decoder, known: tuple[KnownPoints, KnownPoints]
) -> None:
    start = torch.randn(256, 32, generator=torch.Generator().manual_seed(3))

    fit = replace(FIT, num_steps=40, learning_rate=0.15)
    fitted = fit_latents(decoder, start[None], *known, fit, torch.Generator().manual_seed(0))[0]

    before, after = errors(decoder, start), errors(decoder, fitted)
    assert after[0] < 0.8 * before[0] and after[1] < 0.3 * before[1]
    assert overlap(decoder, fitted) > overlap(decoder, start) + 0.2
    assert not fitted.requires_grad


def test_a_latent_is_fitted_alike_alone_and_in_a_batch(
    decoder: Decoder, known: tuple[KnownPoints, KnownPoints]
) -> None:
    start = torch.randn(2, 256, 32, generator=torch.Generator().manual_seed(3))
    few = replace(FIT, num_steps=4)

    def fit(latents: Tensor) -> Tensor:
        count = len(latents)
        each = [KnownPoints(*(part.expand(count, *part.shape[1:]) for part in k)) for k in known]
        return fit_latents(
            decoder, latents, each[0], each[1], few, torch.Generator().manual_seed(0)
        )

    # Adam's first steps have the size of its rate, however rounding turns a tiny gradient.
    apart = (fit(start)[:1] - fit(start[:1])).abs()
    assert float(apart.mean()) < 0.02 * float((fit(start) - start).abs().mean())


def opened(surface: Surface) -> Surface:
    """Return a surface without its last face."""
    return replace(
        surface,
        faces=surface.faces[:-1],
        corner_normals=surface.corner_normals[:-1],
        face_paints=surface.face_paints[:-1],
    )


@pytest.fixture(scope="module")
def encoder() -> CloudEncoder:
    torch.manual_seed(4)
    return CloudEncoder(SPEC).requires_grad_(False)


@pytest.fixture(scope="module")
def basis() -> LatentBasis:
    torch.manual_seed(5)
    basis = LatentBasis(256, 32, 16)
    basis.rows.copy_(torch.linalg.qr(torch.randn(256 * 32, 16)).Q.T)
    return basis


@pytest.fixture
def latent_of(encoder: CloudEncoder, basis: LatentBasis, decoder: Decoder) -> Callable[..., Tensor]:
    def latent_of(
        surface: Surface,
        fit: FitSpec | None,
        told: list[tuple[str, float]] | None = None,
        check: Callable[[], None] = lambda: None,
    ) -> Tensor:
        told = [] if told is None else told
        return encode.latent_by_points(
            MeshInput(surface=surface, source="Thing"),
            encoder,
            basis,
            decoder,
            fit,
            seed=7,
            report=lambda *each: told.append(each),
            check=check,
        )

    return latent_of


@pytest.mark.parametrize("num_queries", [0, 128])
def test_an_open_mesh_is_fitted_to_its_surface_in_the_basis(
    num_queries: int,
    latent_of: Callable[..., Tensor],
    encoder: CloudEncoder,
    basis: LatentBasis,
    decoder: Decoder,
) -> None:
    surface, fit = opened(cube()), replace(FIT, num_steps=3, num_queries=num_queries)
    cloud = encode.read_points(surface, SPEC, seed=7)
    points, colors = (torch.from_numpy(each)[None] for each in cloud)
    generator = torch.Generator().manual_seed(7)
    start = basis.project(encoder(points, colors))
    expected = fit_coefficients(decoder, basis, start, (points, colors), fit, generator)

    found = latent_of(surface, fit)

    assert torch.equal(found, basis.reconstruct(expected)[0])


def test_a_closed_mesh_leaves_the_basis_and_comes_closer(
    latent_of: Callable[..., Tensor], basis: LatentBasis, decoder: Decoder
) -> None:
    whole = sphere(16, 3.0)
    # In the field its longest side fills 0.85 of the box.
    small = replace(SPEC, half_extent=RADIUS).half_extent / SPEC.half_extent
    told: list[tuple[str, float]] = []

    read, fitted, again = latent_of(whole, None), latent_of(whole, FIT, told), latent_of(whole, FIT)

    assert torch.equal(fitted, again)
    in_basis = basis.reconstruct(basis.project(fitted[None]))[0]
    assert float((fitted - in_basis).norm()) > 0.5 * float((fitted - read).norm())
    truth = asked().norm(dim=1) * small < RADIUS

    def shown(latent: Tensor) -> Tensor:
        with torch.no_grad():
            return decoder.field(latent).signed_distance(asked()) > 0

    assert (shown(fitted) == truth).float().mean() > (shown(read) == truth).float().mean() + 0.1
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions) and 0.0 <= fractions[0] <= fractions[-1] <= 1.0
    assert [stage for stage, _ in told].count("Fitting the shape") == FIT.num_steps


def test_fitting_a_mesh_stops_when_asked(latent_of: Callable[..., Tensor]) -> None:
    calls: list[int] = []
    few = replace(FIT, num_steps=3)
    latent_of(cube(), few, check=lambda: calls.append(0))

    for stop_at in (1, len(calls) // 2, len(calls) - 1, len(calls)):
        left = [stop_at]

        def check(left: list[int] = left) -> None:
            left[0] -= 1
            if not left[0]:
                raise CancelledError

        with pytest.raises(CancelledError):
            latent_of(cube(), few, check=check)


def rewrite(folder: Path, **fit: object) -> None:
    path = folder / "pack.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["fit"] |= fit
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_pack_tells_how_many_points_of_known_distance_it_wants(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path, with_encoder=True)
    assert read_manifest(tmp_path).fit == SURFACE_FIT

    rewrite(tmp_path, num_queries=24)
    assert read_manifest(tmp_path).fit == replace(SURFACE_FIT, num_queries=24)

    rewrite(tmp_path, num_querys=24)
    with pytest.raises(CheckpointError, match="FitSpec does not know num_querys"):
        read_manifest(tmp_path)


def test_a_pack_without_the_number_reads_as_before(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path, with_encoder=True)
    path = tmp_path / "pack.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    del content["fit"]["num_queries"]
    path.write_text(json.dumps(content), encoding="utf-8")

    assert read_manifest(tmp_path).fit == SURFACE_FIT


def test_a_prior_goes_on_from_the_nearest_latent_that_it_can_make(tmp_path: Path) -> None:
    write_tiny_pack(tmp_path, with_encoder=True)
    rewrite(tmp_path, num_queries=24)
    pack = NativePack(tmp_path, torch.device("cpu"), torch.float32)
    basis = pack._prior.basis
    assert basis is not None
    mesh = MeshInput(surface=cube(), source="Cube")
    latent = pack.latent_of(mesh, seed=0, report=lambda *_: None, check=lambda: None)
    inside = basis.reconstruct(basis.project(latent[None]))[0]
    assert float((latent - inside).norm()) > 0.1

    @torch.inference_mode()
    def varied(earlier: Tensor) -> Tensor:
        return sample_latents(
            pack._prior,
            torch.zeros(1, 4, 8),
            SamplerConfig(num_steps=6, guidance_scale=1.0, sigma_min=0.1),
            [5],
            on_step=lambda done, total: None,
            earlier=earlier,
            strength=0.5,
        )

    found = varied(latent)

    torch.testing.assert_close(found, varied(inside), rtol=0, atol=1e-4)
    assert not torch.allclose(found, varied(-inside), atol=1e-2)
