# SPDX-License-Identifier: GPL-3.0-or-later
"""Where variants stand: a contact sheet on the ground. Knows no Blender."""

from __future__ import annotations

import math
from collections.abc import Sequence

GAP = 0.25
"""Between neighbours, as a fraction of the largest variant."""


def grid_locations(
    sizes: Sequence[float],
    origin: Sequence[float],
    gap: float = GAP,
) -> list[tuple[float, float, float]]:
    """Return where the middle of each variant's base stands.

    As many columns as rows or one more, numbered as one reads: left to right, then from the front
    row to the back. The sheet is centred on the origin, so a single variant stands at it.

    Args:
        sizes: largest dimension of each variant in metres; the target size before it is known.
        origin: the middle of the sheet, usually the 3D cursor, (x, y, z) in metres.
        gap: free space between neighbours, as a fraction of the largest size.

    Returns:
        One location for each size, in its order.
    """
    if not sizes:
        return []
    spacing = max(sizes) * (1.0 + gap)
    columns = math.isqrt(len(sizes) - 1) + 1
    rows = math.ceil(len(sizes) / columns)
    x, y, z = origin
    left, front = x - spacing * (columns - 1) / 2, y - spacing * (rows - 1) / 2
    return [
        (left + spacing * (index % columns), front + spacing * (index // columns), z)
        for index in range(len(sizes))
    ]


def middle_of(places: Sequence[tuple[float, float, float]]) -> tuple[float, float, float]:
    """Return the middle of a sheet from where its variants stand."""
    xs, ys, zs = zip(*places, strict=True)
    return (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2, zs[0]


def sheet_beside(
    standing: Sequence[tuple[float, float, float, float]],
    base: Sequence[float],
    count: int,
    size: float,
    gap: float = GAP,
) -> tuple[float, float, float]:
    """Return the middle of a new sheet to the right of what stands in its way.

    Args:
        standing: what is there, as (left, right, front, back) in metres.
        base: where the object stands that the new ones belong to; their row is level with it.
        count: how many the sheet is for.
        size: largest dimension of each.
        gap: free space between neighbours, as a fraction of the size.
    """
    offsets = grid_locations([size] * count, (0.0, 0.0, 0.0), gap)
    half_depth = max(y for _, y, _ in offsets) + size / 2
    x, y, z = base
    in_the_way = [
        right
        for left, right, front, back in standing
        if right > x and front < y + half_depth and back > y - half_depth
    ]
    reach = max(x for x, _, _ in offsets) + size / 2
    return max([x, *in_the_way]) + gap * size + reach, y, z
