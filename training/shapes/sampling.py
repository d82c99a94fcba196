# SPDX-License-Identifier: GPL-3.0-or-later
"""Coloured surface points and coloured distance queries of a batch of shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .builder import CUTTER_ROLE
from .field import ShapeBatch
from .primitives import Solid, solid_distance

NUM_SURFACE, NUM_QUERY = 1024, 6144
_NEAR_SHARE = 0.7
_NEAR_SIGMAS = (0.02, 0.06)
_SPARE = 2.5
_SURFACE_TOLERANCE = 2e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeArrays:
    """Training arrays of B shapes; all coordinates in [-1, 1]^3, colours sRGB in [0, 1]."""

    points: Tensor  # [B, S, 3], on the surface
    point_colors: Tensor  # [B, S, 3]
    query_points: Tensor  # [B, Q, 3]
    query_distance: Tensor  # [B, Q], positive inside
    query_colors: Tensor  # [B, Q, 3], of the nearest piece


def sample_shape_arrays(
    batch: ShapeBatch,
    num_surface: int = NUM_SURFACE,
    num_query: int = NUM_QUERY,
    *,
    rng: np.random.Generator,
    even: float = 0.0,
) -> ShapeArrays:
    """Draw the training arrays of every shape in the batch.

    Thin parts get their share of surface points because these are dealt out per primitive by the
    square root of its area, and `even` of them to all primitives alike. 70 % of the queries lie
    near the surface, the others fill the cube.
    """
    generator = torch.Generator(batch.device).manual_seed(int(rng.integers(2**62)))
    points, nearest = sample_surface(batch, num_surface, generator, even)
    queries = _sample_queries(points, num_query, generator)
    query_distance, query_colors = batch.distance_and_colour(queries)
    return ShapeArrays(
        points=points,
        point_colors=batch.colours[nearest],
        query_points=queries,
        query_distance=query_distance,
        query_colors=query_colors,
    )


def sample_surface(
    batch: ShapeBatch, num_points: int, generator: torch.Generator, even: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return points on the surface [B, S, 3] and the primitive each belongs to [B, S].

    Args:
        batch: the shapes.
        num_points: S.
        generator: on the device of the shapes.
        even: share of the points that is dealt out to all primitives alike.
    """
    num_candidates = int(num_points * _SPARE)
    owners = _deal_out(batch, num_candidates, generator, even)  # [B, M]
    candidates = _primitive_surface(batch, owners, generator)
    distance, nearest = batch._evaluate(candidates)
    is_off = distance.abs() > _SURFACE_TOLERANCE
    # Valid candidates first, in random order; where too few are valid they are used again.
    lottery = torch.rand(is_off.shape, generator=generator, device=batch.device)
    order = (lottery + is_off).argsort(dim=1)
    num_valid = (~is_off).sum(dim=1, keepdim=True).clamp_min(1)
    picks = torch.arange(num_points, device=batch.device)[None] % num_valid
    chosen = order.gather(1, picks)
    points = candidates.gather(1, chosen[..., None].expand(-1, -1, 3))
    return points, nearest.gather(1, chosen)


def _deal_out(
    batch: ShapeBatch, num_candidates: int, generator: torch.Generator, even: float
) -> Tensor:
    """Return which primitive each candidate is drawn from, [B, M]."""
    weights = primitive_areas(batch).sqrt()
    # Most of a cutter's surface lies in the void; the rest is the inner wall.
    weights = torch.where(batch.roles == CUTTER_ROLE, 1.3 * weights, weights)
    if even:
        for rows in batch.slices:
            mean = weights[rows].mean()
            weights[rows] = (1.0 - even) * weights[rows] + even * mean
    owners = [
        torch.multinomial(weights[rows], num_candidates, replacement=True, generator=generator)
        + rows.start
        for rows in batch.slices
    ]
    return torch.stack(owners)


def primitive_areas(batch: ShapeBatch) -> Tensor:
    """Return the approximate surface area of every primitive, [P]."""
    areas = batch.params.new_zeros(len(batch.params))
    pi = torch.pi
    for solid, members in batch.members.items():
        a, b, c, d, e, f = batch.params[members].unbind(-1)
        if solid is Solid.BOX:
            a, b, c = a + d, b + d, c + d
            area = 8.0 * (a * b + b * c + c * a)
        elif solid is Solid.FRUSTUM:
            x, y, z = 0.5 * (a + c) + f, 0.5 * (b + d) + f, e + f
            area = 8.0 * (x * y + y * z + z * x)
        elif solid is Solid.CONE:
            area = pi * ((a + d) ** 2 + (b + d) ** 2 + 2.0 * (a + b + 2.0 * d) * (c + d))
        elif solid is Solid.ELLIPSOID:
            area = 4.0 / 3.0 * pi * (a * b + b * c + c * a)
        elif solid is Solid.TORUS:
            area = 4.0 * pi * a * b * c
        else:
            area = pi * (2.0 * a**2 + 2.0 * b**2 + (a + b) * c)
        areas[members] = area
    return areas


def _primitive_surface(batch: ShapeBatch, owners: Tensor, generator: torch.Generator) -> Tensor:
    """Return one random point on the surface of each owner, [B, M, 3]."""
    flat = owners.reshape(-1)
    randoms = torch.rand(len(flat), 4, generator=generator, device=batch.device)
    local = torch.empty(len(flat), 3, device=batch.device)
    solids = batch.solids[flat]
    for solid in batch.members:
        rows = (solids == solid).nonzero()[:, 0]
        params = batch.params[flat[rows]]
        start = _near_surface(solid, params, randoms[rows])
        local[rows] = _land(solid, start, params)
    turned = torch.einsum("nij,nj->ni", batch.rotations[flat], local) + batch.centres[flat]
    return turned.reshape(*owners.shape, 3)


