# SPDX-License-Identifier: GPL-3.0-or-later
"""Put objects beside, upon and below one another, so that they touch and do not cross.

Objects come as pieces with their own size; what is returned has one unit for all and any place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from .attributes import ShapeAttributes
from .field import ShapeBatch
from .pieces import Pieces, finished, join
from .sampling import sample_surface

NUM_CONTACTS = 320
"""Surface points that look for contact."""

_SINK = 0.012
"""How far what stands sinks in, so that it is one solid with what it stands on."""
_STEPS = 24
_HIT = 2e-3
_FAR = 4.0
_GAP = 0.03


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle of an object's bounding box, seen from above, in shares of its half sizes."""

    x: float
    y: float
    half_x: float
    half_y: float


SUPPORTS: dict[str, Patch] = {
    "table": Patch(0, 0, 0.85, 0.85),
    "stool": Patch(0, 0, 0.75, 0.75),
    "crate": Patch(0, 0, 0.9, 0.9),
    "barrel": Patch(0, 0, 0.75, 0.75),
    "wardrobe": Patch(0, 0, 0.9, 0.9),
    "bookshelf": Patch(0, 0, 0.9, 0.9),
    "bed": Patch(0, -0.2, 0.8, 0.6),
    "sofa": Patch(0, -0.3, 0.6, 0.6),
    "chair": Patch(0, -0.15, 0.65, 0.65),
    "bench": Patch(0, -0.15, 0.8, 0.8),
    "drum": Patch(0, 0, 0.7, 0.7),
    "bus": Patch(0, 0, 0.8, 0.8),
}
"""What objects stand on, and where on it."""

COVERS: dict[str, tuple[tuple[float, float], ...]] = {
    "table": ((0, 0), (0, -0.35), (0.55, -0.3), (-0.55, -0.3), (0.75, 0), (0, -0.75)),
    "bench": ((0, 0), (0, -0.3)),
    "chair": ((0, 0), (0, -0.2)),
    "stool": ((0, 0),),
    "umbrella": ((0.4, -0.25), (-0.4, -0.25), (0.45, 0.1)),
    "tree": ((0.5, -0.3), (-0.5, -0.3), (0.65, -0.5)),
    "palm": ((0.45, -0.3), (-0.45, -0.3), (0.6, -0.3)),
    "mushroom": ((0.55, -0.4), (-0.55, -0.4)),
    "bridge": ((0, 0), (0.5, 0), (-0.5, 0)),
}
"""What objects find room under, and where to look for it, in shares of its half sizes."""

STANDS_BADLY = frozenset(
    "sword hammer axe key umbrella anchor lollipop icecream carrot butterfly guitar shield ladder"
    " flower helicopter".split()
)
"""Kinds that neither stand on others nor have others stand on them."""


def beside(objects: Sequence[Pieces], gaps: Sequence[float], shifts: Sequence[float]) -> Pieces:
    """Return objects in a row from -X to +X, all on the ground.

    Args:
        objects: two or three.
        gaps: between neighbors.
        shifts: along Y, of each object.
    """
    row, x = [], 0.0
    for each, gap, shift in zip(objects, (*gaps, 0.0), shifts, strict=True):
        low, high = each.bounds()
        middle = 0.5 * (low + high)
        row.append(each.moved(1.0, (low[0], middle[1], low[2]), (x, shift, 0.0)))
        x += float(high[0] - low[0]) + gap
    return join(row)


