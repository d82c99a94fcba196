# SPDX-License-Identifier: GPL-3.0-or-later
"""Exact distances of the six solids that every training shape is made of.

Every function takes coordinates in the solid's own frame and its `params`, whose last axis holds
lengths in the order given by `PARAM_NAMES` and which broadcast against the coordinates once a
trailing axis is taken off. Here, and only here, distances are **negative inside**, as is usual
where solids are combined by minimum; `field.py` turns the sign round.

Cone, round cone and torus arc follow the closed forms published by Inigo Quilez
(iquilezles.org/articles/distfunctions); the ellipsoid solves for its nearest point and the
frustum takes the nearest of its faces, so that thin and flat solids have true distances too.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

import torch
from torch import Tensor

NUM_PARAMS = 6
_TINY = 1e-12
_ELLIPSOID_STEPS = 4
_OFF_CENTRE = 1e-4


class Solid(IntEnum):
    """Which solid a primitive is."""

    BOX = 0
    FRUSTUM = 1
    CONE = 2
    ELLIPSOID = 3
    TORUS = 4
    ROUND_CONE = 5


PARAM_NAMES = {
    Solid.BOX: ("half_x", "half_y", "half_z", "round"),
    Solid.FRUSTUM: ("bottom_x", "bottom_y", "top_x", "top_y", "half_z", "round"),
    Solid.CONE: ("bottom_radius", "top_radius", "half_z", "round"),
    Solid.ELLIPSOID: ("radius_x", "radius_y", "radius_z"),
    Solid.TORUS: ("ring_radius", "tube_radius", "half_angle"),
    Solid.ROUND_CONE: ("bottom_radius", "top_radius", "length"),
}
"""Sizes are those of the core; `round` is the radius of the ball rolled around it."""


def solid_distance(solid: Solid, x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    """Return the distance to one kind of solid, negative inside.

    Args:
        solid: which closed form to use.
        x, y, z: coordinates in the solid's frame, [...].
        params: sizes, broadcastable to [..., NUM_PARAMS].

    Returns:
        Distances, [...].
    """
    return _DISTANCES[solid](x, y, z, params)


def _length(*components: Tensor) -> Tensor:
    total = components[0].square()
    for component in components[1:]:
        total = total + component.square()
    return total.clamp_min(_TINY).sqrt()


def _box(x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    half_x, half_y, half_z, rounding = params[..., :4].unbind(-1)
    over_x, over_y, over_z = x.abs() - half_x, y.abs() - half_y, z.abs() - half_z
    inside = torch.maximum(torch.maximum(over_x, over_y), over_z).clamp_max(0.0)
    outside = _length(over_x.clamp_min(0.0), over_y.clamp_min(0.0), over_z.clamp_min(0.0))
    return outside + inside - rounding


def _trapezoid(
    across: Tensor, along: Tensor, bottom: Tensor, top: Tensor, half_height: Tensor
) -> Tensor:
    """Signed distance in the plane to a symmetric trapezoid; `across` is not negative."""
    slope_x, slope_y = top - bottom, 2.0 * half_height
    cap = torch.where(along < 0.0, bottom, top)
    cap_x = across - torch.minimum(across, cap)
    cap_y = along.abs() - half_height
    to_top_x, to_top_y = top - across, half_height - along
    share = (to_top_x * slope_x + to_top_y * slope_y) / (slope_x.square() + slope_y.square())
    share = share.clamp(0.0, 1.0)
    side_x, side_y = slope_x * share - to_top_x, slope_y * share - to_top_y
    squared = torch.minimum(
        cap_x.square() + cap_y.square(), side_x.square() + side_y.square()
    ).clamp_min(_TINY)
    return torch.where((side_x < 0.0) & (cap_y < 0.0), -squared.sqrt(), squared.sqrt())


def _cone(x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    bottom, top, half_z, rounding = params[..., :4].unbind(-1)
    return _trapezoid(_length(x, y), z, bottom, top, half_z) - rounding


def _slanted_face(
    out: Tensor,
    side: Tensor,
    z: Tensor,
    reach: tuple[Tensor, Tensor],
    width: tuple[Tensor, Tensor],
    half_z: Tensor,
) -> tuple[Tensor, Tensor]:
    """Distance to the plane of one slanted face, and squared distance to the face itself."""
    lean_out, lean_z = reach[1] - reach[0], 2.0 * half_z
    slant = _length(lean_out, lean_z)
    offset = out - 0.5 * (reach[0] + reach[1])
    along = (offset * lean_out + z * lean_z) / slant
    plane = (offset * lean_z - z * lean_out) / slant
    beyond = _trapezoid(side, along, width[0], width[1], 0.5 * slant).clamp_min(0.0)
    return plane, plane.square() + beyond.square()


def _frustum(x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    bottom_x, bottom_y, top_x, top_y, half_z, rounding = params.unbind(-1)
    x, y = x.abs(), y.abs()
    plane_x, face_x = _slanted_face(x, y, z, (bottom_x, top_x), (bottom_y, top_y), half_z)
    plane_y, face_y = _slanted_face(y, x, z, (bottom_y, top_y), (bottom_x, top_x), half_z)
    is_upper = z > 0.0
    cap_x = (x - torch.where(is_upper, top_x, bottom_x)).clamp_min(0.0)
    cap_y = (y - torch.where(is_upper, top_y, bottom_y)).clamp_min(0.0)
    cap_z = z.abs() - half_z
    cap = cap_x.square() + cap_y.square() + cap_z.square()
    nearest = torch.minimum(torch.minimum(face_x, face_y), cap).clamp_min(_TINY).sqrt()
    is_inside = (plane_x < 0.0) & (plane_y < 0.0) & (cap_z < 0.0)
    return torch.where(is_inside, -nearest, nearest) - rounding


def _ellipsoid(x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    """Find the nearest point r_i^2 x_i / (t + r_i^2) by Newton's method on the root t.

    Newton runs on 1/|z(t)|, the secular equation of trust-region methods. It is concave, so every
    step lands at or below the root, wherever it starts, and then climbs.
    """
    radii = params[..., :3].unbind(-1)
    squares = [radius.square() for radius in radii]
    # Kept off the symmetry planes by a hair, where the nearest point is not unique.
    scaled = [
        torch.maximum(coordinate.abs(), _OFF_CENTRE * radius) * radius
        for coordinate, radius in zip((x, y, z), radii, strict=True)
    ]
    # From zero the first step is nearly exact close to the surface, but it may fall off the left
    # end deep inside; the other bounds hold there.
    root = _climb(torch.zeros_like(scaled[0]), scaled, squares)
    for product, square in zip(scaled, squares, strict=True):
        root = torch.maximum(root, product - square)
    for _ in range(_ELLIPSOID_STEPS):
        root = _climb(root, scaled, squares)
    gaps = [
        product / radius * root / (root + square)
        for product, radius, square in zip(scaled, radii, squares, strict=True)
    ]
    return root.sign() * _length(*gaps)


def _climb(root: Tensor, scaled: Sequence[Tensor], squares: Sequence[Tensor]) -> Tensor:
    """Return the next Newton iterate for the ellipsoid's nearest point."""
    slope, squared = torch.zeros_like(root), torch.zeros_like(root)
    for product, square in zip(scaled, squares, strict=True):
        reach = root + square
        share = (product / reach).square()
        squared = squared + share
        slope = slope + share / reach
    return root + squared * (squared.sqrt() - 1.0) / slope


