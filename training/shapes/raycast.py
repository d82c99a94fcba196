# SPDX-License-Identifier: GPL-3.0-or-later
"""Where rays first meet shapes, many pictures at a time, on any device.

Not the union is traced but each primitive by itself, and only by the rays that meet its bounding
box: a leg of a chair is asked about a few pixels, not about the whole picture. What is nearest
along a ray then wins. Ellipsoids have a closed form. Four more solids are convex, so that their
distance is a convex function along a ray: the secant through two points never oversteps the root,
and five steps find it where sphere tracing (Hart, 1996) takes thirty. Rings are sphere traced, and
so is the way through the hollows of carved pieces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from .field import ShapeBatch
from .pieces import CARVED_ROLE, CUTTER_ROLE
from .primitives import Solid, solid_distance

_HIT = 1e-3
_SECANT_STEPS, _SPHERE_STEPS = 12, 48
_TINY = 1e-9
_DEPTH_STEP = 1e-6
_MAX_PRIMITIVES = 1 << 24


@dataclass(frozen=True, slots=True)
class Rays:
    """R straight lines, each through one shape's cube."""

    origins: Tensor  # [R, 3]
    directions: Tensor  # [R, 3], unit vectors

    def __getitem__(self, rows: Tensor) -> Rays:
        return Rays(self.origins[rows], self.directions[rows])

    def at(self, depth: Tensor) -> Tensor:
        """Return the points at a distance along each ray, [R, 3]."""
        return self.origins + depth[:, None] * self.directions


