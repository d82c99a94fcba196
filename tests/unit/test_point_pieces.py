# SPDX-License-Identifier: GPL-3.0-or-later
"""Points are evaluated in pieces of few sizes, so that compiled kernels stay few."""

from __future__ import annotations

import pytest
import torch
from maquette.core.beside import Crew
from maquette.core.decoder.pieces import LARGEST, SMALLEST, even_sizes, in_pieces


@pytest.mark.parametrize("most", [1, 300, 4096, 5000, 1 << 20])
def test_sizes_cover_all_points_and_are_few(most):
    seen = set()
    for count in range(1, 40_000, 37):
        sizes = list(even_sizes(count, most))
        assert count <= sum(sizes) < count + SMALLEST
        assert sum(sizes[:-1]) < count
        seen.update(sizes)
    assert all(size & (size - 1) == 0 for size in seen)
    assert max(seen) <= max(SMALLEST, most)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("count", [0, 1, 255, 257, 20_011])
def test_rows_are_those_of_all_points_at_once(count, dtype):
    points = torch.rand(count, 3, generator=torch.Generator().manual_seed(count))

    rows = in_pieces(lambda piece: piece.square().sum(1, keepdim=True), points, dtype, 1000)

    assert torch.equal(rows, points.square().sum(1, keepdim=True))


def test_half_precision_on_a_cpu_sees_few_sizes():
    seen: set[int] = set()

    def evaluate(piece):
        seen.add(len(piece))
        return piece

    for count in range(1, 60_000, 611):
        in_pieces(evaluate, torch.zeros(count, 3), torch.bfloat16, None)

    assert seen <= {1 << power for power in range(SMALLEST.bit_length() - 1, LARGEST.bit_length())}


def test_full_precision_is_cut_where_asked_and_to_fit_a_cache():
    seen = []

    def evaluate(piece):
        seen.append(len(piece))
        return piece

    in_pieces(evaluate, torch.zeros(2500, 3), torch.float32, 1000)
    in_pieces(evaluate, torch.zeros(LARGEST // 2 + 1, 3), torch.float32, None)

    assert seen == [1000, 1000, 500, LARGEST // 2, 1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("num_threads", [1, 2, 3])
def test_several_threads_find_the_same_in_the_same_pieces(num_threads, dtype):
    points = torch.rand(20_011, 3, generator=torch.Generator().manual_seed(1))
    seen: list[int] = []

    def evaluate(piece):
        seen.append(len(piece))
        return piece.square().sum(1, keepdim=True)

    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        with torch.no_grad():
            alone = in_pieces(evaluate, points, dtype, None)
            sizes, seen = sorted(seen), []
            together = in_pieces(evaluate, points, dtype, None, Crew())
    finally:
        torch.set_num_threads(before)

    assert sorted(seen) == sizes
    assert torch.equal(together, alone)


def test_a_limit_is_for_all_threads_together():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with torch.no_grad():
            seen = in_pieces(_sizes_of, torch.zeros(5000, 3), torch.float32, 1000, Crew())
    finally:
        torch.set_num_threads(before)

    assert seen[:, 0].tolist() == [500.0] * 5000


def _sizes_of(piece):
    return torch.full((len(piece), 1), float(len(piece)))
