# SPDX-License-Identifier: GPL-3.0-or-later
"""Marching cubes (Lorensen and Cline, 1987) over the cells that the surface crosses.

Vertices lie on grid edges, shared between the cells around an edge, and come out in the order
of Shap-E's own code (x edges, y edges, z edges, each by position), with the same triangles. The
mesh is closed and two-sided at every edge; `border` says how it ends where the field is still
positive at the box.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from ..interrupt import Check, ignore
from .mc_tables import edge_corners, triangle_table

Border = Literal["closed", "openai", "open"]
"""What happens at the box.

`closed`: a surface that leaves the box is cut flat at its face; vertices keep their true places.
`openai`: as Shap-E does it: one more node of -1 on every side, the larger grid then squeezed into
the same box, so that everything comes out (R - 1) / (R + 1) of its size.
`open`: the mesh ends at the box.
"""

Crossing = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
"""Ends of grid edges [V, 3] twice and the field there [V] twice, to the zero between, 0..1 [V]."""

_OUTSIDE = -1e30
"""Field beyond a closed box: so negative that the zero lies at the face of the box."""

_CLEARANCE = 2e-6
"""Distance kept between a vertex and the ends of its edge, as a fraction of the box.

Several vertices would otherwise fall together where the field is zero at a node, and leave
triangles without area. It is 4e-6 for the box of side 2: float32 can tell them apart.
"""


def linear_crossing(start: Tensor, end: Tensor, at_start: Tensor, at_end: Tensor) -> Tensor:
    """Return where a field that is linear between the ends is zero."""
    return at_start / (at_start - at_end)


def marching_cubes(
    field: Tensor,
    minimum: float | Tensor = -1.0,
    maximum: float | Tensor = 1.0,
    *,
    border: Border = "closed",
    crossing: Crossing = linear_crossing,
    check: Check = ignore,
) -> tuple[Tensor, Tensor]:
    """Return the surface where a field is zero, on the field's device.

    Args:
        field: signed distance, positive inside, [X, Y, Z], at least two nodes per axis.
        minimum: position of the first node, a number or [3].
        maximum: position of the last node.
        border: how surfaces end at the box.
        crossing: finds the zero along a grid edge; it is not asked about the face of the box.
        check: called before each pass over the grid or the triangles; may raise to stop.
    Returns:
        Vertices, float32 [V, 3], and faces, int32 [F, 3], counter-clockwise seen from outside.
        Both are empty where the field has no zero. With `closed`, vertices on the face of the
        box lie 4e-6 outside it.
    """
    check()
    low = torch.as_tensor(minimum, dtype=torch.float32, device=field.device).expand(3)
    high = torch.as_tensor(maximum, dtype=torch.float32, device=field.device).expand(3)
    field = field.float()
    lattice = _Lattice(field, torch.tensor(field.shape) - 1, low, high - low, first=0)
    if border == "openai":
        field = torch.nn.functional.pad(field, (1,) * 6, value=-1.0)
        lattice = _Lattice(field, torch.tensor(field.shape) - 1, low, high - low, first=0)
    elif border == "closed" and _reaches_border(field):
        padded = torch.nn.functional.pad(field, (1,) * 6, value=_OUTSIDE)
        lattice = _Lattice(padded, lattice.intervals, low, high - low, first=-1)
    check()
    edges, faces = _triangulate(lattice.values > 0, check)
    check()
    return _place_vertices(lattice, edges, crossing), faces


@dataclass(frozen=True, slots=True)
class _Lattice:
    """Field values and where their nodes are: node i at low + size * (i + first) / intervals."""

    values: Tensor  # [X, Y, Z]
    intervals: Tensor  # [3]
    low: Tensor  # [3]
    size: Tensor  # [3]
    first: int

    def points(self, nodes: Tensor) -> Tensor:
        """Return the positions of nodes, int64 [N, 3] to float32 [N, 3]."""
        # Shap-E's order of operations, so that the positions agree to the last bit.
        return (nodes + self.first).float() / self.intervals.to(self.low) * self.size + self.low


def _reaches_border(field: Tensor) -> bool:
    faces = [field.select(axis, side) for axis in range(3) for side in (0, -1)]
    return any(bool((face > 0).any()) for face in faces)


def _triangulate(inside: Tensor, check: Check) -> tuple[Tensor, Tensor]:
    """Return the crossed grid edges, sorted, [V], and triangles between them, int32 [F, 3].

    An edge is numbered by its axis and lower node; see `_edge_bases`.
    """
    codes = _case_codes(inside)
    check()
    # A byte wraps from 255 to 0, so that one comparison excludes both empty and full cells.
    cells = (codes + 1 > 1).view(-1).nonzero()[:, 0]
    check()
    codes = codes.view(-1)[cells].long()
    triangles, counts, axes, steps = _device_tables(inside.shape, inside.device)
    owner = torch.repeat_interleave(counts[codes])
    number = torch.arange(len(owner), device=inside.device)
    first_of_cell = counts[codes].cumsum(0) - counts[codes]
    local = triangles[codes[owner], number - first_of_cell[owner]]  # [F, 3]
    lowest = _edges_of_corner(cells, inside.shape)  # [C, 3]
    edges = lowest[owner].gather(1, axes[local]) + steps[local]
    check()
    unique, faces = torch.unique(edges, return_inverse=True)
    return unique, faces.int()


def _case_codes(inside: Tensor) -> Tensor:
    """Return which corners of each cell are inside, bit x + 2y + 4z, uint8."""
    codes = inside.to(torch.uint8)
    codes = codes[:-1] | codes[1:] << 1
    codes = codes[:, :-1] | codes[:, 1:] << 2
    return codes[:, :, :-1] | codes[:, :, 1:] << 4


def _edge_bases(shape: torch.Size) -> list[int]:
    """Return the number of the first x edge, y edge and z edge, and how many edges there are."""
    x, y, z = shape
    counts = ((x - 1) * y * z, x * (y - 1) * z, x * y * (z - 1))
    return [0, counts[0], counts[0] + counts[1], sum(counts)]


def _edge_shapes(shape: torch.Size) -> list[tuple[int, int, int]]:
    """Return the extent of the lower nodes of the x, y and z edges."""
    x, y, z = shape
    return [(x - 1, y, z), (x, y - 1, z), (x, y, z - 1)]


def _edges_of_corner(cells: Tensor, shape: torch.Size) -> Tensor:
    """Return the numbers of the x, y and z edge from the lowest corner of each cell, [C, 3]."""
    x, y, z = _unravel(cells, (shape[0] - 1, shape[1] - 1, shape[2] - 1)).unbind(1)
    bases = _edge_bases(shape)
    numbers = [
        base + (x * height + y) * depth + z
        for base, (_, height, depth) in zip(bases, _edge_shapes(shape), strict=False)
    ]
    return torch.stack(numbers, dim=1)


@cache
def _tables() -> tuple[Tensor, Tensor]:
    triangles, counts = triangle_table()
    return torch.from_numpy(triangles.copy()), torch.from_numpy(counts.copy())


def _device_tables(
    shape: torch.Size, device: torch.device
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return triangles and counts of the cases, and axis and step of the 12 edges of a cell.

    The step leads from the number of the edge of that axis at the cell's lowest corner.
    """
    triangles, counts = _tables()
    axes, steps = [], []
    for low, high in edge_corners():
        axis = (low ^ high).bit_length() - 1
        _, height, depth = _edge_shapes(shape)[axis]
        x, y, z = low & 1, low >> 1 & 1, low >> 2
        axes.append(axis)
        steps.append((x * height + y) * depth + z)
    tables = (triangles, counts, torch.tensor(axes), torch.tensor(steps))
    return tuple(table.to(device) for table in tables)  # type: ignore[return-value]