class Raycaster:
    """Finds what rays meet.

    Args:
        batch: the shapes.
    """

    def __init__(self, batch: ShapeBatch) -> None:
        self.batch = batch
        self.low, self.high = local_bounds(batch)
        is_carved = batch.roles == CARVED_ROLE
        self.is_visible = batch.roles != CUTTER_ROLE
        self.cutters = _cutters(batch)
        self.is_carved = is_carved & (self.cutters >= 0).any(dim=1)
        self.turns = batch.rotations.transpose(1, 2).contiguous()

    def into_frame(self, members: Tensor, points: Tensor) -> Tensor:
        """Return points in the frames of primitives, [R, 3] of [R] and [R, 3]."""
        shifted = points - self.batch.centres[members]
        return torch.einsum("nij,nj->ni", self.turns[members], shifted)

    def distance(self, members: Tensor, points: Tensor) -> Tensor:
        """Return the distance of each point to one primitive, cutters taken off, [R].

        Negative inside, as primitives have it.
        """
        own = self._plain_distance(members, points)
        rows = self.is_carved[members].nonzero()[:, 0]
        if len(rows):
            carved, cut = members[rows], points[rows]
            hole = torch.full_like(own[rows], float("inf"))
            for column in self.cutters.unbind(1):
                used = (column[carved] >= 0).nonzero()[:, 0]
                gap = self._plain_distance(column[carved[used]], cut[used])
                hole[used] = torch.minimum(hole[used], gap)
            own[rows] = torch.maximum(own[rows], -hole)
        return own

    def _plain_distance(self, members: Tensor, points: Tensor) -> Tensor:
        local = self.into_frame(members, points)
        result = local.new_empty(len(local))
        solids = self.batch.solids[members]
        for solid in self.batch.members:
            rows = (solids == solid).nonzero()[:, 0]
            if len(rows):
                params = self.batch.params[members[rows]]
                result[rows] = _distance(solid, local[rows], params)
        return result

    def normals(self, members: Tensor, points: Tensor, step: float = 1e-3) -> Tensor:
        """Return unit normals of primitives' surfaces, [R, 3]."""
        corners = points.new_tensor([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]])
        slope = torch.zeros_like(points)
        for corner in corners:
            slope += self.distance(members, points + step * corner)[:, None] * corner
        return torch.nn.functional.normalize(slope, dim=1)

    def span(self, members: Tensor, rays: Rays) -> tuple[Tensor, Tensor]:
        """Return where rays enter and leave the bounding boxes of primitives, [R] each.

        A ray that misses leaves before it enters.
        """
        origin = self.into_frame(members, rays.origins)
        direction = torch.einsum("nij,nj->ni", self.turns[members], rays.directions)
        direction = torch.where(direction.abs() < _TINY, _TINY, direction)
        first = (self.low[members] - origin) / direction
        second = (self.high[members] - origin) / direction
        near = torch.minimum(first, second).amax(dim=1).clamp_min(0.0)
        return near, torch.maximum(first, second).amin(dim=1)

    def depths(self, members: Tensor, rays: Rays) -> Tensor:
        """Return how far along each ray one primitive is met, inf where it is not, [R]."""
        result = rays.origins.new_full((len(members),), float("inf"))
        near, far = self.span(members, rays)
        meets, solids = near <= far, self.batch.solids[members]
        for solid in self.batch.members:
            rows = (meets & (solids == solid)).nonzero()[:, 0]
            if len(rows):
                result[rows] = self._plain_depths(
                    solid, members[rows], rays[rows], near[rows], far[rows]
                )
        rows = (result.isfinite() & self.is_carved[members]).nonzero()[:, 0]
        if len(rows):
            result[rows] = self._carved_depths(members[rows], rays[rows], result[rows], far[rows])
        return result

    def _plain_depths(
        self, solid: Solid, members: Tensor, rays: Rays, near: Tensor, far: Tensor
    ) -> Tensor:
        params = self.batch.params[members]
        origin = self.into_frame(members, rays.origins)
        direction = torch.einsum("nij,nj->ni", self.turns[members], rays.directions)
        if solid is Solid.ELLIPSOID:
            return _ellipsoid_depths(origin, direction, params)
        return _marched_depths(solid, origin, direction, params, near, far)

    def _carved_depths(self, members: Tensor, rays: Rays, near: Tensor, far: Tensor) -> Tensor:
        """Go on from where rays meet the uncut piece, through what the cutters took away."""
        found = torch.full_like(near, float("inf"))
        rows = torch.arange(len(near), device=near.device)
        depth = near
        for _ in range(_SPHERE_STEPS):
            gap = self.distance(members, rays.at(depth))
            is_hit = gap < _HIT
            found[rows[is_hit]] = depth[is_hit]
            keep = (~is_hit & (depth + gap <= far)).nonzero()[:, 0]
            if not len(keep):
                break
            rows, far, members, rays = rows[keep], far[keep], members[keep], rays[keep]
            depth = depth[keep] + gap[keep]
        return found


def _distance(solid: Solid, local: Tensor, params: Tensor) -> Tensor:
    """Return distances of points in a solid's own frame, [n] of [n, 3]."""
    return solid_distance(solid, local[:, 0], local[:, 1], local[:, 2], params)


def _ellipsoid_depths(origin: Tensor, direction: Tensor, params: Tensor) -> Tensor:
    """Return where rays from outside meet ellipsoids: a quadratic in the frame of the unit ball."""
    start, step = origin / params[:, :3], direction / params[:, :3]
    a, b = step.square().sum(dim=1), (start * step).sum(dim=1)
    # The offset of the nearest point is found first, which keeps digits far from the ball.
    aside = (start - (b / a)[:, None] * step).square().sum(dim=1)
    root = ((1.0 - aside) / a).clamp_min(0.0).sqrt()
    depth = -b / a - root
    return torch.where((aside < 1.0) & (depth > 0.0), depth, float("inf"))