def _torus(x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    ring, tube, half_angle = params[..., :3].unbind(-1)
    sine, cosine, y = half_angle.sin(), half_angle.cos(), y.abs()
    is_beyond_end = cosine * y > sine * x
    reach = torch.where(is_beyond_end, y * sine + x * cosine, _length(x, y))
    squared = x.square() + y.square() + z.square() + ring.square() - 2.0 * ring * reach
    return squared.clamp_min(_TINY).sqrt() - tube


def _round_cone(x: Tensor, y: Tensor, z: Tensor, params: Tensor) -> Tensor:
    bottom, top, length = params[..., :3].unbind(-1)
    lean = ((bottom - top) / length).clamp(-0.999, 0.999)
    upright = (1.0 - lean.square()).sqrt()
    across = _length(x, y)
    along = z * upright - across * lean
    middle = across * upright + z * lean - bottom
    capped = torch.where(along < 0.0, _length(across, z) - bottom, middle)
    return torch.where(along > upright * length, _length(across, z - length) - top, capped)


_DISTANCES = {
    Solid.BOX: _box,
    Solid.FRUSTUM: _frustum,
    Solid.CONE: _cone,
    Solid.ELLIPSOID: _ellipsoid,
    Solid.TORUS: _torus,
    Solid.ROUND_CONE: _round_cone,
}
