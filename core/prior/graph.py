# SPDX-License-Identifier: GPL-3.0-or-later
"""A prior recorded as a CUDA graph, so that one call of the driver replays a whole evaluation.

The few hundred kernels of an evaluation take the host about as long to start as a fast GPU to
run. A graph replays them on the same memory: inputs are copied in, the answer is copied out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from ..specs import PriorSpec
from .transformer import LatentPrior

logger = logging.getLogger(__name__)

Run: TypeAlias = Callable[[], Tensor]
Capture: TypeAlias = Callable[[Run], tuple[Callable[[], None], Tensor]]
"""Records a run and returns what repeats it, and the tensor that each repetition fills."""

_WARM_UPS = 2
"""Runs before a capture, in which libraries allocate and choose what they cannot in one."""

_MAX_GRAPHS = 4
"""One and both sides of the guidance, for a full batch and for what is left of it."""


@dataclass(frozen=True, slots=True)
class _Graph:
    inputs: tuple[Tensor, ...]
    replay: Callable[[], None]
    answer: Tensor


class GraphedPrior:
    """Answers as its prior does, from graphs that are recorded when sizes are first seen.

    Where recording fails the prior itself answers, then and ever after; the reason is logged.
    """

    def __init__(self, prior: LatentPrior, capture: Capture | None = None) -> None:
        """Wrap a prior; `capture` is CUDA's if None."""
        self.prior = prior
        self.spec: PriorSpec = prior.spec
        self._capture = capture or _capture_cuda
        self._graphs: dict[tuple[object, ...], _Graph] = {}
        self._is_broken = False

    def __call__(self, x: Tensor, timestep: Tensor, condition: Tensor, /) -> Tensor:
        """Predict clean latents; see `LatentPrior.forward`."""
        inputs = (x, timestep, condition)
        graph = None if self._is_broken else self._graph(inputs)
        if graph is None:
            return self.prior(*inputs)  # type: ignore[no-any-return]
        for kept, given in zip(graph.inputs, inputs, strict=True):
            kept.copy_(given)
        graph.replay()
        # The next replay writes over the answer, and samplers remember theirs.
        return graph.answer.clone()

    def _graph(self, inputs: tuple[Tensor, ...]) -> _Graph | None:
        key = tuple((each.shape, each.dtype, each.device) for each in inputs)
        if key not in self._graphs:
            if len(self._graphs) == _MAX_GRAPHS:
                self._graphs.clear()
            try:
                self._graphs[key] = self._record(inputs)
            except RuntimeError as error:
                # Running out of memory is one of these: without graphs there is more of it.
                self._is_broken = True
                self._graphs.clear()
                logger.warning("the prior runs without CUDA graphs: %s", error)
                return None
        return self._graphs[key]

    def _record(self, inputs: tuple[Tensor, ...]) -> _Graph:
        kept = tuple(each.clone() for each in inputs)
        replay, answer = self._capture(lambda: self.prior(*kept))
        return _Graph(kept, replay, answer)


def _capture_cuda(run: Run) -> tuple[Callable[[], None], Tensor]:
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(_WARM_UPS):
            run()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    # Another thread may be making a mesh on the same device meanwhile.
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        answer = run()
    return graph.replay, answer
