# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask a field roughly first, and exactly where the surface is made from it.

A rough answer, such as one in bf16, decides that a node far from zero is inside or outside. What
it may be wrong by is measured on the coarsest level, where every node is asked both ways. Nodes
within twice that of zero are asked again, and so are both ends of every grid edge that the
surface crosses. So all numbers that become vertices are exact, and all signs near the surface.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..interrupt import Check, ignore
from .grid import NodeEvaluator, OnFraction, SignedDistance, ignore_fraction
from .slopes import SATURATED

_SAFETY = 2.0
"""How many times the largest error seen on the coarsest level counts as possible. All that is asked
again afterwards, many more nodes than those, must be within it, or drafts are given up."""

_LARGEST_DOUBT = 0.5
"""Of |h|, h = atanh(value); a draft that is wrong by more is of no use."""

_BAND = 2.0
"""Errors are measured where |h| is less: farther out nothing depends on them."""


class DraftedEvaluator(NodeEvaluator):
    """A `NodeEvaluator` that asks `draft` first; arguments as there."""

    def __init__(
        self,
        draft: SignedDistance,
        signed_distance: SignedDistance,
        resolution: int,
        device: torch.device,
        *,
        chunk_size: int | None = None,
        check: Check = ignore,
    ) -> None:
        super().__init__(signed_distance, resolution, device, chunk_size=chunk_size, check=check)
        self._draft = draft
        self._asked = torch.zeros(resolution**3, dtype=torch.bool, device=device)
        self._doubt = math.inf
        """|h| below which a draft's sign is not believed; infinite before it was measured."""

    @property
    def is_exact(self) -> Tensor:
        """Which nodes were evaluated exactly, bool [R**3]."""
        return self._asked

    @property
    def error(self) -> float:
        """How far values were from the exact ones at most, as a difference of h."""
        return self._doubt / _SAFETY if self._is_drafting else 0.0

    @property
    def _is_drafting(self) -> bool:
        return self._doubt <= _LARGEST_DOUBT

    def evaluate(self, nodes: Tensor, on_progress: OnFraction = ignore_fraction) -> None:
        """Evaluate the field at nodes given by their flat index, roughly where that will do."""
        if math.isinf(self._doubt):
            self._ask_exactly(nodes, on_progress)
            self._measure_doubt(nodes)
        elif self._is_drafting:
            self._ask(self._draft, nodes, on_progress)
            self._ask_exactly(nodes[self.values[nodes].abs() < math.tanh(self._doubt)])
        else:
            self._ask_exactly(nodes, on_progress)

    def settle(self, inside: Tensor) -> bool:
        """Make the ends of all crossed grid edges exact; see `NodeEvaluator.settle`."""
        if not self._is_drafting:
            return True
        nodes = _ends_of_crossed_edges(inside).view(-1).nonzero()[:, 0]
        nodes = nodes[~self._asked[nodes]]
        drafts = self.values[nodes]
        self._ask_exactly(nodes)
        exact = self.values[nodes]
        has_held = bool(((drafts > 0) == (exact > 0)).all())
        has_held &= _largest_error(drafts, exact) <= self._doubt
        if not has_held:
            self._give_up()
        return has_held

    def evaluate_rest(self, on_progress: OnFraction = ignore_fraction) -> None:
        """Evaluate every node that has not been evaluated exactly yet."""
        self._give_up()
        super().evaluate_rest(on_progress)

    def _ask_exactly(self, nodes: Tensor, on_progress: OnFraction = ignore_fraction) -> None:
        super().evaluate(nodes, on_progress)
        self._asked[nodes] = True

    def _measure_doubt(self, nodes: Tensor) -> None:
        exact = self.values[nodes]
        self._ask(self._draft, nodes)
        self._doubt = _SAFETY * _largest_error(self.values[nodes], exact)
        self.values[nodes] = exact

    def _give_up(self) -> None:
        """Forget all drafts and make no more."""
        self._doubt = _LARGEST_DOUBT + 1.0
        self.values[~self._asked] = torch.nan


def _largest_error(drafts: Tensor, exact: Tensor) -> float:
    """Return the largest difference of h where the exact one is small; 0 where none is."""
    counts = exact.abs() < math.tanh(_BAND)
    rough, true = (
        torch.atanh(values[counts]).clamp(-SATURATED, SATURATED) for values in (drafts, exact)
    )
    return float((rough - true).abs().max()) if len(true) else 0.0


def _ends_of_crossed_edges(inside: Tensor) -> Tensor:
    """Mark the nodes with a neighbor along an axis on the other side, bool [R, R, R]."""
    ends = torch.zeros_like(inside)
    for axis in range(3):
        size = inside.shape[axis] - 1
        low, high = inside.narrow(axis, 0, size), inside.narrow(axis, 1, size)
        crossed = low ^ high
        ends.narrow(axis, 0, size).logical_or_(crossed)
        ends.narrow(axis, 1, size).logical_or_(crossed)
    return ends
