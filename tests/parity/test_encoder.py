# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder of meshes, read from OpenAI's layout, against the recorded numbers of its code."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from maquette.core.checkpoint.decoder_keys import decoder_key_map
from maquette.core.checkpoint.encoder_keys import encoder_key_map
from maquette.core.checkpoint.loader import load_module
from maquette.core.decoder.stf import Decoder
from maquette.core.encoder.bottleneck import alphas_cumprod, clamp_latent, noise_latent
from maquette.core.encoder.neighborhoods import ball_members
from maquette.core.encoder.patches import ViewTensors
from maquette.core.encoder.perceiver import AssetEncoder
from maquette.core.errors import CheckpointError
from maquette.core.specs import ENCODERS, EncoderSpec
from maquette.tests.parity.reference_models import (
    TINY_OPENAI_DECODER,
    TINY_OPENAI_ENCODER,
    recorded,
    write,
)
from torch import Tensor

TOLERANCE = 1e-5
"""Absolute, for outputs of order one."""


def load_encoder(path: Path, spec: EncoderSpec = TINY_OPENAI_ENCODER) -> AssetEncoder:
    return load_module(lambda: AssetEncoder(spec), path, partial(encoder_key_map, spec))


def transmitter() -> dict[str, Tensor]:
    """Return the recorded encoder beside a decoder, as `transmitter.pt` holds both."""
    state, _ = recorded("encoder_tiny")
    decoder, _ = recorded("decoder_tiny")
    return decoder | state


@pytest.fixture
def encoder(tmp_path: Path) -> AssetEncoder:
    return load_encoder(write(transmitter(), tmp_path / "transmitter.pt"))


@pytest.fixture(scope="module")
def record() -> dict[str, Tensor]:
    return recorded("encoder_tiny")[1]


def views_of(record: dict[str, Tensor]) -> ViewTensors:
    rgba = torch.cat([record["in.views"], record["in.alphas"][..., None]], dim=-1)
    return ViewTensors(
        rgba=rgba.float() / 255,
        depth=record["in.depths"],
        origins=record["in.cam_origin"],
        axes=torch.stack([record[f"in.cam_{axis}"] for axis in "xyz"], dim=1),
        fov=0.7,
    )


def recorded_draws(record: dict[str, Tensor]) -> Callable[[tuple[int, ...]], Tensor]:
    draws = iter([record["draw.0.rand"], record["draw.1.rand"]])

    def draw(shape: tuple[int, ...]) -> Tensor:
        drawn = next(draws)
        assert drawn.shape == shape
        return drawn

    return draw


def assert_close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, rtol=0, atol=TOLERANCE)


@torch.inference_mode()
def test_tokens_of_views_equal_the_recorded_ones(
    encoder: AssetEncoder, record: dict[str, Tensor]
) -> None:
    assert_close(encoder.views_in(views_of(record)), record["mid.multiview_tokens"][0])


@torch.inference_mode()
def test_latent_equals_the_recorded_one(encoder: AssetEncoder, record: dict[str, Tensor]) -> None:
    points, views = record["in.points"][0].T, views_of(record)

    vectors = encoder.vectors(points, views, recorded_draws(record))
    latent = encoder(points, views, recorded_draws(record))

    assert_close(vectors.flatten(), record["out.vector_pre_tanh"][0])
    assert_close(latent.flatten(), record["out.latent"][0])


@torch.inference_mode()
def test_order_of_other_points_and_of_views_does_not_matter(
    encoder: AssetEncoder, record: dict[str, Tensor]
) -> None:
    """OpenAI's code shuffles what it attends to, which the recorded draws 2 and 3 did."""
    views, order = views_of(record), record["draw.3.randperm"]
    shuffled = ViewTensors(
        rgba=views.rgba[order],
        depth=views.depth[order],
        origins=views.origins[order],
        axes=views.axes[order],
        fov=views.fov,
    )

    latent = encoder(record["in.points"][0].T, shuffled, recorded_draws(record))

    assert_close(latent.flatten(), record["out.latent"][0])


@torch.inference_mode()
def test_shuffles_are_part_of_the_result(encoder: AssetEncoder, record: dict[str, Tensor]) -> None:
    other = torch.Generator().manual_seed(0)

    latent = encoder(
        record["in.points"][0].T,
        views_of(record),
        lambda shape: torch.rand(shape, generator=other),
    )

    difference = (latent.flatten() - record["out.latent"][0]).norm()
    assert 1e-4 < difference / record["out.latent"].norm() < 0.5