def _directions(randoms: Tensor) -> Tensor:
    height = 2.0 * randoms[:, 0] - 1.0
    angle = 2.0 * torch.pi * randoms[:, 1]
    across = (1.0 - height.square()).clamp_min(0.0).sqrt()
    return torch.stack([across * angle.cos(), across * angle.sin(), height], dim=1)


def _near_surface(solid: Solid, params: Tensor, randoms: Tensor) -> Tensor:
    """Return local points spread around a solid, close enough to be dropped onto it, [n, 3]."""
    a, b, c, d, e, f = params.unbind(-1)
    u, v, w, pick = randoms.unbind(-1)
    signed = 2.0 * randoms[:, :3] - 1.0
    if solid is Solid.BOX:
        return _on_box(signed, torch.stack([a + d, b + d, c + d], dim=1), pick)
    if solid is Solid.FRUSTUM:
        on_box = _on_box(signed, torch.ones_like(signed), pick)
        share = 0.5 * (on_box[:, 2] + 1.0)
        x, y = a + (c - a) * share + f, b + (d - b) * share + f
        return on_box * torch.stack([x, y, e + f], dim=1)
    if solid is Solid.CONE:
        caps, side = (a + d) ** 2 + (b + d) ** 2, 2.0 * (a + b + 2.0 * d) * (c + d)
        is_cap = pick * (caps + side) < caps
        is_top = w * ((a + d) ** 2 + (b + d) ** 2) > (a + d) ** 2
        height = torch.where(is_cap, is_top.float(), v)
        radius = (a + (b - a) * height + d) * torch.where(is_cap, v.sqrt(), torch.ones_like(v))
        angle = 2.0 * torch.pi * u
        z = (2.0 * height - 1.0) * (c + d)
        return torch.stack([radius * angle.cos(), radius * angle.sin(), z], dim=1)
    if solid is Solid.ELLIPSOID:
        return _directions(randoms) * params[:, :3]
    if solid is Solid.TORUS:
        return _on_arc(2.0 * torch.pi * v, signed[:, 0], a, b, c)
    direction = _directions(randoms)
    height = (w * (c + a + b) - a).clamp_min(0.0).minimum(c)
    start = direction * (a + (b - a) * height / c)[:, None]
    start[:, 2] += height
    return start


def _on_arc(around: Tensor, share: Tensor, ring: Tensor, tube: Tensor, half: Tensor) -> Tensor:
    """Return points of a torus arc, `share` in [-1, 1] from end to end, round caps included."""
    is_whole = half > 3.14159
    cap = torch.where(is_whole, torch.zeros_like(tube), tube / ring)
    along = share * (half + cap)
    over = (along.abs() - half).clamp_min(0.0) * along.sign()
    along = along - over
    # Beyond an end the tube's cross section turns into a hemisphere.
    over = over / cap.clamp_min(1e-6) * (0.5 * torch.pi)
    out, up = tube * over.cos() * around.cos(), tube * over.cos() * around.sin()
    reach, ahead = ring + out, tube * over.sin()
    x = reach * along.cos() - ahead * along.sin()
    y = reach * along.sin() + ahead * along.cos()
    return torch.stack([x, y, up], dim=1)


def _on_box(signed: Tensor, half: Tensor, pick: Tensor) -> Tensor:
    """Push points of the unit cube to a face of the box, faces drawn by their area."""
    areas = half.prod(dim=1, keepdim=True) / half
    edges = areas.cumsum(dim=1) / areas.sum(dim=1, keepdim=True)
    axis = (pick[:, None] > edges[:, :2]).sum(dim=1, keepdim=True)
    face = torch.where(signed.gather(1, axis) < 0.0, -1.0, 1.0)
    return signed.scatter(1, axis, face) * half


def _land(solid: Solid, start: Tensor, params: Tensor) -> Tensor:
    """Drop points onto their solid along the gradient of its distance, [n, 3].

    Points around ellipsoids and tori lie on the surface from the start.
    """
    if solid in (Solid.ELLIPSOID, Solid.TORUS):
        return start
    # One step is enough: the distances are exact, so the nearest point lies straight ahead.
    points = start.requires_grad_(True)
    with torch.enable_grad():
        distance = solid_distance(solid, points[:, 0], points[:, 1], points[:, 2], params)
        # The sum belongs inside too: callers may have switched gradients off.
        (gradient,) = torch.autograd.grad(distance.sum(), points)
    return (points - distance[:, None] * gradient).detach()


def _sample_queries(points: Tensor, num_query: int, generator: torch.Generator) -> Tensor:
    """Return query points, those near the surface first, [B, Q, 3]."""
    num_shapes, num_surface = points.shape[:2]
    num_near = int(num_query * _NEAR_SHARE)
    device = points.device
    picks = torch.randint(num_surface, (num_shapes, num_near), generator=generator, device=device)
    near = points.gather(1, picks[..., None].expand(-1, -1, 3))
    sigmas = torch.full((num_near, 1), _NEAR_SIGMAS[0], device=device)
    sigmas[num_near // 2 :] = _NEAR_SIGMAS[1]
    noise = torch.randn(near.shape, generator=generator, device=device)
    near = (near + sigmas * noise).clamp(-1.0, 1.0)
    shape = (num_shapes, num_query - num_near, 3)
    anywhere = 2.0 * torch.rand(shape, generator=generator, device=device) - 1.0
    return torch.cat([near, anywhere], dim=1)
