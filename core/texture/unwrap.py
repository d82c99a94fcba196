# SPDX-License-Identifier: GPL-3.0-or-later
"""UV unwrapping with numpy alone, on any thread: charts, laid flat, packed.

Texels have the same size on the whole surface except where it is seen at an angle; islands do
not overlap and keep a distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..interrupt import Check, ignore
from .cells import Outlines
from .charts import cut_charts, measure
from .outline import Projection, outline_of
from .overlap import project_without_overlap
from .packing import Packing, pack
from .pairs import unite_pairs

LEAST_PADDING = 4
PADDING_SHARE = 256
"""Texels between islands: so large a part of the side, that mip levels down to 256 texels a side
and one or two more do not mix them."""


@dataclass(frozen=True, slots=True)
class Unwrapping:
    """Where each face lies on the texture."""

    corner_uvs: NDArray[np.float32]
    """UV of each face corner, in [0, 1], origin bottom left, [F, 3, 2]."""
    islands: NDArray[np.int32]
    """Island of each face, numbered from 0, [F]."""
    border: NDArray[np.int64]
    """Edges on the borders of islands, each as 3 * face + the corner that it starts from, [E]."""
    padding: int
    """Texels between islands at the size that was packed for."""

    @property
    def num_islands(self) -> int:
        """Number of UV islands."""
        return int(self.islands.max(initial=-1)) + 1


def unwrap(
    vertices: NDArray[np.float32],
    faces: NDArray[np.int32],
    size: int,
    *,
    padding: int | None = None,
    are_pairs: bool = False,
    check: Check = ignore,
) -> Unwrapping:
    """Lay the faces of a mesh side by side on a square.

    Args:
        vertices: positions, [V, 3].
        faces: counter-clockwise seen from outside, at least one, [F, 3].
        size: texels per side of the texture; islands keep their distance at this size.
        padding: texels between islands, less on textures below 256 texels or with very many
            islands; half as many at the border. None for what suits the size.
        are_pairs: whether faces 2 i and 2 i + 1 are the halves of a quad, which stays whole.
        check: called before each round of each stage; may raise to stop.
    """
    check()
    surface = measure(vertices, faces)
    charts = cut_charts(surface, check)
    if are_pairs:
        charts = unite_pairs(surface, charts)
    projection = project_without_overlap(surface, charts, check, are_pairs=are_pairs)
    outline = outline_of(surface, projection)
    roomy = min(size / 64, size / (8 * projection.num_charts**0.5))
    if padding is None:
        padding = max(LEAST_PADDING, size // PADDING_SHARE)
    padding = min(padding, int(roomy))
    packing = pack(
        Outlines(outline.chart, outline.points),
        _flat_area(projection.corners),
        size,
        padding,
        check,
    )
    return Unwrapping(
        corner_uvs=(_placed(projection, packing) / size).astype(np.float32),
        islands=projection.charts.astype(np.int32),
        border=outline.corner,
        padding=padding,
    )


def _placed(projection: Projection, packing: Packing) -> NDArray[np.float64]:
    """Return where face corners lie on the square, in texels, [F, 3, 2]."""
    x, y = projection.corners.transpose(2, 0, 1) * packing.scale  # [F, 3] each
    # Plain arithmetic: renderers share tangents only between corners whose UVs agree to the bit.
    turn = packing.turns[projection.charts][:, None]
    offset = packing.offsets[projection.charts][:, None]
    placed = [x * turn[..., row, 0] + y * turn[..., row, 1] + offset[..., row] for row in (0, 1)]
    return np.stack(placed, axis=2)


def _flat_area(corners: NDArray[np.float64]) -> float:
    a, b, c = corners.transpose(1, 0, 2)
    (ux, uy), (vx, vy) = (b - a).T, (c - a).T
    return float(np.abs(ux * vy - uy * vx).sum() / 2)