def upon(upper: Pieces, support: Pieces, patch: Patch, size: float, seed: int) -> Pieces:
    """Return one object standing on another: upper first.

    Args:
        upper: is scaled so that it fits on the patch.
        support: keeps its size.
        patch: where on the support.
        size: longest side of the upper object, in shares of the support's, where there is room.
        seed: of the points that look for contact.
    """
    low, high = support.bounds()
    half, middle = 0.5 * (high - low), 0.5 * (high + low)
    upper_low, upper_high = upper.bounds()
    sides = upper_high - upper_low
    room = min(2.0 * half[0] * patch.half_x / sides[0], 2.0 * half[1] * patch.half_y / sides[1])
    scale = min(float(room), size * 2.0 * float(half.max()) / float(sides.max()))
    x, y = middle[0] + patch.x * half[0], middle[1] + patch.y * half[1]
    foot = (
        0.5 * (upper_low[0] + upper_high[0]),
        0.5 * (upper_low[1] + upper_high[1]),
        upper_low[2],
    )
    upper = upper.moved(scale, np.array(foot), (float(x), float(y), float(high[2]) + 0.05))
    points = _surface(upper, seed)
    way = float(_free_way(_batch(support), points, -1.0).min())
    # Never below the ground, even where nothing lies under the patch.
    fall = min(way + _SINK * scale, float(high[2] - low[2]) + 0.05)
    return join([upper.moved(1.0, (0.0, 0.0, 0.0), (0.0, 0.0, -fall)), support])


def beneath(lower: Pieces, cover: Pieces, kind: str, size: float, seed: int) -> Pieces | None:
    """Return one object on the ground under another, the lower first; None if there is no room.

    Args:
        lower: is scaled to fit.
        cover: keeps its size.
        kind: of the cover, a key of `COVERS`.
        size: longest side of the lower object to begin with, in shares of the cover's.
        seed: of the points that look for contact.
    """
    low, high = cover.bounds()
    half, middle = 0.5 * (high - low), 0.5 * (high + low)
    lower_low, lower_high = lower.bounds()
    foot = 0.5 * (lower_low + lower_high)
    foot[2] = lower_low[2]
    points, roof = _surface(lower, seed), _batch(cover)
    for shrink in (1.0, 0.84, 0.7, 0.58, 0.48, 0.42):
        scale = shrink * size * 2.0 * float(half.max()) / float((lower_high - lower_low).max())
        for share_x, share_y in COVERS[kind]:
            spot = (middle[0] + share_x * half[0], middle[1] + share_y * half[1], low[2])
            placed = (points - foot) * scale + spot
            if _clearance(roof, placed) > _GAP and _is_covered(roof, placed):
                return join([lower.moved(scale, foot, np.array(spot)), cover])
    return None


def _batch(pieces: Pieces) -> ShapeBatch:
    return ShapeBatch([finished(pieces, ShapeAttributes(kind="", main_colour=""))])


def _surface(pieces: Pieces, seed: int) -> NDArray[np.float64]:
    """Return points spread over the surface, [NUM_CONTACTS, 3]."""
    generator = torch.Generator().manual_seed(seed)
    points = sample_surface(_batch(pieces), NUM_CONTACTS, generator)[0][0]
    return points.numpy().astype(np.float64)


def _free_way(batch: ShapeBatch, points: NDArray[np.float64], up: float) -> Tensor:
    """Return how far each point can go up (1) or down (-1) until it hits, at most `_FAR`, [P]."""
    start, gone = torch.from_numpy(points).float(), torch.zeros(len(points))
    for _ in range(_STEPS):
        here = start.clone()
        here[:, 2] += up * gone
        gap = -batch.signed_distance(here[None])[0]
        is_going = (gap > _HIT) & (gone < _FAR)
        gone = torch.where(is_going, (gone + gap).clamp_max(_FAR), gone)
        if not is_going.any():
            break
    return gone


def _clearance(batch: ShapeBatch, points: NDArray[np.float64]) -> float:
    """Return the least distance from points to a shape, negative where one lies inside."""
    return -float(batch.signed_distance(torch.from_numpy(points).float()[None]).max())


def _is_covered(batch: ShapeBatch, points: NDArray[np.float64]) -> bool:
    """Return True if the shape lies above most of the points."""
    return float((_free_way(batch, points, 1.0) < _FAR).float().mean()) > 0.55
