# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the objects of a scene go: side by side, one on the other, or one under the other.

Objects are surfaces in boxes of their own (Z up, front -Y), seen as height fields: for each place
on the ground the highest or the lowest point there. Proportions are those of the scenes that the
starter pack's judges know, or in the middle of what those vary.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CELL = 2.0 / 48
"""Of the height fields, as the surfaces were found."""
GAP = 0.2
"""Between objects side by side."""
UPPER = 0.7
"""Longest side of what stands on something, in shares of that thing's."""
LOWER = 0.68
"""The same of what stands under something, where there is room."""
MARGIN = 0.95
"""Half of the box that a scene fills."""

_ON_SHRINKS = (1.0, 0.85, 0.72, 0.6, 0.5, 0.42, 0.35)
_UNDER_SHRINKS = (1.0, 0.92, 0.85, 0.78)
"""Down to 0.53 of the cover's longest side: what is smaller is hardly known again, and better
carries what should be above it."""
_RAISED = 1.2
"""How much larger an object is that stands on what should be under it, for want of room below."""
_TOUCHES = 0.05
"""Height within which two surfaces bear each other."""
_BEARS_WELL = 0.6
"""Share of a foot that is borne, from which no smaller size is tried: cushions are uneven."""
_COVERED = 0.55
"""Share of an object that must have something above it, to be under it."""
_OFF_CENTER = 0.1
"""What a spot at the rim loses against one in the middle."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Spot:
    """Where an object is: scale * point + offset, and taller than it was."""

    scale: float
    offset: Floats
    stretch: float = 1.0
    """Of heights, beyond the scale; 1 or more."""

    def of(self, points: NDArray[np.float32] | Floats) -> Floats:
        """Return points of the object where they are now, [..., 3]."""
        return points * (self.scale * np.array([1.0, 1.0, self.stretch])) + self.offset

    def around(self, inner: Spot) -> Spot:
        """Return where something is that has a spot of its own in the object that is here."""
        stretch = self.stretch * inner.stretch
        return Spot(self.scale * inner.scale, self.of(inner.offset), stretch)


AT_HOME = Spot(1.0, np.zeros(3))
"""Where a box is its own."""
TALLER = Spot(1.0, np.zeros(3), 1.3)
"""The same of a cover whose own height leaves no room: tables and bridges come in several."""


def beside(*objects: NDArray[np.float32]) -> tuple[Spot, ...]:
    """Return places of objects [V, 3] side by side on the ground, the first at -X."""
    spots, x = [], 0.0
    for vertices in objects:
        low, high = vertices.min(axis=0).astype(float), vertices.max(axis=0).astype(float)
        spots.append(Spot(1.0, np.array([x - low[0], -0.5 * (low[1] + high[1]), -low[2]])))
        x += float(high[0] - low[0]) + GAP
    return tuple(spots)


def upon(upper: NDArray[np.float32], support: NDArray[np.float32], size: float = UPPER) -> Spot:
    """Return where an object [V, 3] stands on another one, which stays where it is.

    Where its foot is borne best counts, and large before small: on a table it stands in the
    middle, on a chair on the seat.

    Args:
        upper: is scaled.
        support: as seen from above.
        size: longest side of the upper one, in shares of the support's, where there is room.
    """
    top, corner = _top_of(support)
    best, best_score = None, -np.inf
    for shrink in _ON_SHRINKS:
        scale = shrink * size * _longest(support) / _longest(upper)
        under, foot = _underside_of(upper, scale)
        if not np.all(np.array(under.shape) <= top.shape):
            continue
        scores, lifts = _bearing(top, under)
        if (score := float(scores.max())) > best_score:
            place = np.unravel_index(int(scores.argmax()), scores.shape)
            at = np.append((np.array(place) + corner) * CELL, lifts[place])
            best, best_score = Spot(scale, at - foot), score
        if best_score >= _BEARS_WELL:
            break
    return best or _on_top(upper, support, _ON_SHRINKS[-1] * size)


def beneath(lower: NDArray[np.float32], cover: NDArray[np.float32]) -> Spot | None:
    """Return where an object [V, 3] stands on the ground under another; None without room."""
    ground = float(cover.min(axis=0)[2])
    for shrink in _UNDER_SHRINKS:
        scale = shrink * LOWER * _longest(cover) / _longest(lower)
        height, foot = _height_of(lower, scale)
        ceiling, corner = _ceiling_of(cover, height.shape)
        if not np.all(np.array(height.shape) <= ceiling.shape):
            continue
        windows = sliding_window_view(ceiling, height.shape)
        fits = (windows - ground > height).all(axis=(2, 3))
        is_there = np.isfinite(height)
        covered = (np.isfinite(windows) & is_there).sum(axis=(2, 3)) / is_there.sum()
        scores = np.where(fits, covered - _OFF_CENTER * _off_center(fits.shape), -np.inf)
        place = np.unravel_index(int(scores.argmax()), scores.shape)
        if fits[place] and covered[place] > _COVERED:
            at = np.append((np.array(place) + corner) * CELL, ground)
            return Spot(scale, at - foot)
    return None


def raised(upper: NDArray[np.float32], support: NDArray[np.float32]) -> Spot:
    """Return where an object stands on another that should be under it, see `upon`."""
    return upon(upper, support, _RAISED * UPPER)


def fitted(spots: tuple[Spot, ...], bodies: tuple[NDArray[np.float32], ...]) -> tuple[Spot, ...]:
    """Return places in the middle of the box, with which all objects fill it but for a margin."""
    corners = np.concatenate([spot.of(body) for spot, body in zip(spots, bodies, strict=True)])
    low, high = corners.min(axis=0), corners.max(axis=0)
    scale = 2 * MARGIN / float((high - low).max())
    middle = 0.5 * (low + high)
    return tuple(
        Spot(scale * spot.scale, scale * (spot.offset - middle), spot.stretch) for spot in spots
    )


def falls_near(upper: Floats, support: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return which points of an object [V, 3] may be the first to touch what is below them."""
    top, corner = _top_of(support)
    cells = np.rint(upper[:, :2] / CELL).astype(int) - corner
    is_over = ((cells >= 0) & (cells < top.shape)).all(axis=1)
    gaps = np.full(len(upper), np.inf)
    gaps[is_over] = upper[is_over, 2] - top[tuple(cells[is_over].T)]
    is_near: NDArray[np.bool_] = gaps < gaps.min(initial=np.inf) + 4 * _TOUCHES
    return is_near


