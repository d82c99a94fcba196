# SPDX-License-Identifier: GPL-3.0-or-later
"""Points in pieces of few different sizes.

On a CPU each product in half precision compiles a kernel for the number of its rows, and torch's
library (oneDNN) keeps them: 0.3 to 0.65 MiB for each number of points that was ever asked. Every
mesh has another number of texels, so that memory would grow with every object that is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 256
"""Points; the last piece is filled up to that many."""
LARGEST = 1 << 14


def in_pieces(
    evaluate: Callable[[Tensor], Tensor], points: Tensor, dtype: torch.dtype, most: int | None
) -> Tensor:
    """Evaluate points in pieces.

    Args:
        evaluate: a row of whatever width for each point; rows must not depend on one another.
        points: [P, 3].
        dtype: what `evaluate` computes in.
        most: points at once; None for any number.

    Returns:
        The rows of all points, [P, C].
    """
    sizes: Iterable[int]
    if points.device.type == "cpu" and dtype != torch.float32:
        sizes = even_sizes(len(points), min(most or LARGEST, LARGEST))
    else:
        sizes = _sizes(len(points), most or max(1, len(points)))
    rows, start = [], 0
    for size in sizes:
        piece = points[start : start + size]
        short = size - len(piece)
        rows.append(evaluate(F.pad(piece, (0, 0, 0, short)) if short else piece)[: len(piece)])
        start += size
    return torch.cat(rows) if len(rows) > 1 else rows[0]


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


def _sizes(count: int, most: int) -> Iterator[int]:
    for start in range(0, max(count, 1), most):
        yield min(most, max(count, 0) - start)