def _marched_depths(
    solid: Solid, origin: Tensor, direction: Tensor, params: Tensor, near: Tensor, far: Tensor
) -> Tensor:
    """Return where rays in a solid's frame meet it between `near` and `far`, else inf, [n]."""
    found = torch.full_like(near, float("inf"))
    rows = torch.arange(len(near), device=near.device)
    depth, before, gap_before = near, near, torch.full_like(near, float("inf"))
    is_convex = solid is not Solid.TORUS
    for _ in range(_SECANT_STEPS if is_convex else _SPHERE_STEPS):
        gap = _distance(solid, origin + depth[:, None] * direction, params)
        is_hit = gap < _HIT
        found[rows[is_hit]] = depth[is_hit]
        step = gap
        if is_convex:
            secant = gap * (depth - before) / (gap_before - gap).clamp_min(_TINY)
            step = torch.maximum(gap, torch.where(gap_before.isinf(), gap, secant))
        # A convex solid that was left behind is never met again.
        is_leaving = (gap >= gap_before) if is_convex else torch.zeros_like(is_hit)
        keep = (~is_hit & ~is_leaving & (depth + step <= far)).nonzero()[:, 0]
        if not len(keep):
            break
        rows, far, params = rows[keep], far[keep], params[keep]
        origin, direction = origin[keep], direction[keep]
        before, gap_before = depth[keep], gap[keep]
        depth = before + step[keep]
    return found


def nearest(
    depths: Tensor, members: Tensor, targets: Tensor, num_targets: int
) -> tuple[Tensor, Tensor]:
    """Return the least depth of each target and the primitive that has it; inf and -1 if none.

    The same on every device: of two equal depths the primitive with the lower number wins.

    Args:
        depths: of pairs of a ray and a primitive, [n].
        members: the primitives, [n].
        targets: which ray it was, in [0, num_targets), [n].
    """
    none = torch.iinfo(torch.int64).max
    rows = depths.isfinite().nonzero()[:, 0]
    keys = (depths[rows].double() / _DEPTH_STEP).long() * _MAX_PRIMITIVES + members[rows]
    best = torch.full((num_targets,), none, dtype=torch.int64, device=depths.device)
    best.scatter_reduce_(0, targets[rows], keys, "amin")
    is_met = best != none
    depth = (best // _MAX_PRIMITIVES).double() * _DEPTH_STEP
    member = torch.where(is_met, best % _MAX_PRIMITIVES, -1)
    return torch.where(is_met, depth, float("inf")).to(depths.dtype), member


def local_bounds(batch: ShapeBatch) -> tuple[Tensor, Tensor]:
    """Return the corners of every primitive's bounding box in its own frame, [P, 3] each."""
    low, high = torch.empty_like(batch.centres), torch.empty_like(batch.centres)
    for solid, members in batch.members.items():
        a, b, c, d, e, f = batch.params[members].unbind(-1)
        if solid is Solid.BOX:
            top = torch.stack([a + d, b + d, c + d], dim=1)
        elif solid is Solid.FRUSTUM:
            top = torch.stack([torch.maximum(a, c) + f, torch.maximum(b, d) + f, e + f], dim=1)
        elif solid is Solid.CONE:
            across = torch.maximum(a, b) + d
            top = torch.stack([across, across, c + d], dim=1)
        elif solid is Solid.ELLIPSOID:
            top = torch.stack([a, b, c], dim=1)
        elif solid is Solid.TORUS:
            top = torch.stack([a + b, a + b, b], dim=1)
        else:
            across = torch.maximum(a, b)
            top = torch.stack([across, across, torch.maximum(a, c + b)], dim=1)
        low[members], high[members] = -top, top
        if solid is Solid.ROUND_CONE:
            low[members, 2] = torch.minimum(-a, c - b)
    return low, high


def _cutters(batch: ShapeBatch) -> Tensor:
    """Return the cutters that carve each primitive, padded with -1, [P, K]."""
    roles = batch.roles.tolist()
    widest = max(
        (sum(roles[i] == CUTTER_ROLE for i in range(s.start, s.stop)) for s in batch.carvings),
        default=0,
    )
    table = torch.full((len(roles), max(widest, 1)), -1, dtype=torch.long)
    for rows in batch.carvings:
        own = [index for index in range(rows.start, rows.stop) if roles[index] == CUTTER_ROLE]
        for index in range(rows.start, rows.stop):
            if roles[index] == CARVED_ROLE:
                table[index, : len(own)] = torch.tensor(own)
    return table.to(batch.device)
