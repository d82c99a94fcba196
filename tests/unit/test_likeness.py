# SPDX-License-Identifier: GPL-3.0-or-later
"""What may be asked for when a result should be like an earlier one."""

from __future__ import annotations

import math

import pytest
from maquette.core.config import MAX_LIKE_SEEDS, GenerationRequest, Likeness
from maquette.core.errors import InvalidRequestError


@pytest.mark.parametrize("seeds", [(), (-1,), (2**31,), (1.5,), tuple(range(MAX_LIKE_SEEDS + 1))])
def test_unusable_seeds_are_refused(seeds: tuple[int, ...]) -> None:
    with pytest.raises(InvalidRequestError):
        Likeness(seeds=seeds)


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan, math.inf, True])
def test_a_strength_outside_its_range_is_refused_with_its_value(strength: float) -> None:
    with pytest.raises(InvalidRequestError, match="strength must be a number from 0 to 1"):
        Likeness(seeds=(1,), strength=strength)


def test_a_request_starts_from_noise_alone_unless_it_says_otherwise() -> None:
    assert GenerationRequest(prompt="a chair").like is None
