# SPDX-License-Identifier: GPL-3.0-or-later
"""Evaluate a field only near its surface, with the same surface as on the dense grid.

Cells of stride 8 (at R = 128) are kept and halved where their corners differ in sign, or where
the surface could pass through unseen: with h = atanh(value) and L the steepest slope of h, a
corner rules out a surface nearer than |h| / L. A part that leaves a cell crosses one of its
faces, no point of which is farther than 0.71 strides from a corner, so min |h| > 0.71 L stride
leaves room only for parts that fit inside the cell. Three nets hang under that guard:

- L is measured on every level; where it outgrows what was assumed, the descent starts again.
- Where an evaluated node disagrees with the sign of a skipped cell that touches it, that cell is
  opened too: a surface found anywhere is followed to its end.
- Random skipped nodes are audited; one wrong sign and every node is evaluated.

The grid need not be divisible: the last cell of a level may be narrower (127 cells are prime).
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from .grid import GridValues, NodeEvaluator, OnFraction, evaluate_dense, ignore_fraction
from .slopes import SATURATED, largest_around, slopes_over, steepest_of

_COARSE_CELLS = 12
"""Fewest cells per axis on the coarsest level."""

_MARGIN = 1.16
"""How much larger than measured L may be; beyond that the descent starts again."""

_LOCAL_MARGIN = 1.3
"""The same for the last level, where L is what was measured in and around each cell: fields of
networks are three times as steep at a few creases as they are elsewhere."""

_THIN = 0.5
"""Radius of the thinnest parts guarded, in cells of the finest level; thinner ones hold no node
or a few by chance."""

_BAND = math.tanh(1.5)
"""Slopes count where |value| is less: farther out the field may be steep without a surface."""

_AUDIT_SEED = 0x5EED

_QUICK_STRIDES = (4, 2, 1)
"""Levels of the quick descent."""


def sparse_strides(resolution: int) -> list[int]:
    """Return the strides to descend through, halving down to 1."""
    strides = [1]
    while (resolution - 1) // (strides[0] * 2) >= _COARSE_CELLS:
        strides.insert(0, strides[0] * 2)
    return strides


def evaluate_sparse(
    evaluator: NodeEvaluator, on_progress: OnFraction = ignore_fraction
) -> GridValues:
    """Evaluate the nodes of all cells that the surface crosses and fill in the sign elsewhere.

    Falls back to evaluating everything where an audited node has the wrong sign or where no
    surface was found at all.
    """
    levels = [_Level(evaluator, stride) for stride in sparse_strides(evaluator.resolution)]
    if len(levels) == 1:
        return evaluate_dense(evaluator, on_progress)
    coarse_nodes = torch.arange(levels[0].num_nodes ** 3, device=evaluator.device)
    evaluator.evaluate(levels[0].grid_index(coarse_nodes))
    slope = 0.0
    inside: Tensor | None = None
    while inside is None:
        slope, inside = _descend(evaluator, levels, slope, on_progress)
    if not evaluator.settle(inside):
        return evaluate_sparse(evaluator, on_progress)
    if not bool(inside.any()) or not _audit(evaluator, inside.view(-1)):
        return evaluate_dense(evaluator, on_progress)
    on_progress(1.0)
    return _filled(evaluator, inside)


def evaluate_quick(
    evaluator: NodeEvaluator, on_progress: OnFraction = ignore_fraction
) -> GridValues:
    """Evaluate only where nodes differ in sign: finds what hangs together with anything seen on
    the coarsest level, or on the next one where that shows nothing at all."""
    levels = [_Level(evaluator, stride) for stride in _QUICK_STRIDES]
    coarse_nodes = torch.arange(levels[0].num_nodes ** 3, device=evaluator.device)
    evaluator.evaluate(levels[0].grid_index(coarse_nodes))
    inside = levels[0].values() > 0
    for number, (level, finer) in enumerate(pairwise(levels)):
        values = level.values()
        cells = _lies_within(-_largest_corner(-values), _largest_corner(values), 0.0)
        if number == 0 and not bool(cells.any()):
            cells[:] = True
        inside = _open_cells(evaluator, finer, cells, inside, _part(on_progress, number, levels))
    return _filled(evaluator, inside)


class _Level:
    """The nodes and cells of one stride; both are numbered [x, y, z] from 0."""

    def __init__(self, evaluator: NodeEvaluator, stride: int) -> None:
        self._evaluator = evaluator
        last = evaluator.resolution - 1
        self.num_cells = -(-last // stride)
        self.num_nodes = self.num_cells + 1
        self.cell = 2.0 / last
        self.spacing = self.cell * stride
        self._places = (torch.arange(self.num_nodes, device=evaluator.device) * stride).clamp(
            max=last
        )

    def values(self) -> Tensor:
        """Return the values of all nodes, NaN where unknown, [M, M, M]."""
        dense = self._evaluator.values.view((self._evaluator.resolution,) * 3)
        return dense[self._places][:, self._places][:, :, self._places]

    def grid_index(self, nodes: Tensor) -> Tensor:
        """Turn flat node numbers of this level into those of the full grid, int64 [N]."""
        size, full = self.num_nodes, self._evaluator.resolution
        if size == full:
            return nodes
        x = torch.div(nodes, size * size, rounding_mode="floor")
        y = torch.div(nodes, size, rounding_mode="floor") % size
        x, y, z = self._places[torch.stack([x, y, nodes % size])].unbind(0)
        return (x * full + y) * full + z

    def guard(self, slope: Tensor) -> Tensor:
        """Return the |value| below which a corner may have a surface near it that no corner shows.

        Args:
            slope: steepest slope of h, of all cells or of each.
        """
        distance = 2**-0.5 * self.spacing - _THIN * self.cell
        h = slope * distance + self._evaluator.error
        return torch.where(h < SATURATED, torch.tanh(h), math.inf)


def _filled(evaluator: NodeEvaluator, inside: Tensor) -> GridValues:
    """Fill in the sign of the nodes that were not evaluated, bool [R, R, R]."""
    evaluator.check()
    values = evaluator.values.view_as(inside)
    is_exact = evaluator.is_exact.view_as(inside)
    values.masked_fill_(torch.isnan(values).logical_and_(inside), 1.0).nan_to_num_(nan=-1.0)
    return GridValues(values, evaluator.num_queries, is_dense=False, is_exact=is_exact)


def _descend(
    evaluator: NodeEvaluator, levels: list[_Level], slope: float, on_progress: OnFraction
) -> tuple[float, Tensor | None]:
    """Go from the coarsest to the finest level once.

    Args:
        slope: steepest slope of h found so far; 0 at first.
    Returns:
        The steepest slope, and which nodes are inside, bool [R, R, R]; None instead of them
        where the slope outgrew what the coarser levels had assumed.
    """
    inside = levels[0].values() > 0
    cells = torch.ones((levels[0].num_cells,) * 3, dtype=torch.bool, device=inside.device)
    for number, (level, finer) in enumerate(pairwise(levels)):
        evaluator.check()
        values = level.values()
        lowest, highest = -_largest_corner(-values), _largest_corner(values)
        slopes = slopes_over(values, cells & _lies_within(lowest, highest, _BAND)) / level.spacing
        steepest = steepest_of(slopes)
        if slope and steepest > slope * _MARGIN:
            return steepest, None
        slope = max(slope, steepest)
        evaluator.check()
        limit = torch.full((), _MARGIN * slope, device=slopes.device)
        if finer is levels[-1]:
            limit = torch.minimum(limit, _LOCAL_MARGIN * largest_around(slopes))
        cells &= _lies_within(lowest, highest, level.guard(limit))
        inside = _open_cells(evaluator, finer, cells, inside, _part(on_progress, number, levels))
        cells = _halve(cells, finer.num_cells)
    return slope, inside


def _open_cells(
    evaluator: NodeEvaluator, finer: _Level, cells: Tensor, inside: Tensor, on_progress: OnFraction
) -> Tensor:
    """Evaluate all nodes of the finer level that belong to kept cells.

    Keeps more cells, marking them in `cells`, until no skipped one touches a node of other sign.

    Args:
        cells: which cells of the coarser level are kept, changed in place.
        inside: the coarser level's signs; those of a skipped cell are all the same.
    Returns:
        The finer level's signs, bool [M, M, M].
    """
    finer_inside = _halve(inside, finer.num_nodes)
    opened = cells
    while bool(opened.any()):
        evaluator.check()
        nodes = _nodes_within(opened, finer.num_nodes).view(-1).nonzero()[:, 0]
        places = finer.grid_index(nodes)
        evaluator.evaluate(places[torch.isnan(evaluator.values[places])], on_progress)
        evaluator.check()
        finer_inside.view(-1)[nodes] = evaluator.values[places] > 0
        opened = _has_both_signs(finer_inside) & ~cells
        cells |= opened
    return finer_inside


def _lies_within(lowest: Tensor, highest: Tensor, limit: float | Tensor) -> Tensor:
    """Whether a cell's corners differ in sign or one is nearer to zero than `limit`."""
    return (lowest < limit) & (highest > -limit) | (lowest <= 0) & (highest > 0)


