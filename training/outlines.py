# SPDX-License-Identifier: GPL-3.0-or-later
"""Outlines of rasterised meshes, blended over the pixels they cross: what makes shape learnable.

Which triangle a pixel shows jumps as vertices move. Where an outline passes between two
neighbouring pixels, the share of the one that the nearer surface covers is blended into it, so that
the picture follows the outline smoothly. That is the antialiasing of Laine et al. (2020),
arXiv:2011.03277, section 3.4, except that it goes by outline edges rather than by the visible
triangles of pixels: triangles of marching cubes are often smaller than a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .raster import Fragments, Projection

_TIE = 1e-5
"""Relative: an outline counts unless something is nearer than it by more than that."""


class _Crossings(NamedTuple):
    """Where outlines pass between the centres of two pixels."""

    covered: Tensor
    """The pixel on the side of the surface, [K]."""
    other: Tensor
    """Its neighbour beyond the outline, [K]."""
    reach: Tensor
    """From the covered pixel's centre to the outline, 0 to 1, with gradients, [K]."""
    depth: Tensor
    """Of the outline there, [K]."""


def blend_outlines(
    picture: Tensor, projection: Projection, faces: Tensor, fragments: Fragments
) -> Tensor:
    """Return a picture whose outlines are blended.

    Args:
        picture: what the pixels' centres show, [S, S, C].
        projection: of the mesh.
        faces: [F, 3], any orientation, but all the same.
        fragments: what the picture was made of.
    """
    size = picture.shape[0]
    edges, opposite = _outline_edges(projection.screen, faces)
    found = [_crossings(projection, edges, opposite, axis, size) for axis in (0, 1)]
    crossings = _Crossings(*(torch.cat(each) for each in zip(*found, strict=True)))
    crossings = _visible(crossings, fragments.depth)
    flat = picture.reshape(size * size, -1)
    covered, other = flat[crossings.covered], flat[crossings.other]
    beyond = (crossings.reach - 0.5)[:, None]
    # Beyond the middle the surface reaches into its neighbour, else the neighbour into it.
    into_other = beyond.clamp(min=0) * (covered - other)
    into_covered = (-beyond).clamp(min=0) * (other - covered)
    flat = flat.index_add(0, crossings.other, into_other)
    return flat.index_add(0, crossings.covered, into_covered).view_as(picture)


@torch.no_grad()
def _outline_edges(screen: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
    """Return edges between what faces the camera and what does not, or nothing, [E, 2].

    With each comes the third corner of its triangle on the surface's side, [E].
    """
    corners = screen[faces]
    first, second = (corners[:, k] - corners[:, 0] for k in (1, 2))
    is_front = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0] > 0
    sides = torch.stack([faces, faces.roll(-1, 1), faces.roll(-2, 1)], dim=-1).view(-1, 3)
    low, high = sides[:, :2].long().aminmax(dim=1)
    number = low * len(screen) + high
    unique, which = torch.unique(number, return_inverse=True)
    front = is_front.repeat_interleave(3)
    total = torch.bincount(which, minlength=len(unique))
    num_front = torch.bincount(which[front], minlength=len(unique))
    is_outline = (total == 1) | ((num_front > 0) & (num_front < total))
    # Of its triangles one that faces the camera; where only one is there, that one.
    stands = is_outline[which] & (front | (total == 1)[which])
    chosen = torch.full((len(unique),), len(sides), device=faces.device)
    rows = stands.nonzero()[:, 0]
    chosen.scatter_reduce_(0, which[rows], rows, "amin")
    chosen = chosen[is_outline]
    return sides[chosen, :2].long(), sides[chosen, 2].long()


def _crossings(
    projection: Projection, edges: Tensor, opposite: Tensor, axis: int, size: int
) -> _Crossings:
    """Return where steep edges pass between pixels of a row, or flat ones between rows.

    Args:
        projection: of the mesh.
        edges: [E, 2].
        opposite: a vertex on the surface's side of each, [E].
        axis: 0 for pairs side by side, 1 for pairs one above the other.
        size: pixels per side.
    """
    screen = projection.screen
    across = (screen[edges[:, 1]] - screen[edges[:, 0]]).detach().abs()
    steep = across[:, 1] >= across[:, 0]
    kept = (steep if axis == 0 else ~steep).nonzero()[:, 0]
    ends, line = _lines_crossed(screen.detach()[edges[kept], 1 - axis], size)
    kept = kept[ends]
    start, end = (screen[edges[kept, k]] for k in (0, 1))
    step = end - start
    share = (line - start[:, 1 - axis]) / step[:, 1 - axis]
    place = start[:, axis] + share * step[:, axis]
    lower = place.detach().floor().long()
    third = screen.detach()[opposite[kept]] - start.detach()
    turn = step[:, 0] * third[:, 1] - step[:, 1] * third[:, 0]
    towards = step[:, 1] if axis == 0 else -step[:, 0]
    covers_lower = (turn > 0) == (towards > 0)
    inverse = 1 / projection.depth.detach()[edges[kept]]
    depth = 1 / (inverse[:, 0] + share.detach() * (inverse[:, 1] - inverse[:, 0]))
    is_in = (lower >= 0) & (lower + 1 < size) & (turn != 0)
    below, above = (_pixel(lower + k, line, axis, size) for k in (0, 1))
    fraction = place - lower
    crossings = _Crossings(
        torch.where(covers_lower, below, above),
        torch.where(covers_lower, above, below),
        torch.where(covers_lower, fraction, 1 - fraction),
        depth,
    )
    return _Crossings(*(each[is_in] for each in crossings))


def _lines_crossed(ends: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return each whole number that lies between two ends [E, 2], and which pair it lies in.

    The upper end is excluded, so that edges that meet are not counted twice.
    """
    low, high = (each.ceil().clamp(0, size).long() for each in ends.aminmax(dim=1))
    counts = high - low
    owners = torch.arange(len(ends), device=ends.device).repeat_interleave(counts)
    before = (counts.cumsum(0) - counts).repeat_interleave(counts)
    lines = low[owners] + torch.arange(len(owners), device=ends.device) - before
    return owners, lines.to(ends)


def _pixel(place: Tensor, line: Tensor, axis: int, size: int) -> Tensor:
    column, row = (place, line.long()) if axis == 0 else (line.long(), place)
    return row * size + column


def _visible(crossings: _Crossings, depth: Tensor) -> _Crossings:
    """Leave out what is hidden beyond the outline, and all but the nearest between two pixels."""
    is_seen = depth[crossings.other] >= crossings.depth * (1 - _TIE)
    crossings = _Crossings(*(each[is_seen] for each in crossings))
    pairs = torch.stack([crossings.covered, crossings.other], dim=1).sort(dim=1).values
    _, which = torch.unique(pairs, dim=0, return_inverse=True)
    nearest = crossings.depth.new_full((len(which),), torch.inf)
    nearest.scatter_reduce_(0, which, crossings.depth, "amin")
    is_first = crossings.depth == nearest[which]
    return _Crossings(*(each[is_first] for each in crossings))
