# SPDX-License-Identifier: GPL-3.0-or-later
"""The regular grid over [-1, 1]^3 and the evaluation of a field at its nodes.

Nodes are indexed [x, y, z] and include both ends of each axis, as in Shap-E: node i lies at
-1 + 2 i / (R - 1). `signed_distance` is positive inside throughout.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ..errors import NonFiniteError
from ..interrupt import Check, ignore

SignedDistance = Callable[[Tensor], Tensor]
"""Points [P, 3] to signed distance [P], positive inside, in (-1, 1)."""

OnFraction = Callable[[float], None]
"""Called with the fraction done, non-decreasing in [0, 1]."""

Method = Literal["sparse", "dense", "quick"]


def ignore_fraction(fraction: float) -> None:
    """Do nothing: the default `on_progress`."""


@dataclass(frozen=True, slots=True)
class GridValues:
    """A field on the grid, and what it cost to get it."""

    values: Tensor
    """Signed distance, positive inside, float32 [R, R, R]; -1 or 1 where it was not evaluated."""
    num_queries: int
    """How many points the field was evaluated at, those asked roughly and exactly counted twice."""
    is_dense: bool
    """Whether every node was evaluated, be it as asked or because an audit failed."""
    is_exact: Tensor
    """Which values are the field's own, neither rough nor filled in, bool [R, R, R]."""


def axis_coordinates(resolution: int, device: torch.device) -> Tensor:
    """Return the node coordinates along one axis, float32 [R]."""
    # Shap-E's order of operations, so that the coordinates agree to the last bit.
    nodes = torch.arange(resolution, device=device, dtype=torch.float32)
    return nodes / (resolution - 1) * 2.0 + -1.0


def default_chunk_size(device: torch.device) -> int:
    """Return how many points to ask about at once: some 10 ms of each core, more elsewhere."""
    return 8192 * torch.get_num_threads() if device.type == "cpu" else 262144


class NodeEvaluator:
    """Evaluates a field at grid nodes in chunks and keeps what it has found.

    Args:
        signed_distance: the field, positive inside.
        resolution: nodes per axis, R.
        device: where points are made and values are kept.
        chunk_size: points per call of the field.
        check: called before each chunk; may raise.
    """

    def __init__(
        self,
        signed_distance: SignedDistance,
        resolution: int,
        device: torch.device,
        *,
        chunk_size: int | None = None,
        check: Check = ignore,
    ) -> None:
        self.resolution = resolution
        self.device = device
        self.num_queries = 0
        # Not-a-number marks nodes that were not evaluated; the field may not return it.
        self.values = torch.full((resolution**3,), torch.nan, device=device)
        self._signed_distance = signed_distance
        self._coordinates = axis_coordinates(resolution, device)
        self._chunk_size = chunk_size or default_chunk_size(device)
        self.check = check

    @property
    def is_exact(self) -> Tensor:
        """Which nodes were evaluated exactly, bool [R**3]."""
        return ~torch.isnan(self.values)

    def evaluate(self, nodes: Tensor, on_progress: OnFraction = ignore_fraction) -> None:
        """Evaluate the field at nodes given by their flat index, int64 [N].

        Raises:
            NonFiniteError: the field returned NaN or infinity.
        """
        self._ask(self._signed_distance, nodes, on_progress)

    @property
    def error(self) -> float:
        """How far values were from the exact ones at most, as a difference of their atanh."""
        return 0.0

    def settle(self, inside: Tensor) -> bool:
        """Make exact whatever the surface depends on.

        Args:
            inside: on which side each node was found, bool [R, R, R].
        Returns:
            Whether that has confirmed the sides; if not, everything must be looked at again.
        """
        return True

    def _ask(
        self, field: SignedDistance, nodes: Tensor, on_progress: OnFraction = ignore_fraction
    ) -> None:
        for start in range(0, len(nodes), self._chunk_size):
            self.check()
            chunk = nodes[start : start + self._chunk_size]
            with torch.no_grad():
                values = field(self.points(chunk)).float()
            if not bool(torch.isfinite(values).all()):
                raise NonFiniteError("the signed distance")
            self.values[chunk] = values
            self.num_queries += len(chunk)
            on_progress(min(1.0, (start + len(chunk)) / len(nodes)))

    def points(self, nodes: Tensor) -> Tensor:
        """Return the positions of nodes given by their flat index, float32 [N, 3]."""
        size = self.resolution
        x = torch.div(nodes, size * size, rounding_mode="floor")
        y = torch.div(nodes, size, rounding_mode="floor") % size
        return self._coordinates[torch.stack([x, y, nodes % size], dim=1)]

    def evaluate_rest(self, on_progress: OnFraction = ignore_fraction) -> None:
        """Evaluate every node that has not been evaluated yet."""
        for start in range(0, len(self.values), self._chunk_size):
            unknown = torch.isnan(self.values[start : start + self._chunk_size])
            self.evaluate(unknown.nonzero()[:, 0] + start)
            on_progress(min(1.0, (start + len(unknown)) / len(self.values)))


def evaluate_dense(
    evaluator: NodeEvaluator, on_progress: OnFraction = ignore_fraction
) -> GridValues:
    """Evaluate the field at every node of the grid."""
    evaluator.evaluate_rest(on_progress)
    shape = (evaluator.resolution,) * 3
    return GridValues(
        evaluator.values.view(shape),
        evaluator.num_queries,
        is_dense=True,
        is_exact=evaluator.is_exact.view(shape),
    )