def _largest_corner(nodes: Tensor) -> Tensor:
    """Return the largest of the eight corners of each cell."""
    nodes = torch.maximum(nodes[:-1], nodes[1:])
    nodes = torch.maximum(nodes[:, :-1], nodes[:, 1:])
    return torch.maximum(nodes[:, :, :-1], nodes[:, :, 1:])


def _nodes_within(cells: Tensor, size: int) -> Tensor:
    """Mark the nodes of a level that lie in the marked cells of the coarser one, [size]^3."""
    for axis in range(3):
        shape = list(cells.shape)
        shape[axis] = size
        nodes = cells.new_zeros(shape)
        for step in range(3):
            # The last cell may be too narrow to have a node in its middle.
            places = nodes[(slice(None),) * axis + (slice(step, None, 2),)]
            count = min(cells.shape[axis], places.shape[axis])
            places.narrow(axis, 0, count).logical_or_(cells.narrow(axis, 0, count))
        cells = nodes
    return cells


def _has_both_signs(inside: Tensor) -> Tensor:
    """Whether the 27 nodes of each coarser cell differ in sign, from the finer level's signs."""
    some = every = inside
    for axis in range(3):
        # An even number of nodes means that the last cell was too narrow to be halved.
        if inside.shape[axis] % 2 == 0:
            some = torch.cat([some, some.narrow(axis, -1, 1)], dim=axis)
            every = torch.cat([every, every.narrow(axis, -1, 1)], dim=axis)
        size = some.shape[axis]
        first, middle, last = (
            (slice(None),) * axis + (slice(k, size - 2 + k, 2),) for k in range(3)
        )
        some = some[first] | some[middle] | some[last]
        every = every[first] & every[middle] & every[last]
    return some & ~every


