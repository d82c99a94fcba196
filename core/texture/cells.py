# SPDX-License-Identifier: GPL-3.0-or-later
"""Cover shapes, given by their outlines, with cells: every cell that they touch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Outlines:
    """The edges around shapes, closed, holes included.

    Where edges meet, their ends must agree to the last bit: insides are found by counting edges.
    """

    shape: NDArray[np.int64]  # which shape an edge belongs to, [E]
    points: NDArray[np.float64]  # both ends, [E, 2, 2]

    def scaled(self, scale: float) -> Outlines:
        """Return the outlines at another scale."""
        return Outlines(self.shape, self.points * scale)


@dataclass(frozen=True, slots=True)
class Bitmaps:
    """One bitmap per shape, of cells, row 0 at the bottom."""

    cell: int  # texels per side
    origin: NDArray[np.float64]  # texels, where cell (0, 0) begins, [N, 2]
    sizes: NDArray[np.int64]  # columns and rows, [N, 2]
    first: NDArray[np.int64]  # where each shape's cells begin in `cells`, [N + 1]
    cells: NDArray[np.bool_]

    def bitmap(self, number: int) -> NDArray[np.bool_]:
        """Return the cells of one shape, [rows, columns]."""
        columns, rows = self.sizes[number]
        return self.cells[self.first[number] : self.first[number + 1]].reshape(rows, columns)

    def counts(self) -> NDArray[np.int64]:
        """Return how many cells each shape covers, [N]."""
        return np.add.reduceat(self.cells.astype(np.int64), self.first[:-1])


def cover_cells(outlines: Outlines, cell: int, padding: int) -> Bitmaps:
    """Return the cells that shapes touch when grown by half the padding.

    Args:
        outlines: in texels.
        cell: texels per side of a cell.
        padding: texels that two shapes must keep between them.
    """
    low, high = _boxes(outlines.points)
    order = np.argsort(outlines.shape, kind="stable")
    starts = np.flatnonzero(np.diff(outlines.shape[order], prepend=-1))
    origin = np.minimum.reduceat(low[order], starts) - padding / 2
    far = np.maximum.reduceat(high[order], starts) + padding / 2
    sizes = np.floor((far - origin) / cell).astype(np.int64) + 1
    first = np.concatenate([[0], np.cumsum(sizes.prod(axis=1))])
    shape, points = _short_pieces(outlines, cell)
    points = (points - origin[shape][:, None]) / cell
    cells = _inner_cells(shape, points, sizes, first)
    _mark_boxes(cells, shape, points, padding / 2 / cell, sizes, first)
    return Bitmaps(cell, origin, sizes, first, cells)


def _boxes(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the lower and upper corners of the boxes around edges, [E, 2]."""
    return np.minimum(points[:, 0], points[:, 1]), np.maximum(points[:, 0], points[:, 1])


def _short_pieces(
    outlines: Outlines, longest: float
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Cut edges into pieces no longer than a cell in either direction, [P] and [P, 2, 2]."""
    start = outlines.points[:, 0]
    along = outlines.points[:, 1] - start
    length = np.maximum(*np.abs(along).T)
    pieces = np.maximum(1, np.ceil(length / longest)).astype(np.int64)
    owner = np.repeat(np.arange(len(pieces)), pieces)
    number = np.arange(len(owner)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    ends = np.stack([number, number + 1], axis=1) / pieces[owner][:, None]  # [P, 2]
    points = start[owner][:, None] + along[owner][:, None] * ends[:, :, None]
    # The last piece must end exactly where the next edge starts, else a parity could be lost.
    points[:, 1][number + 1 == pieces[owner]] = outlines.points[:, 1]
    return outlines.shape[owner], points


def _inner_cells(
    shape: NDArray[np.int64],
    points: NDArray[np.float64],
    sizes: NDArray[np.int64],
    first: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Return the cells whose centre is inside, by counting the crossings to their left."""
    half_rows = np.floor(points[:, :, 1] - 0.5).astype(np.int64)  # centres below, minus one
    crosses = half_rows[:, 0] != half_rows[:, 1]
    # A piece is at most one cell high, so that it crosses one line of centres at most.
    row = np.maximum(*half_rows[crosses].T)
    (x0, y0), (x1, y1) = points[crosses].transpose(1, 2, 0)
    crossing = x0 + (row + 0.5 - y0) / (y1 - y0) * (x1 - x0)
    columns = sizes[shape[crosses], 0]
    next_centre = np.clip(np.ceil(crossing - 0.5).astype(np.int64), 0, columns)
    changes = np.zeros(first[-1] + 1, dtype=np.int64)
    # A change after the last column falls on the next row's first cell, as it should: the two
    # crossings of a row cancel there.
    np.add.at(changes, first[shape[crosses]] + row * columns + next_centre, 1)
    is_inside: NDArray[np.bool_] = np.cumsum(changes)[:-1] % 2 == 1
    return is_inside


def _mark_boxes(
    cells: NDArray[np.bool_],
    shape: NDArray[np.int64],
    points: NDArray[np.float64],
    margin: float,
    sizes: NDArray[np.int64],
    first: NDArray[np.int64],
) -> None:
    """Mark the cells that the box around each piece touches, grown by `margin` cells."""
    least, largest = _boxes(points)
    low = np.floor(least - margin).astype(np.int64).clip(0)
    high = np.floor(largest + margin).astype(np.int64)
    high = np.minimum(high, sizes[shape] - 1)
    columns, rows = (high - low).max(axis=0)
    for right in range(columns + 1):
        for up in range(rows + 1):
            x = np.minimum(low[:, 0] + right, high[:, 0])
            y = np.minimum(low[:, 1] + up, high[:, 1])
            cells[first[shape] + y * sizes[shape, 0] + x] = True
