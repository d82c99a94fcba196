# SPDX-License-Identifier: GPL-3.0-or-later
"""Colors in half precision: nearly the same, and the distance is untouched."""

from __future__ import annotations

import pytest
import torch
from maquette.benchmarks.fields import read_field
from maquette.benchmarks.shapes import NAMES
from maquette.core import device
from maquette.core.decoder.implicit_mlp import ImplicitMLP
from maquette.core.decoder.stf import SignedDistanceField
from maquette.core.device import choose_color_dtype
from maquette.core.specs import DECODERS

CPU = torch.device("cpu")


@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_colors_in_bf16_differ_by_less_than_is_seen(name: str) -> None:
    points = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    field = read_field(name)
    half = SignedDistanceField(field.mlp, field.weights, color_dtype=torch.bfloat16)

    steps = 255 * (half.color(points) - field.color(points)).abs()

    # Eight bits of precision in six layers: bf16 rounds by 1 part in 256 each time.
    assert 0 < float(steps.mean()) < 0.5
    assert float(steps.max()) < 8
    assert half.color(points).dtype == torch.float32
    assert torch.equal(half.signed_distance(points), field.signed_distance(points))


@torch.inference_mode()
def test_one_shape_alone_is_what_it_is_in_a_batch() -> None:
    spec = DECODERS["starter"]
    mlp = ImplicitMLP(spec)
    torch.manual_seed(0)
    for parameter in mlp.parameters():
        parameter.uniform_(-0.1, 0.1)
    weights = [torch.randn(2, *shape) / shape[1] ** 0.5 for shape in spec.generated_shapes()]
    points = torch.rand(2, 50, 3) * 2 - 1

    both = mlp(points, weights)

    for i in range(2):
        alone = mlp(points[i : i + 1], [weight[i : i + 1] for weight in weights])
        torch.testing.assert_close(alone[0], both[i], rtol=1e-5, atol=1e-6)


def test_colors_are_in_half_precision_only_where_that_is_fast_and_not_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device, "_cpu_has_fast_bf16", lambda: True)
    assert choose_color_dtype(CPU, "auto") == torch.bfloat16
    assert choose_color_dtype(CPU, "int8") == torch.bfloat16
    assert choose_color_dtype(CPU, "fp32") == torch.float32
    assert choose_color_dtype(torch.device("cuda"), "auto") == torch.float32

    monkeypatch.setattr(device, "_cpu_has_fast_bf16", lambda: False)
    assert choose_color_dtype(CPU, "auto") == torch.float32
