# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed distance and texture field (STF) of one shape."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..specs import DecoderSpec
from .implicit_mlp import ImplicitMLP
from .params_proj import ParamsProj


class Decoder(nn.Module):
    """Everything between a latent and a field."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.params_proj = ParamsProj(spec)
        self.mlp = ImplicitMLP(spec)

    def weights(self, latent: Tensor) -> list[Tensor]:
        """Return the generated matrices of latents [B, L, C]; see `ParamsProj`."""
        return self.params_proj(latent)  # type: ignore[no-any-return]

    def field(self, latent: Tensor, *, chunk_size: int | None = None) -> SignedDistanceField:
        """Return the field of one latent [L, C], which looks at so many points at once."""
        return SignedDistanceField(self.mlp, self.weights(latent[None]), chunk_size=chunk_size)


class SignedDistanceField:
    """The STF of one shape; callables over points in the box [-1, 1]^3."""

    def __init__(
        self, mlp: ImplicitMLP, weights: Sequence[Tensor], *, chunk_size: int | None = None
    ) -> None:
        """Bind the shared MLP to the generated matrices of one shape, each [1, rows, columns].

        With `chunk_size` no more points than that are evaluated at once, however many are asked.
        """
        self.mlp = mlp
        self._chunk_size = chunk_size
        # The projection may stay on the CPU: on a GPU it would take most of the memory.
        self.weights = [weight.to(mlp.output.weight) for weight in weights]

    def signed_distance(self, points: Tensor) -> Tensor:
        """Return the distance, positive inside, squashed to (-1, 1) by tanh.

        Args:
            points: [P, 3].

        Returns:
            fp32, [P].
        """
        raw = self.mlp.split(self._raw(points), "signed_distance")
        return raw.float().tanh()[..., 0]

    def color(self, points: Tensor) -> Tensor:
        """Return sRGB colours in [0, 1] at points [P, 3], fp32, [P, 3]."""
        return self.mlp.split(self._raw(points), "stf_color").float().sigmoid()

    def _raw(self, points: Tensor) -> Tensor:
        size = self._chunk_size
        if size is None or len(points) <= size:
            return self.mlp(points[None], self.weights)[0]  # type: ignore[no-any-return]
        starts = range(0, len(points), size)
        return torch.cat(
            [self.mlp(points[None, start : start + size], self.weights)[0] for start in starts]
        )
