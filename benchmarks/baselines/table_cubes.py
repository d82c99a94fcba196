# SPDX-License-Identifier: GPL-3.0-or-later
"""Marching cubes over every cell of the grid, the way that fits tensors best.

All cells are looked up in the table whether the surface crosses them or not, each with the
numbers of its twelve edges; what is not needed is dropped afterwards.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ...core.geometry.mc_tables import edge_corners, triangle_table


def table_marching_cubes(field: Tensor) -> tuple[Tensor, Tensor]:
    """Return vertices [V, 3] in [-1, 1]^3 and faces [F, 3] of a field that is positive inside.

    Vertices come in Shap-E's order: along x, then y, then z, each by position.

    Args:
        field: at the nodes of a cube whose first and last lie at -1 and 1, [R, R, R].
    """
    size = field.shape[0]
    codes = _codes(field > 0)
    triangles, counts = (torch.from_numpy(table.copy()).long() for table in triangle_table())
    corners = _cell_corners(size)  # [C, 8], the flat node of each corner
    edges = torch.tensor(edge_corners())  # [12, 2]
    low = corners[:, edges[:, 0]]  # [C, 12]
    numbers = low + _axes(edges) * size**3  # An edge is named by its axis and lower node.
    local = triangles[codes]  # [C, 5, 3]
    used = torch.arange(local.shape[1]) < counts[codes][:, None]
    chosen = torch.gather(numbers, 1, local.flatten(1)).view_as(local)[used]  # [F, 3]
    unique, faces = torch.unique(chosen, return_inverse=True)
    start = unique % size**3
    step = torch.tensor([size * size, size, 1])[unique // size**3]
    return _crossings(field, start, start + step), faces


def _codes(inside: Tensor) -> Tensor:
    """Return which corners of each cell are inside, bit x + 2y + 4z, [C]."""
    last = inside.shape[0] - 1
    total = torch.zeros((last,) * 3, dtype=torch.long)
    for corner in range(8):
        x, y, z = corner & 1, corner >> 1 & 1, corner >> 2
        total += inside[x : x + last, y : y + last, z : z + last].long() << corner
    return total.flatten()


def _cell_corners(size: int) -> Tensor:
    nodes = torch.arange(size**3).view(size, size, size)
    last = size - 1
    corners = [
        nodes[x : x + last, y : y + last, z : z + last].flatten()
        for z in (0, 1)
        for y in (0, 1)
        for x in (0, 1)
    ]
    return torch.stack(corners, dim=1)


def _axes(edges: Tensor) -> Tensor:
    """Return the axis of each edge: its corners differ in one bit, [12]."""
    return (edges[:, 0] ^ edges[:, 1]).float().log2().long()


def _crossings(field: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Return the zeros between flat nodes, the field being linear there, [V, 3]."""
    size = field.shape[0]
    values = field.flatten()
    share = (values[start] / (values[start] - values[end]))[:, None]
    places = [
        torch.stack([node // size**2, node // size % size, node % size], dim=1) / (size - 1) * 2 - 1
        for node in (start, end)
    ]
    return places[0] + share * (places[1] - places[0])
