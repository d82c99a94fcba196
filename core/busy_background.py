# SPDX-License-Identifier: GPL-3.0-or-later
"""An object told from a background of many colors: floors, skies, gradients, textures.

What is at the border of the picture says what the background looks like, row by row, since a
floor changes with its distance. From there two models of color and place, of the object and of
the background, are made in turn with a cut between them (GrabCut, Rother et al. 2004). The cut is
the exact one, in its convex form with a weighted total variation (Chan, Esedoglu and Nikolova
2006), which whole arrays can compute (Chambolle and Pock 2011). Nothing here is learnt: what an
object is, is not known, so that a heap of many things in the middle is cut out as one.

Arrays only: no file formats, no Blender.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .outlines import edge_share, outline_costs, relaxed, tidied
from .pixels import block_means
from .subject import grown

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

COARSE_SIDE = 128
"""Pixels in which the object is looked for, before its edge is followed at full size."""
MIN_SIDE = 24
"""Coarse pixels of the shorter side; in a narrower strip all is border."""
MIN_SHARE, MAX_SHARE = 0.03, 0.8
"""Of the picture, between which an object is believed."""
MAX_BORDER_SHARE = 0.08
"""Of the border and what lies beside it, that an object may take."""
MIN_AGREEMENT = 0.97
"""Of the pixels of a cut, that look more like the object than like the background."""
MIN_EDGE_SHARE = 0.6
"""Of the outline, that runs along an edge; a shadow has none."""
MIN_STABILITY = 0.85
"""Overlap of two cuts, of which one expects the object in the middle far more than the other."""

_LIGHT = 0.6
"""Weight of lightness beside hue: a shadow belongs to the floor that it falls on."""
_CELL, _REACH = 7.0, 60.0
"""Size of a cell of color and reach of the two color axes, in units of CIELAB."""
_ROWS, _COLUMNS, _OBJECT_PLACES = 8, 4, 2
"""Places at which the background, and on each axis the object, has colors of its own."""
_ANYWHERE = 0.3
"""Share of a model that knows colors without their places."""
_ROUNDS, _STEPS, _FINE_STEPS = 8, 60, 24
_PRIORS = (1.5, 0.75)
"""Logarithms of the odds of the middle."""
_BORDER_COST, _LIMIT = 3.0, 4.0
"""Logarithms of the odds against the border, and of the largest odds of a color."""
_RARE = 1e-4
"""Density of a color that was never seen."""
_FAMILIAR = 0.1
"""Share of the border that is as rare as what is looked at as an object first."""
_BORDER = 0.03

_TO_XYZ = np.array(
    [[0.4339, 0.3762, 0.1899], [0.2126, 0.7152, 0.0722], [0.0177, 0.1095, 0.8728]], np.float32
)
"""Linear sRGB to XYZ as shares of white (IEC 61966-2-1, D65)."""


def find_subject(rgb: NDArray[np.uint8]) -> Mask | None:
    """Return where the object is, [H, W], or None if that is not sure.

    Args:
        rgb: sRGB, [H, W, 3], a few hundred pixels per side; time goes with their number.
    """
    factor = -(-max(rgb.shape[:2]) // COARSE_SIDE)
    small = np.rint(block_means(rgb.astype(np.float32), factor)).astype(np.uint8)
    if min(small.shape[:2]) < MIN_SIDE:
        return None
    colors = _perceived(small)
    coarse, other = (_coarse_cut(colors, prior) for prior in _PRIORS)
    if coarse is None or other is None:
        return None
    if (coarse & other).sum() < MIN_STABILITY * (coarse | other).sum():
        return None
    blocks = np.ix_(*(np.arange(side) // factor for side in rgb.shape[:2]))
    return follow_edges(rgb, coarse[blocks], factor + 1)


def follow_edges(rgb: NDArray[np.uint8], known: Mask, reach: int) -> Mask:
    """Return a cut that is known roughly, moved to the edges in the picture.

    Args:
        rgb: sRGB, [H, W, 3].
        known: where the object is, [H, W].
        reach: pixels by which the outline may be off.
    """
    colors = _perceived(rgb)
    inside, outside = known, ~known
    for _ in range(reach):
        inside, outside = ~grown(~inside), ~grown(~outside)
    # A leg is thinner than the reach: it stays as far as its color tells it.
    odds = _Models(colors).odds(known.astype(np.float32), np.ones(known.shape, np.float32))
    odds[inside], odds[outside] = _LIMIT, -_LIMIT
    soft = relaxed(odds, outline_costs(colors), known.astype(np.float32), _FINE_STEPS)
    return tidied(soft > 0.5)


def _coarse_cut(colors: Floats, middle_odds: float) -> Mask | None:
    costs = outline_costs(colors)
    is_border = _border(colors.shape[:2])
    from_middle = _squared_distance(colors.shape[:2])
    prior = middle_odds * (1.0 - 1.5 * from_middle)
    odds = _odds_of_strangeness(colors, is_border) + prior
    odds[is_border] -= _BORDER_COST
    soft = relaxed(odds, costs, (odds > 0).astype(np.float32), _STEPS)
    models, nearness = _Models(colors), np.exp(-from_middle)
    seen = odds
    for _ in range(_ROUNDS):
        if soft.mean() < MIN_SHARE / 4:
            return None
        seen = models.odds(soft, nearness)
        odds = seen + 0.5 * prior
        odds[is_border] -= _BORDER_COST
        soft = relaxed(odds, costs, soft, _STEPS)
    cut = soft > 0.5
    return _believed(cut, seen) if edge_share(cut, colors) >= MIN_EDGE_SHARE else None


def _believed(cut: Mask, odds: Floats) -> Mask | None:
    """Return the cut without crumbs, or None if it does not look like one of an object."""
    if not cut.any() or (odds[cut] > 0).mean() < MIN_AGREEMENT:
        return None
    kept = tidied(cut)
    is_beside = kept[_border(kept.shape, 2)].mean() > MAX_BORDER_SHARE
    return None if is_beside or not MIN_SHARE <= kept.mean() <= MAX_SHARE else kept


class _Models:
    """What colors the object and the background have, and where."""

    def __init__(self, colors: Floats) -> None:
        self._of_object = _Cells(colors, _OBJECT_PLACES, _OBJECT_PLACES)
        self._of_background = _Cells(colors, _ROWS, _COLUMNS)
        self._anywhere = _Cells(colors, 1, 1)

    def odds(self, soft: Floats, nearness: Floats) -> Floats:
        """Return the logarithm of the odds that a pixel is of the object, [H, W].

        `soft` is how much of a pixel is known to be, `nearness` what it counts for its looks.
        """
        ours = self._density(self._of_object, soft * nearness)
        others = self._density(self._of_background, 1.0 - soft)
        return np.clip(np.log((ours + _RARE) / (others + _RARE)), -_LIMIT, _LIMIT)

    def _density(self, cells: _Cells, weights: Floats) -> Floats:
        there, anywhere = cells.density(weights), self._anywhere.density(weights)
        return (1.0 - _ANYWHERE) * there + _ANYWHERE * anywhere


class _Cells:
    """The pixels of a picture, sorted by color and place."""

    def __init__(self, colors: Floats, rows: int, columns: int) -> None:
        height, width = colors.shape[:2]
        lights, hues = int(100.0 * _LIGHT / _CELL) + 2, int(2.0 * _REACH / _CELL) + 1
        self._shape = (rows, columns, lights, hues, hues)
        steps = colors / _CELL + 0.5
        steps[:, :, 1:] += _REACH / _CELL
        last = np.array([lights - 1, hues - 1, hues - 1], dtype=np.float32)
        color = np.clip(steps, 0.0, last).astype(np.int32)
        row = (np.arange(height) * rows // height)[:, None]
        column = (np.arange(width) * columns // width)[None, :]
        index = (row * columns + column) * lights + color[:, :, 0]
        self._index = (index * hues + color[:, :, 1]) * hues + color[:, :, 2]

    def density(self, weights: Floats) -> Floats:
        """Return the share of the weight that is near a pixel in color and place, [H, W]."""
        size = int(np.prod(self._shape))
        counts = np.bincount(self._index.ravel(), weights.ravel(), size)
        cells = counts.astype(np.float32).reshape(self._shape)
        for axis in range(cells.ndim):
            cells = _blurred(cells, axis)
        scale = self._shape[0] * self._shape[1] / max(float(weights.sum()), 1e-6)
        return np.asarray(cells.ravel()[self._index] * np.float32(scale))


def _blurred(values: Floats, axis: int) -> Floats:
    """Mix with both neighbors; what leaves the array is lost."""
    if values.shape[axis] == 1:
        return values
    blurred = 0.5 * values
    to, source = np.moveaxis(blurred, axis, 0), np.moveaxis(values, axis, 0)
    to[1:] += 0.25 * source[:-1]
    to[:-1] += 0.25 * source[1:]
    return blurred


def _odds_of_strangeness(colors: Floats, is_border: Mask) -> Floats:
    """Return how much rarer a color is than the rare ones of the border at that height."""
    density = _Cells(colors, _ROWS, 1).density(is_border.astype(np.float32)) + _RARE
    familiar = np.quantile(density[is_border], _FAMILIAR)
    return np.asarray(np.clip(np.log(familiar / density), -_LIMIT, _LIMIT), dtype=np.float32)


def _border(shape: tuple[int, ...], widths: int = 1) -> Mask:
    width = widths * max(2, round(_BORDER * min(shape)))
    is_border = np.ones(shape, dtype=np.bool_)
    is_border[width:-width, width:-width] = False
    return is_border


def _squared_distance(shape: tuple[int, ...]) -> Floats:
    """Return the square of the distance from the middle, 1 at the middle of each edge, [H, W]."""
    y, x = ((2.0 * np.arange(side, dtype=np.float32) + 1.0) / side - 1.0 for side in shape)
    return np.asarray(np.square(y)[:, None] + np.square(x)[None, :], dtype=np.float32)


def _perceived(rgb: NDArray[np.uint8]) -> Floats:
    """Return CIELAB with a lightness that counts less, [H, W, 3]."""
    table = np.arange(256, dtype=np.float32) / 255.0
    table = np.where(table <= 0.04045, table / 12.92, ((table + 0.055) / 1.055) ** 2.4)
    x, y, z = np.moveaxis(np.cbrt(table.astype(np.float32)[rgb] @ _TO_XYZ.T), 2, 0)
    lightness = _LIGHT * (116.0 * y - 16.0)
    lab = np.stack([lightness, 500.0 * (x - y), 200.0 * (y - z)], axis=2)
    return np.asarray(lab, dtype=np.float32)