def _audit(evaluator: NodeEvaluator, inside: Tensor) -> bool:
    """Evaluate random skipped nodes; return whether all have the sign filled in for them."""
    generator = torch.Generator().manual_seed(_AUDIT_SEED)
    count = evaluator.resolution**2 // 2  # grows with the surface, not the volume
    nodes = torch.unique(torch.randint(len(inside), (count,), generator=generator))
    nodes = nodes.to(inside.device)
    nodes = nodes[torch.isnan(evaluator.values[nodes])]
    evaluator.evaluate(nodes)
    return bool(((evaluator.values[nodes] > 0) == inside[nodes]).all())


def _halve(array: Tensor, size: int) -> Tensor:
    """Repeat the entries of a cubic array twice along each axis, cropped to [size]^3."""
    place = torch.arange(size, device=array.device) // 2
    # From the last axis to the first, so that the largest copies are of whole planes.
    return array[:, :, place][:, place][place]


def _part(on_progress: OnFraction, number: int, levels: list[_Level]) -> OnFraction:
    """Return a progress callback for one level; each costs about four times the one before."""
    total = 4.0 ** (len(levels) - 1) - 1
    start, stop = ((4.0**k - 1) / total for k in (number, number + 1))
    return lambda fraction: on_progress(start + fraction * (stop - start))
