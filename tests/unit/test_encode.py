# SPDX-License-Identifier: GPL-3.0-or-later
"""From a surface to a latent and on to a mesh, with small random networks of the published kind."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.asset import Asset, Surface
from maquette.core.assets_in.paint import Flat
from maquette.core.checkpoint.encoder_keys import encoder_key_map
from maquette.core.checkpoint.pack_layout import PublishedSpecs, read_layout
from maquette.core.config import GenerationRequest, MeshInput
from maquette.core.decoder.stf import Decoder
from maquette.core.encode import encode, load_encoder, measure, view_tensors
from maquette.core.encoder.bottleneck import training_timesteps
from maquette.core.encoder.perceiver import AssetEncoder
from maquette.core.errors import CancelledError, NonFiniteError, PackError
from maquette.core.meshing import mesh_from_field
from maquette.core.published_pack import PublishedPack
from maquette.core.specs import DECODERS, EncoderSpec
from maquette.tests.unit.surfaces import cube

pytestmark = pytest.mark.needs_torch

SPEC = EncoderSpec(
    num_latents=64,
    channels=32,
    width=32,
    num_layers=3,
    num_heads=4,
    num_points=128,
    num_views=2,
    image_size=16,
    num_centers=16,
    num_neighbors=16,
    conv_widths=(32, 32),
)
PUBLISHED = PublishedSpecs(
    encoder=SPEC, decoder=replace(DECODERS["shap-e"], num_latents=64, channels=32, hidden_width=16)
)


@pytest.fixture(scope="module")
def encoder() -> AssetEncoder:
    torch.manual_seed(0)
    model = AssetEncoder(SPEC)
    torch.nn.init.normal_(model.output_tokens)
    return model.requires_grad_(False).eval()


@pytest.fixture(scope="module")
def asset() -> Asset:
    return measure(moved(cube(Flat((0.8, 0.1, 0.1)))), SPEC)


def moved(surface: Surface) -> Surface:
    return replace(surface, vertices=surface.vertices * np.float32(7) + np.float32(30))


def published_names(encoder: AssetEncoder) -> dict[str, torch.Tensor]:
    """Return the encoder's tensors as OpenAI's file names and arranges them."""
    state, heads = encoder.state_dict(), SPEC.num_heads
    key_map = encoder_key_map(SPEC, ["encoder.x"])
    assert key_map.entries is not None
    named: dict[str, torch.Tensor] = {}
    for ours, entry in key_map.entries.items():
        named.setdefault(entry.sources[0], state[ours])
        if ".attn.q." in ours and "resblocks" in entry.sources[0] and "c_qkv" in entry.sources[0]:
            q, kv = state[ours], state[ours.replace(".q.", ".kv.")]
            parts = [part.unflatten(0, (heads, -1)) for part in (q, *kv.chunk(2))]
            named[entry.sources[0]] = torch.stack(parts, dim=1).flatten(0, 2)
        elif ".attn.kv." in ours and "c_kv" in entry.sources[0]:
            parts = [part.unflatten(0, (heads, -1)) for part in state[ours].chunk(2)]
            named[entry.sources[0]] = torch.stack(parts, dim=1).flatten(0, 2)
    return named


def test_an_asset_has_what_the_encoder_reads(asset: Asset) -> None:
    assert asset.cloud.rows.shape == (128, 6)
    assert asset.views.rgba.shape == (2, 16, 16, 4)
    # Wherever it stood and however large it was, it fills the box.
    assert np.abs(asset.cloud.points).max() == 1.0


def test_encoding_is_repeated_by_its_seed(encoder: AssetEncoder, asset: Asset) -> None:
    first, again, other = (encode(asset, encoder, seed=seed) for seed in (1, 1, 2))

    assert first.shape == (64, 32) and first.dtype == torch.float32
    assert first.abs().max() < 1
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_another_colour_is_another_latent(encoder: AssetEncoder, asset: Asset) -> None:
    blue = measure(moved(cube(Flat((0.1, 0.1, 0.8)))), SPEC)

    assert not torch.allclose(encode(blue, encoder), encode(asset, encoder), atol=1e-4)


def test_a_pack_with_the_transmitter_encodes(
    encoder: AssetEncoder, asset: Asset, tmp_path: Path
) -> None:
    torch.save(published_names(encoder), tmp_path / "transmitter.pt")

    loaded = load_encoder(tmp_path, published=PUBLISHED)

    assert torch.equal(encode(asset, loaded), encode(asset, encoder))


def test_a_published_pack_reads_a_mesh_and_keeps_no_encoder(
    encoder: AssetEncoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(published_names(encoder), tmp_path / "transmitter.pt")
    pack = PublishedPack(tmp_path, torch.device("cpu"), torch.float32, PUBLISHED)
    monkeypatch.setattr(pack, "load_decoder", lambda check: None)  # The file has none.
    surface = moved(cube())
    told: list[tuple[str, float]] = []

    latent = pack.latent_of(
        MeshInput(surface=surface, source="Cube"),
        seed=3,
        report=lambda *progress: told.append(progress),
        check=lambda: None,
    )

    assert torch.equal(latent, encode(measure(surface, SPEC, seed=3), encoder, seed=3))
    fractions = [fraction for _, fraction in told]
    assert fractions == sorted(fractions) and 0.0 <= fractions[0] <= fractions[-1] <= 1.0
    assert dict(told).keys() == {"Measuring the mesh", "Reading the mesh"}
    assert not any(isinstance(each, AssetEncoder) for each in vars(pack).values())


def test_a_pack_without_the_transmitter_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "shap_e_renderer"
    folder.mkdir()
    (folder / "diffusion_pytorch_model.bin").write_bytes(b"")

    assert read_layout(tmp_path).encoder is None
    with pytest.raises(PackError, match=r"no encoder of meshes: import OpenAI's transmitter\.pt"):
        load_encoder(tmp_path)


def test_a_latent_becomes_a_mesh(encoder: AssetEncoder, asset: Asset) -> None:
    torch.manual_seed(1)
    decoder = Decoder(PUBLISHED.decoder).requires_grad_(False)
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    field = decoder.field(encode(asset, encoder))

    finished = mesh_from_field(
        field,
        GenerationRequest(prompt="a cube", resolution=32, texture_size=0),
        min_component_share=0.0,
        device=torch.device("cpu"),
        stage=lambda name: nullcontext(),
        check=lambda: None,
        report=lambda stage, fraction: None,
    )

    assert len(finished.mesh.faces) > 100


def test_encoding_stops_when_asked(encoder: AssetEncoder, asset: Asset) -> None:
    counts: list[int] = []
    encode(asset, encoder, check=lambda: counts.append(0))
    whole = len(counts)
    # The convolutions, both readings of data and every block look.
    assert whole > 8

    for stop_at in range(1, whole + 1):
        calls = iter(range(1, whole + 1))

        def check(stop_at: int = stop_at, calls: Callable[[], int] = calls.__next__) -> None:
            if calls() == stop_at:
                raise CancelledError

        with pytest.raises(CancelledError):
            encode(asset, encoder, check=check)


def test_an_asset_of_another_size_is_refused(encoder: AssetEncoder) -> None:
    small = measure(cube(), replace(SPEC, num_points=100))

    with pytest.raises(ValueError, match="expected"):
        encode(small, encoder)


def test_what_is_no_number_is_no_latent(asset: Asset) -> None:
    broken = AssetEncoder(SPEC)
    torch.nn.init.constant_(broken.latent_out.bias, float("nan"))

    with pytest.raises(NonFiniteError):
        encode(asset, broken)


def test_half_covered_pixels_lie_over_black(asset: Asset) -> None:
    views = asset.views
    rgba = views.rgba.copy()
    rgba[0, 0, 0] = (200, 100, 0, 128)

    tensors = view_tensors(replace(views, rgba=rgba))

    expected = torch.tensor([200 * 128 / 255, 100 * 128 / 255, 0]).round() / 255
    assert torch.allclose(tensors.rgba[0, 0, 0, :3], expected)


def test_a_tenth_of_training_is_noisy() -> None:
    timesteps = training_timesteps(20_000, torch.Generator().manual_seed(0), SPEC)

    noisy = timesteps[timesteps > 0]
    assert len(noisy) / len(timesteps) == pytest.approx(0.1, abs=0.01)
    assert noisy.float().mean() == pytest.approx(511.5, rel=0.05)
