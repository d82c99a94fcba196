# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in pieces that a core's cache holds, of few different sizes.

On a CPU each product in half precision compiles a kernel for the number of its rows, and torch's
library (oneDNN) keeps them: 0.3 to 0.65 MiB for each number of points that was ever asked. Every
mesh has another number of texels, so that memory would grow with every object that is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from ..beside import Crew

SMALLEST = 256
"""Points; the last piece is filled up to that many."""
LARGEST = 1 << 12
"""Points on a CPU; half as many in fp32: a layer of the published width then takes 2 MiB, which
is what the cache of one core holds."""


def in_pieces(
    evaluate: Callable[[Tensor], Tensor],
    points: Tensor,
    dtype: torch.dtype,
    most: int | None,
    crew: Crew | None = None,
) -> Tensor:
    """Evaluate points in pieces; on a CPU their sizes do not depend on the number of cores.

    Args:
        evaluate: a row of whatever width for each point; rows must not depend on one another.
        points: [P, 3].
        dtype: what `evaluate` computes in.
        most: points at once; None for any number.
        crew: who evaluates several pieces at once on a CPU, without gradients.

    Returns:
        The rows of all points, [P, C].
    """

    def rows_of(start: int, size: int) -> Tensor:
        piece = points[start : start + size]
        short = size - len(piece)
        return evaluate(F.pad(piece, (0, 0, 0, short)) if short else piece)[: len(piece)]

    on_cpu = points.device.type == "cpu"
    if not on_cpu or torch.is_grad_enabled():
        crew = None
    if crew is not None and most is not None:
        most = max(1, most // torch.get_num_threads())  # Several pieces are under way at once.
    sizes = _sizes(len(points), dtype, most, on_cpu=on_cpu)
    starts = accumulate(sizes, initial=0)
    pieces = [partial(rows_of, start, size) for start, size in zip(starts, sizes, strict=False)]
    rows = crew.do(pieces) if crew else [piece() for piece in pieces]
    return torch.cat(rows) if len(rows) > 1 else rows[0]


def _sizes(count: int, dtype: torch.dtype, most: int | None, *, on_cpu: bool) -> list[int]:
    if on_cpu and dtype != torch.float32:
        return list(even_sizes(count, min(most or LARGEST, LARGEST)))
    if on_cpu:
        most = min(most or LARGEST, LARGEST // 2)
    step = most or max(1, count)
    return [min(step, count - start) for start in range(0, count, step)] or [0]


def even_sizes(count: int, most: int) -> Iterator[int]:
    """Yield powers of two that are `count` in all, but for the last, which may be too large.

    Args:
        count: at least 1 is covered.
        most: no power is above it, but for `SMALLEST`.
    """
    left, size = max(count, 1), max(SMALLEST, 1 << (max(most, 1).bit_length() - 1))
    while left > 0:
        while size > left and size > SMALLEST:
            size //= 2
        yield size
        left -= size
