# SPDX-License-Identifier: GPL-3.0-or-later
"""The prior as CPUs run it fastest in bf16, against itself as it was trained."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from maquette.core.decoder.bound import bound
from maquette.core.decoder.implicit_mlp import ImplicitMLP, SplitMLP, implicit_function
from maquette.core.errors import CancelledError
from maquette.core.nn import SelfAttention
from maquette.core.packed_linear import PackedLinear, Then, is_available
from maquette.core.prior.packed import AttentionByProducts, pack_blocks
from maquette.core.specs import DECODERS, DecoderSpec
from maquette.tests.unit.test_int8 import answer, random_prior, relative
from torch.nn import functional as F

pytestmark = pytest.mark.needs_torch

NEEDS_BF16 = pytest.mark.skipif(
    not is_available(), reason="this CPU has no fast bf16, so packed weights are NOT tested"
)


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 3])
def test_attention_by_products_is_attention(batch: int) -> None:
    """Five heads, which are not a multiple of those that are taken at once; fp32 tells apart what
    rounding would hide."""
    torch.manual_seed(5)
    attention, x = SelfAttention(40, 5), torch.randn(batch, 33, 40)

    found = AttentionByProducts(attention)(x)

    torch.testing.assert_close(found, attention(x), rtol=1e-5, atol=1e-6)


@NEEDS_BF16
@torch.no_grad()
@pytest.mark.parametrize("then", ["none", "gelu", "swish"])
def test_a_packed_layer_is_its_layer(then: Then) -> None:
    torch.manual_seed(6)
    layer, x = torch.nn.Linear(70, 90).bfloat16(), torch.randn(2, 37, 70)

    found = PackedLinear(layer.weight, layer.bias, 50, then=then)(x.bfloat16())

    exact = F.linear(x.bfloat16().double(), layer.weight.double(), layer.bias.double())
    exact = {"none": lambda x: x, "gelu": F.gelu, "swish": F.silu}[then](exact)
    assert found.shape == (2, 37, 90) and found.dtype == torch.bfloat16
    # Eight bits: products are summed in fp32 and rounded once.
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=1e-3)


@NEEDS_BF16
@pytest.mark.parametrize("fuses_attention", [False, True])
def test_packed_blocks_are_as_near_to_full_precision_as_plain_ones(fuses_attention: bool) -> None:
    exact, plain = answer(random_prior()), answer(random_prior().bfloat16())

    prior = pack_blocks(random_prior().bfloat16(), 1, fuses_attention=fuses_attention)

    assert 0 < relative(answer(prior), exact) < 1.2 * relative(plain, exact) < 0.05
    assert isinstance(prior.blocks[0].attn.qkv, PackedLinear)
    assert isinstance(prior.blocks[0].attn, AttentionByProducts) != fuses_attention


@NEEDS_BF16
def test_packing_stops_before_any_block() -> None:
    looks: list[None] = []

    def stop() -> None:
        looks.append(None)
        if len(looks) == 3:
            raise CancelledError

    prior = random_prior().bfloat16()
    with pytest.raises(CancelledError):
        pack_blocks(prior, 1, check=stop)
    assert isinstance(prior.blocks[1].mlp.fc, PackedLinear)
    assert isinstance(prior.blocks[2].mlp.fc, torch.nn.Linear)


def test_where_torch_cannot_pack_the_prior_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("maquette.core.prior.packed.is_available", lambda: False)
    prior = random_prior().bfloat16()
    before = deepcopy(prior.state_dict())

    assert pack_blocks(prior, 1) is prior

    assert before.keys() == prior.state_dict().keys()
    assert isinstance(prior.blocks[0].attn, SelfAttention)


@NEEDS_BF16
@torch.inference_mode()
@pytest.mark.parametrize("name", ["shap-e", "starter-scenes"])
def test_a_packed_field_is_as_near_to_full_precision_as_a_plain_one(name: str) -> None:
    """One with a layer that takes directions, which are unknown, and one of two networks."""
    generator = torch.Generator().manual_seed(7)
    mlp, weights = _random_field(DECODERS[name], generator)
    half = deepcopy(mlp).bfloat16()
    own = [weight.bfloat16() for weight in weights]
    points = 2 * torch.rand(500, 3, generator=generator) - 1

    packed = bound(half, own)

    for head in ("signed_distance", "stf_color"):
        exact = mlp.only(head, points[None], weights)[0]
        plain = half.only(head, points[None], own)[0]
        found = packed.only(head, points)
        assert found.shape == exact.shape and found.dtype == torch.bfloat16
        assert 0 < relative(found, exact) < 1.1 * relative(plain, exact) < 0.05
    assert type(packed) is not type(bound(mlp, weights))


def _random_field(
    spec: DecoderSpec, generator: torch.Generator
) -> tuple[ImplicitMLP | SplitMLP, list[torch.Tensor]]:
    mlp = implicit_function(spec).requires_grad_(False)
    for parameter in mlp.parameters():
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 25
        parameter.normal_(0, (2 / fan_in) ** 0.5, generator=generator)
    weights = []
    for network in spec.networks if spec.color_width else (spec,):
        for layer in range(network.num_generated):
            shape = 1, network.hidden_width, network.input_width(layer)
            weights.append((2 / shape[2]) ** 0.5 * torch.randn(shape, generator=generator))
    return mlp, weights