def _place_vertices(lattice: _Lattice, edges: Tensor, crossing: Crossing) -> Tensor:
    """Return the zero on each crossed edge, float32 [V, 3]."""
    start, axis = _edge_starts(edges, lattice.values.shape)
    end = start.clone()
    end[torch.arange(len(end), device=end.device), axis] += 1
    at_start = lattice.values[start[:, 0], start[:, 1], start[:, 2]]
    at_end = lattice.values[end[:, 0], end[:, 1], end[:, 2]]
    from_points, to_points = lattice.points(start), lattice.points(end)
    fraction = linear_crossing(from_points, to_points, at_start, at_end)
    if crossing is not linear_crossing:
        known = torch.minimum(at_start, at_end) > _OUTSIDE
        ends = (from_points[known], to_points[known], at_start[known], at_end[known])
        fraction[known] = crossing(*ends)
    clearance = _CLEARANCE * lattice.intervals.to(fraction)[axis]
    fraction = torch.clamp(fraction, clearance, 1 - clearance)[:, None]
    return fraction * to_points + (1 - fraction) * from_points


def _edge_starts(edges: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Return the lower node, int64 [V, 3], and the axis, [V], of sorted edge numbers."""
    bases = torch.tensor(_edge_bases(shape), device=edges.device)
    first, second, third = torch.searchsorted(edges, bases[1:]).tolist()
    parts = (edges[:first], edges[first:second], edges[second:third])
    starts = [
        _unravel(part - base, extent)
        for part, base, extent in zip(parts, bases, _edge_shapes(shape), strict=False)
    ]
    axis = torch.bucketize(edges, bases[1:], right=True)
    return torch.cat(starts), axis


def _unravel(index: Tensor, shape: tuple[int, int, int]) -> Tensor:
    """Turn flat indices [N] into [x, y, z], [N, 3]."""
    plane = shape[1] * shape[2]
    x = torch.div(index, plane, rounding_mode="floor")
    y = torch.div(index, shape[2], rounding_mode="floor") % shape[1]
    return torch.stack([x, y, index % shape[2]], dim=1)
