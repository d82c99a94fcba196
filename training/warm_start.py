# SPDX-License-Identifier: GPL-3.0-or-later
"""A run that goes on from another run's modules, inside that run's basis.

The basis stays: encoder and decoder are trained through it, so latents move little and what the
earlier prior has learnt about them still holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.prior.transformer import LatentPrior
from ..core.specs import PriorSpec
from .saving import averaged_state, save_whole

_STATISTICS = ("basis.", "gaussian.")
"""Parts of a prior that each run takes from its own latents."""


@dataclass(frozen=True, slots=True)
class WarmStart:
    """The folder of a finished run."""

    folder: Path

    @property
    def has_prior(self) -> bool:
        """Whether stage 2 was part of the run; one that made latents alone has none."""
        return (self.folder / "stage2.pt").exists()

    def load_decoder(self, decoder: Decoder) -> None:
        """Load the decoder as its own stage left it."""
        decoder.load_state_dict(self._checkpoint("decoder")["module"])

    def load_prior(self, prior: LatentPrior) -> None:
        """Load the moving average of stage 2's weights, all but what is known of latents."""
        state = averaged_state(self._checkpoint("stage2"), prior)
        kept = {key: each for key, each in state.items() if not key.startswith(_STATISTICS)}
        missing, unexpected = prior.load_state_dict(kept, strict=False)
        if unexpected or any(not key.startswith(_STATISTICS) for key in missing):
            raise ValueError(f"{self.folder} holds a prior of another architecture")

    def blend_prior(self, other: WarmStart, share: float, folder: Path) -> None:
        """Write a `stage2.pt` whose average lies between this run's prior and another's.

        Weights of two priors of which one began as the other can be averaged: what was learnt
        late is kept in part, and so is what that cost (Wortsman et al., 2022, arXiv:2109.01903).
        """
        ours, theirs = self._checkpoint("stage2"), other._checkpoint("stage2")
        blended = [
            torch.lerp(mine, its, share)
            for mine, its in zip(ours["average"], theirs["average"], strict=True)
        ]
        kept = {key: theirs[key] for key in ("module", "names", "step") if key in theirs}
        saved = kept | {"average": blended}
        save_whole(saved, folder / "stage2.pt")

    def latents(self, spec: PriorSpec) -> tuple[LatentBasis, Tensor]:
        """Return the basis of the run's latents and the coefficients of every shape, [N, K]."""
        saved = torch.load(self.folder / "latents.pt", weights_only=True)
        basis = LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
        basis.load_state_dict(saved["basis"])
        return basis, saved["coefficients"]

    def _checkpoint(self, stage: str) -> dict[str, Any]:
        checkpoint: dict[str, Any] = torch.load(self.folder / f"{stage}.pt", weights_only=True)
        return checkpoint
