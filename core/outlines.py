# SPDX-License-Identifier: GPL-3.0-or-later
"""The outline of an object, from the odds that each pixel is of it, and what is wrong with one.

Arrays only: no file formats, no Blender.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .subject import flood

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

MIN_PIECE = 0.04
"""Of the largest piece, from which another belongs to the object: the legs of a chair."""
MAX_HOLE = 0.02
"""Of the object, up to which a hole is closed."""
_SMOOTHNESS, _EDGE = 1.6, 8.0
"""Price of a unit of outline, and the difference of color at which it is a third."""
_MAX_PIECES = 40


def relaxed(odds: Floats, costs: tuple[Floats, Floats], start: Floats, steps: int) -> Floats:
    """Return the u in [0, 1] with the least costs . |gradient u| - odds . u, [H, W].

    Algorithm 1 of Chambolle and Pock 2011; 8 tau^2 < 1.
    """
    tau = np.float32(0.35)
    flow_x, flow_y = np.zeros_like(costs[0]), np.zeros_like(costs[1])
    soft: Floats = start
    ahead = start
    for _ in range(steps):
        flow_x = np.clip(flow_x + tau * (ahead[:, 1:] - ahead[:, :-1]), -costs[0], costs[0])
        flow_y = np.clip(flow_y + tau * (ahead[1:] - ahead[:-1]), -costs[1], costs[1])
        slope = odds.copy()
        slope[:, :-1] += flow_x
        slope[:, 1:] -= flow_x
        slope[:-1] += flow_y
        slope[1:] -= flow_y
        moved = np.clip(soft + tau * slope, 0.0, 1.0)
        ahead, soft = 2.0 * moved - soft, moved
    return soft


def outline_costs(colors: Floats) -> tuple[Floats, Floats]:
    """Return what an outline costs between neighbors, [H, W - 1] and [H - 1, W]."""

    def costs(differences: Floats) -> Floats:
        squares = np.square(differences).sum(axis=2) / _EDGE**2
        return np.asarray(_SMOOTHNESS * (0.1 + 0.9 * np.exp(-squares)), dtype=np.float32)

    return costs(np.diff(colors, axis=1)), costs(np.diff(colors, axis=0))


def tidied(cut: Mask) -> Mask:
    """Return the cut without crumbs and without pinholes."""
    pieces = _pieces(cut)
    enough = MIN_PIECE * max((piece.sum() for piece in pieces), default=0)
    kept: Mask = np.any(
        [np.zeros_like(cut), *(one for one in pieces if one.sum() >= enough)], axis=0
    )
    around = ~kept
    around[1:-1, 1:-1] = False
    for hole in _pieces(~kept & ~flood(~kept, around)):
        if hole.sum() <= MAX_HOLE * kept.sum():
            kept |= hole
    return kept


def _pieces(mask: Mask) -> list[Mask]:
    """Return what hangs together; of a heap of crumbs only the first ones."""
    pieces: list[Mask] = []
    rest = mask
    while rest.any() and len(pieces) < _MAX_PIECES:
        seed = np.zeros_like(rest)
        seed.flat[int(np.argmax(rest))] = True
        pieces.append(flood(rest, seed))
        rest = rest & ~pieces[-1]
    return pieces


def edge_share(cut: Mask, colors: Floats) -> float:
    """Return how much of the outline has other colors on its other side, two pixels away."""
    is_edge, length = 0, 0
    for axis in (0, 1):
        cuts, values = np.moveaxis(cut, axis, 0), np.moveaxis(colors, axis, 0)
        is_outline = cuts[2:-1] != cuts[1:-2]
        steps = np.linalg.norm(values[3:] - values[:-3], axis=2)
        is_edge += int((steps[is_outline] > _EDGE).sum())
        length += int(is_outline.sum())
    return is_edge / max(length, 1)
