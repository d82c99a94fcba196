# SPDX-License-Identifier: GPL-3.0-or-later
"""Several objects as one field: each turned nowhere, but scaled and put somewhere.

The distance of an object that is s times as large is s times what its own field says at the place
that its own box has there, so it rises no more steeply than before; that of the union is the
largest of all (signed distance, positive inside), and rises no more steeply than the steepest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

_STEEPNESS = 6.0
"""Slope of atanh of the distance outside an object's own box. Networks learn tanh(10 d), and rise
by 9 to 18 at the surfaces of the starter pack; less than the true slope is safe."""
_FAR = 3.0
"""Value of atanh of the distance from which on its network is not asked outside an object's box."""
_LARGEST = 1.0 - 2.0**-24
"""Below 1 in single precision."""

_Distance = Callable[[Tensor], Tensor]


class Member(Protocol):
    """What is asked of the field of one object: see `SignedDistanceField`."""

    def signed_distance(self, points: Tensor) -> Tensor:
        """Return the distance, positive inside, squashed to (-1, 1) by tanh, [P]."""
        ...

    def color(self, points: Tensor) -> Tensor:
        """Return sRGB colors in [0, 1], [P, 3]."""
        ...

    @property
    def draft_distance(self) -> Callable[[Tensor], Tensor] | None:
        """The distance, roughly and cheaper; None where exactly is as cheap."""
        ...


@dataclass(frozen=True, slots=True)
class Place:
    """Where an object is: scale * point of its own box + offset."""

    scale: float
    offset: tuple[float, float, float]
    stretch: float = 1.0
    """Of heights, beyond the scale; 1 or more, so that distances are at most too small."""


class UnionField:
    """Several objects in one box [-1, 1]^3; callables as those of `SignedDistanceField`."""

    def __init__(
        self, members: Sequence[Member], places: Sequence[Place], size_ratio: float = 1.0
    ) -> None:
        """Put objects together.

        Args:
            members: one or more fields, each over a box [-1, 1]^3 of its own.
            places: of each.
            size_ratio: volume of the smallest object over that of the largest.
        """
        self._members, self.places = tuple(members), tuple(places)
        self.size_ratio = size_ratio

    def signed_distance(self, points: Tensor) -> Tensor:
        """Return the distance at points [P, 3], positive inside, squashed by tanh, fp32, [P]."""
        return self._largest([each.signed_distance for each in self._members], points)

    @property
    def draft_distance(self) -> Callable[[Tensor], Tensor] | None:
        """The distance, roughly and cheaper, if every object has it; else None."""
        drafts = [each.draft_distance for each in self._members]
        known = [draft for draft in drafts if draft is not None]
        if len(known) < len(drafts):
            return None
        return lambda points: self._largest(known, points)

    def color(self, points: Tensor) -> Tensor:
        """Return sRGB colors in [0, 1] of the nearest object at points [P, 3], fp32, [P, 3]."""
        owners = torch.stack(
            self._distances([each.signed_distance for each in self._members], points)
        ).argmax(dim=0)
        colors = points.new_zeros(points.shape, dtype=torch.float32)
        for index, (member, place) in enumerate(zip(self._members, self.places, strict=True)):
            rows = (owners == index).nonzero()[:, 0]
            if len(rows):
                own = _to_own(points[rows], place).clamp(-1.0, 1.0)
                colors[rows] = member.color(own).to(colors)
        return colors

    def _largest(self, fields: Sequence[_Distance], points: Tensor) -> Tensor:
        return torch.stack(self._distances(fields, points)).amax(dim=0).tanh()

    def _distances(self, fields: Sequence[_Distance], points: Tensor) -> list[Tensor]:
        """Return atanh of the distance to each object, [P] each."""
        pairs = zip(fields, self.places, strict=True)
        return [_distance(field, place, points) for field, place in pairs]


def _distance(field: _Distance, place: Place, points: Tensor) -> Tensor:
    """Return atanh of the distance to one object, fp32, [P]; negative wherever its box is not.

    An object lies within its box, so it is no nearer than that: outside, the network is asked at
    the nearest point of the box, and believed only as far as it says that the object is farther.
    """
    own = _to_own(points, place)
    within = own.clamp(-1.0, 1.0)
    wall = _STEEPNESS * _wall_distance(own)
    near = (wall > -_FAR).nonzero()[:, 0]
    if len(near):
        value = field(within[near]).float().clamp(-_LARGEST, _LARGEST).atanh()
        wall[near] = torch.minimum(wall[near], value)
    return place.scale * wall


def _wall_distance(points: Tensor) -> Tensor:
    """Return the distance to the walls of the box [-1, 1]^3, positive inside, fp32, [P]."""
    beyond = points.abs() - 1.0
    outside = beyond.clamp(min=0.0).norm(dim=1)
    wall: Tensor = outside + beyond.amax(dim=1).clamp(max=0.0)
    return -wall.float()


def _to_own(points: Tensor, place: Place) -> Tensor:
    """Map points to the box of one object, [P, 3]."""
    own: Tensor = (points - points.new_tensor(place.offset)) / place.scale
    if place.stretch != 1.0:
        own = own / own.new_tensor((1.0, 1.0, place.stretch))
    return own
