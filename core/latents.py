# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the latents of a run come from: sampled, read from a mesh, or kept from an earlier run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from .config import GenerationRequest, KnownLatent, Likeness, MeshInput, SamplerConfig
from .errors import PackError
from .interrupt import Check, checked_blocks
from .models import Condition, PackModels
from .prior.int8 import is_quantized
from .prior.transformer import LatentPrior
from .sampling import OnEstimates, Prior, latent_of, sample_latents
from .specs import DecoderSpec

_PRECISION_NAMES = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Some variants of one request whose latents are made together."""

    indices: Sequence[int]
    report: Callable[[str, float], None]
    """Told the stage and the fraction of this round done, in [0, 1]."""
    announce: Callable[[str], None]
    """Told what comes before any variant."""
    check: Check
    on_estimates: OnEstimates | None = None
    """Shown how the latents look so far, if somebody wants to see that."""


class LatentSource(Protocol):
    """Where latents come from: a prior, an encoder, or what was kept of an earlier run."""

    @property
    def stage(self) -> str:
        """What its seconds are counted as."""
        ...

    @property
    def precision(self) -> str:
        """What it computes in, such as fp32."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the user."""
        ...

    @property
    def relation(self) -> str:
        """How the objects of a latent lie to each other; "" where it is of one."""
        ...

    def latents(self, asked: Round) -> Tensor:
        """Return the latents of some variants, fp32, [B, L, C]; of N objects [B, N * L, C]."""
        ...


class Sampled:
    """Latents that a prior makes of noise."""

    stage = "sample"

    def __init__(
        self,
        request: GenerationRequest,
        sampler: SamplerConfig,
        prior: LatentPrior,
        runner: Prior,
        condition: Condition,
    ) -> None:
        """Take a prior and what runs it, and what it is told."""
        self.warnings = condition.warnings
        self.precision = _precision_name(prior)
        if request.is_unconditional:
            # Both sides of the guidance would say the same.
            sampler = replace(sampler, guidance_scale=1.0, delta_reuse=1)
        self._request, self._sampler = request, sampler
        told = condition.scene or condition
        self._prior, self._runner, self._tokens = prior, runner, told.tokens
        self.relation = condition.scene.relation if condition.scene else ""
        self._earlier: Tensor | None = None

    def latents(self, asked: Round) -> Tensor:
        """Return the latents of some variants, fp32, [B, L, C]; of N objects [B, N * L, C]."""
        like = self._request.like
        with checked_blocks(self._prior, asked.check):
            if like is not None and self._earlier is None:
                self._earlier = self._recalled(like, asked)
            return sample_latents(
                self._runner,
                self._tokens,
                self._sampler,
                [self._request.seed + index for index in asked.indices],
                on_step=lambda done, total: asked.report("Sampling", done / total),
                on_estimates=asked.on_estimates,
                earlier=self._earlier,
                strength=like.strengths[-1] if like else 1.0,
            )

    def _recalled(self, like: Likeness, asked: Round) -> Tensor:
        if like.latent is not None:
            return torch.from_numpy(like.latent.values).to(self._tokens.device).float()
        asked.announce("Recalling the earlier result")
        return latent_of(
            self._runner,
            self._tokens,
            self._sampler,
            like,
            on_step=lambda done, total: asked.check(),
        )


class Read:
    """The latent of a mesh, which a pack's encoder finds."""

    stage = "encode"
    precision = "fp32"
    relation = ""

    def __init__(self, mesh: MeshInput, seed: int, models: PackModels) -> None:
        """Take a mesh and what reads it; the seed chooses points on it."""
        self.warnings = mesh.notes
        self._mesh, self._seed, self._models = mesh, seed, models

    def latents(self, asked: Round) -> Tensor:
        """Return the latent of the mesh, fp32, [1, L, C].

        Raises:
            MeshInputError: there is nothing to read.
            PackError: the pack has no encoder.
        """
        asked.report("Measuring the mesh", 0.0)
        latent = self._models.latent_of(
            self._mesh, seed=self._seed, report=asked.report, check=asked.check
        )
        return latent[None]


class Kept:
    """A latent that was kept on an object or in a file."""

    stage = "recall"
    precision = "fp32"
    relation = ""
    warnings = ()

    def __init__(self, latent: KnownLatent, spec: DecoderSpec, pack: str) -> None:
        """Take a latent of the shape that a decoder reads.

        Raises:
            PackError: it is another model's.
        """
        require_shape(latent, spec, pack)
        self._latent = latent

    def latents(self, asked: Round) -> Tensor:
        """Return the latent, fp32, [1, L, C]."""
        asked.announce("Recalling the earlier result")
        return torch.from_numpy(self._latent.values).float()[None]


def require_shape(latent: KnownLatent, spec: DecoderSpec, pack: str) -> None:
    """See to it that a latent is one of a pack's.

    Raises:
        PackError: it is another model's.
    """
    if latent.values.shape != (spec.num_latents, spec.channels):
        raise PackError(pack, "this latent is of another model: use the pack that it was made with")


def _precision_name(prior: LatentPrior) -> str:
    return "int8" if is_quantized(prior) else _PRECISION_NAMES[prior.latent_in.weight.dtype]
