# SPDX-License-Identifier: GPL-3.0-or-later
"""The prior in 8-bit integers against itself in full precision, down to the finished mesh."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from maquette.core.config import GenerationRequest
from maquette.core.errors import CancelledError, PrecisionUnavailableError
from maquette.core.geometry.extract import extract_mesh
from maquette.core.interrupt import checked_blocks
from maquette.core.native_pack import NativePack
from maquette.core.prior import int8
from maquette.core.prior.transformer import LatentPrior
from maquette.core.sampling import sample_latent
from maquette.core.specs import PRIORS
from torch import Tensor, nn

pytestmark = pytest.mark.needs_torch

NEEDS_OPENVINO = pytest.mark.skipif(
    not int8.is_installed(),
    reason="OpenVINO is not installed, so the int8 path is NOT tested: pip install openvino",
)
CPU = torch.device("cpu")
STARTER = Path(__file__).resolve().parents[2] / "packs" / "starter"
SPEC = replace(
    PRIORS["shap-e-text"],
    num_latents=24,
    channels=16,
    width=64,
    num_layers=6,
    num_heads=4,
    condition_width=12,
)


def random_prior() -> LatentPrior:
    torch.manual_seed(0)  # Of the biases, which are random from the start.
    generator = torch.Generator().manual_seed(0)
    prior = LatentPrior(SPEC).requires_grad_(False).eval()
    for parameter in prior.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=0.15, generator=generator)
        else:
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return prior


def inputs(batch: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, SPEC.num_latents, SPEC.channels, generator=generator)
    condition = torch.randn(batch, 1, SPEC.condition_width, generator=generator)
    return x, torch.tensor([500] * batch), condition


@torch.inference_mode()
def answer(prior: nn.Module, batch: int = 2) -> Tensor:
    found: Tensor = prior(*inputs(batch))
    return found


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def test_rows_are_scaled_to_the_whole_range_and_off_by_half_a_step() -> None:
    weight = torch.randn(5, 40, generator=torch.Generator().manual_seed(2))
    weight[3] = 0

    integers, scale = int8.quantize_rows(weight)

    assert integers.dtype == torch.int8
    assert integers.abs().amax(1).tolist() == [127, 127, 127, 0, 127]
    assert ((integers * scale - weight).abs() <= 0.5001 * scale).all()


def test_without_openvino_the_message_says_what_is_missing(monkeypatch) -> None:
    monkeypatch.setattr(int8.importlib.util, "find_spec", lambda name: None)
    prior = random_prior()

    with pytest.raises(PrecisionUnavailableError, match="int8 needs OpenVINO"):
        int8.quantize_blocks(prior, 1)
    assert len(prior.blocks) == SPEC.num_layers


@NEEDS_OPENVINO
@pytest.mark.parametrize("batch", [1, 2])
def test_integers_answer_nearly_as_full_precision(batch: int) -> None:
    """Tokens and rows are off by up to 1/254 of their largest value, 4 products in each of 6
    blocks: about 1 % in all. A wrong scale, head or order would be off by the whole answer."""
    expected = answer(random_prior(), batch)

    prior = int8.quantize_blocks(random_prior(), 1)

    assert int8.is_quantized(prior)
    assert 0 < relative(answer(prior, batch), expected) < 0.03


@NEEDS_OPENVINO
def test_answers_are_the_same_each_time_and_not_written_over() -> None:
    prior = int8.quantize_blocks(random_prior(), 1)

    first = answer(prior)
    copy = first.clone()
    second = answer(prior)

    assert torch.equal(first, copy) and torch.equal(first, second)


@NEEDS_OPENVINO
def test_half_precision_weights_of_a_file_are_converted_as_they_are() -> None:
    whole = int8.quantize_blocks(random_prior().half().float(), 1)

    prior = int8.quantize_blocks(random_prior().half(), 1)

    assert torch.equal(answer(prior), answer(whole))
    assert prior.latent_in.weight.dtype == torch.float32


@NEEDS_OPENVINO
def test_a_run_stops_before_any_group_of_blocks() -> None:
    prior = int8.quantize_blocks(random_prior(), 1)
    looks: list[None] = []

    def stop() -> None:
        looks.append(None)
        if len(looks) == 2:
            raise CancelledError

    with pytest.raises(CancelledError), checked_blocks(prior, stop):
        answer(prior)
    assert len(prior.blocks) == 2  # Of four blocks and of two.
    assert torch.isfinite(answer(prior)).all()


@NEEDS_OPENVINO
def test_converting_stops_when_told_to() -> None:
    cancel = threading.Event()

    def check() -> None:
        if cancel.is_set():
            raise CancelledError
        cancel.set()

    with pytest.raises(CancelledError):
        int8.quantize_blocks(random_prior(), 1, check=check)


@NEEDS_OPENVINO
@pytest.mark.parametrize("prompt", ["a red chair", "a green mushroom"])
def test_the_finished_mesh_is_the_same_object(prompt: str) -> None:
    """The bundled pack samples a mesh that overlaps the one of full precision.

    A latent that is off by a few percent moves the surface by less than a cell of this grid.
    Without anything of the pack's transformer the overlap is 0.82 and 0.88, so 0.99 is a change
    that nobody sees.
    """
    request = GenerationRequest(prompt=prompt)
    pack = NativePack(STARTER, CPU, torch.float32)
    with torch.inference_mode():
        tokens = pack.condition(request).tokens
        sampler = pack.sampler(request)
        latents = []
        for is_converted in (False, True):
            prior = pack.prior(request)
            if is_converted:
                prior = int8.quantize_blocks(prior, tokens.shape[1])
            latents.append(sample_latent(prior, tokens, sampler, 5, on_step=lambda *_: None))
        inside = [_inside(pack, latent) for latent in latents]

    assert 0 < relative(latents[1], latents[0]) < 0.05
    overlap = float((inside[0] & inside[1]).sum() / (inside[0] | inside[1]).sum())
    assert overlap > 0.99
    vertices, _ = extract_mesh(pack.decoder.field(latents[1]).signed_distance, 48, device=CPU)
    assert len(vertices) and np.isfinite(vertices).all()


def _inside(pack: NativePack, latent: Tensor) -> Tensor:
    axis = torch.linspace(-1, 1, 48)
    points = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1).view(-1, 3)
    return pack.decoder.field(latent, chunk_size=16384).signed_distance(points) > 0
