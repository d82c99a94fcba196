# SPDX-License-Identifier: GPL-3.0-or-later
"""Positions are encoded the same way, with gradients and in the few passes without."""

from __future__ import annotations

import math

import pytest
import torch
from maquette.core.encoding import encode_position

pytestmark = pytest.mark.needs_torch


@pytest.mark.parametrize("num_frequencies", [0, 1, 6, 15])
@pytest.mark.parametrize("shape", [(3,), (700, 3), (2, 5, 3), (4, 3, 2), (1, 0, 3)])
def test_the_quick_way_is_the_same_to_the_bit(num_frequencies, shape):
    x = torch.rand(shape, generator=torch.Generator().manual_seed(0)) * 2 - 1

    slow = encode_position(x, num_frequencies)
    with torch.inference_mode():
        quick = encode_position(x, num_frequencies)

    assert quick.shape == (*shape[:-1], shape[-1] * (1 + 2 * num_frequencies))
    assert torch.equal(quick, slow)


@torch.no_grad()
def test_sines_come_first_and_octaves_are_outermost():
    encoded = encode_position(torch.tensor([0.3, -0.7]), 2).double()

    expected = [0.3, -0.7]
    for phase in (0.0, math.pi / 2):
        expected += [math.sin(scale * x + phase) for scale in (1, 2) for x in (0.3, -0.7)]
    torch.testing.assert_close(encoded, torch.tensor(expected).double(), rtol=0, atol=1e-6)