def _on_top(upper: NDArray[np.float32], support: NDArray[np.float32], size: float) -> Spot:
    """Return a place on the highest point, for want of a better one."""
    scale = size * _longest(support) / _longest(upper)
    low, high = upper.min(axis=0), upper.max(axis=0)
    foot = scale * np.array([0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), low[2]])
    return Spot(scale, support[support[:, 2].argmax()].astype(np.float64) - foot)


def _bearing(top: Floats, under: Floats) -> tuple[Floats, Floats]:
    """Return how well a support bears a foot at each place [X, Y], and how high it stands there."""
    windows = sliding_window_view(top, under.shape)
    with np.errstate(invalid="ignore"):
        needed = np.where(np.isfinite(under), windows - under, -np.inf)
    lifts = needed.max(axis=(2, 3))
    is_foot = under <= under.min() + _TOUCHES
    touching = (needed >= lifts[..., None, None] - _TOUCHES) & is_foot
    share = touching.sum(axis=(2, 3)) / is_foot.sum()
    reach = np.minimum(*(_reach(touching, axis) / _reach(is_foot, axis) for axis in (-1, -2)))
    scores = 0.5 * (share + reach) - _OFF_CENTER * _off_center(share.shape)
    return np.where(np.isfinite(lifts), scores, -np.inf), lifts


def _reach(marks: NDArray[np.bool_], axis: int) -> Floats:
    """Return over how many places marks spread along the other of the last two axes."""
    marked = marks.any(axis=axis)
    size = marked.shape[-1]
    spread = size - marked.argmax(axis=-1) - marked[..., ::-1].argmax(axis=-1)
    return np.where(marked.any(axis=-1), spread, 0).astype(np.float64)


def _off_center(shape: tuple[int, ...]) -> Floats:
    """Return how far places are from the middle, 0 to 1, [X, Y]."""
    x, y = (abs(np.linspace(-1.0, 1.0, size)) if size > 1 else np.zeros(1) for size in shape)
    return np.maximum(x[:, None], y[None])


def _longest(vertices: NDArray[np.float32]) -> float:
    return float((vertices.max(axis=0) - vertices.min(axis=0)).max())


def _top_of(vertices: NDArray[np.float32]) -> tuple[Floats, NDArray[np.int64]]:
    """Return the highest points [X, Y], -inf where there is nothing, and the first place."""
    return _heights(vertices.astype(np.float64), 1.0)


def _underside_of(vertices: NDArray[np.float32], scale: float) -> tuple[Floats, Floats]:
    """Return the lowest points over the foot [X, Y], inf where there is nothing, and the foot.

    The foot is the place that `Spot` needs: of the first cell on the ground, scaled.
    """
    lowest, corner = _heights(vertices * np.float64(scale), -1.0)
    foot = np.append(corner * CELL, 0.0)
    return -lowest, foot


def _height_of(vertices: NDArray[np.float32], scale: float) -> tuple[Floats, Floats]:
    """Return heights above the foot [X, Y], -inf where there is nothing, and the foot."""
    scaled = vertices * np.float64(scale)
    highest, corner = _heights(scaled, 1.0)
    low = float(scaled[:, 2].min())
    return highest - low, np.append(corner * CELL, low)


def _ceiling_of(
    vertices: NDArray[np.float32], room: tuple[int, ...]
) -> tuple[Floats, NDArray[np.int64]]:
    """Return the lowest points with a cell of air around [X, Y], and the first place.

    What stands below may stick out by as much as a third of its own size, `room`.
    """
    lowest, corner = _heights(vertices.astype(np.float64), -1.0)
    pads = [size // 3 + 1 for size in room]
    lowest = np.pad(-lowest, [(pad + 1, pad + 1) for pad in pads], constant_values=np.inf)
    airy = sliding_window_view(lowest, (3, 3)).min(axis=(2, 3)) - CELL
    return airy, corner - np.array(pads)


def _heights(points: Floats, up: float) -> tuple[Floats, NDArray[np.int64]]:
    """Return the highest of `up` times Z in each cell, -inf where none is, and the first cell."""
    cells = np.rint(points[:, :2] / CELL).astype(np.int64)
    corner = cells.min(axis=0)
    heights = np.full(cells.max(axis=0) - corner + 1, -np.inf)
    np.maximum.at(heights, tuple((cells - corner).T), up * points[:, 2])
    return heights, corner