@torch.inference_mode()
def test_how_the_work_is_cut_does_not_matter(
    encoder: AssetEncoder, record: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("maquette.core.encoder.patches._ROWS_AT_ONCE", 8)
    monkeypatch.setattr("maquette.core.encoder.neighborhoods._CENTERS_AT_ONCE", 5)
    monkeypatch.setattr("maquette.core.encoder.blocks._ROWS_AT_ONCE", 20)

    latent = encoder(record["in.points"][0].T, views_of(record), recorded_draws(record))

    assert_close(latent.flatten(), record["out.latent"][0])


def test_noise_follows_the_inverted_parabola() -> None:
    """alpha_bar(t) = 1 - t^5 telescopes to the share at each of 1,024 steps but the clamped one."""
    spec = ENCODERS["shap-e"]
    shares = alphas_cumprod(spec)

    steps = torch.arange(1, 1024, dtype=torch.float64) / 1024
    torch.testing.assert_close(shares[:-1], 1 - steps**5, rtol=1e-9, atol=0)
    # The last beta would be one and is kept at 0.999.
    torch.testing.assert_close(shares[-1], shares[-2] * 0.001, rtol=1e-9, atol=0)


def test_noise_is_added_as_the_schedule_says(record: dict[str, Tensor]) -> None:
    spec = TINY_OPENAI_ENCODER
    latent = clamp_latent(record["out.vector_pre_tanh"]).view(1, 64, 32).repeat(2, 1, 1)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(1))

    noisy = noise_latent(latent, torch.tensor([0, 511]), noise, spec)

    assert_close(noisy[0], latent[0])
    share = 1 - 0.5**5
    assert_close(noisy[1], share**0.5 * latent[1] + (1 - share) ** 0.5 * noise[1])


def test_members_of_a_ball_are_the_first_in_the_cloud() -> None:
    points = torch.tensor([[[0.0, 0, 0], [2, 0, 0], [0.3, 0, 0], [0, 0.4, 0], [2.1, 0, 0]]])

    members = ball_members(points[:, :2], points, radius=0.5, count=3)

    assert members.tolist() == [[[0, 2, 3], [1, 4, 1]]]


def test_one_file_gives_both_ways(tmp_path: Path, record: dict[str, Tensor]) -> None:
    path = write(transmitter(), tmp_path / "transmitter.pt")

    decoder = load_module(
        lambda: Decoder(TINY_OPENAI_DECODER), path, partial(decoder_key_map, TINY_OPENAI_DECODER)
    )

    field = decoder.field(record["out.latent"].view(64, 32))
    assert field.signed_distance(torch.zeros(1, 3)).isfinite().all()
    assert load_encoder(path).output_tokens.shape == (64, 32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state.pop("encoder.ln_pre.bias"), r"lacks 'encoder\.ln_pre\.bias'"),
        (
            lambda state: state.update({"encoder.surprise": torch.zeros(1)}),
            r"has 'encoder\.surprise', which an encoder of meshes does not have",
        ),
        (
            lambda state: state.update({"encoder.ln_pre.bias": torch.zeros(31)}),
            r"shape \[31\], expected \[32\]",
        ),
    ],
)
def test_every_tensor_is_accounted_for(
    tmp_path: Path, change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    state = transmitter()
    change(state)

    with pytest.raises(CheckpointError, match=message):
        load_encoder(write(state, tmp_path / "transmitter.pt"))


def test_a_decoder_alone_is_no_encoder(tmp_path: Path) -> None:
    state = {
        key.removeprefix("encoder."): tensor
        for key, tensor in transmitter().items()
        if key.startswith(("encoder.params_proj.", "renderer."))
    }

    with pytest.raises(CheckpointError, match="something else than an encoder of meshes"):
        load_encoder(write(state, tmp_path / "vector_decoder.pt"))


def test_official_size_has_the_published_tensors() -> None:
    """217,694,487 numbers are in `transmitter.pt` for encoding alone, by OpenAI's own code."""
    with torch.device("meta"):
        model = AssetEncoder(ENCODERS["shap-e"])

    assert sum(parameter.numel() for parameter in model.parameters()) == 217_694_487
