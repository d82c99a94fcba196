# SPDX-License-Identifier: GPL-3.0-or-later
"""What the pipeline asks of the networks of one pack, whatever its layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from .config import GenerationRequest, MeshInput, SamplerConfig
from .decoder.stf import Decoder
from .interrupt import Check, ignore
from .prior.transformer import LatentPrior


@dataclass(frozen=True, slots=True)
class SceneCondition:
    """What the prior is told of each of several objects, and how they lie to each other."""

    tokens: Tensor
    """[N, T, E]."""
    relation: str
    """Of all but the last to the last, "on", "next to" or "under"; of all of them "in a row"."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What the prior is told, and what the user should know about it."""

    tokens: Tensor
    """Of all that was said, [1, T, E]."""
    warnings: tuple[str, ...] = ()
    scene: SceneCondition | None = None
    """What is told instead where several objects are to be made one by one."""


class PackModels(Protocol):
    """What the pipeline asks of a pack."""

    min_component_share: float

    @property
    def decoder(self) -> Decoder:
        """What makes a field of a latent."""
        ...

    def load_decoder(self, check: Check = ignore) -> Decoder:
        """Return the decoder, which is loaded if it was not yet."""
        ...

    def condition(self, request: GenerationRequest, check: Check = ignore) -> Condition:
        """Encode the prompt or the picture; zeros stand for a request that has neither."""
        ...

    def prior(self, request: GenerationRequest, check: Check = ignore) -> LatentPrior:
        """Return the prior that serves the request."""
        ...

    def sampler(self, request: GenerationRequest) -> SamplerConfig:
        """Return the request's own sampler settings, or the pack's."""
        ...

    def latent_of(
        self, mesh: MeshInput, *, seed: int, report: Callable[[str, float], None], check: Check
    ) -> Tensor:
        """Return the latent that the pack's encoder finds for a mesh, fp32, [L, C].

        `report` is told the stage and the fraction of the work done.

        Raises:
            MeshInputError: there is nothing to read.
            PackError: the pack has no encoder.
        """
        ...
