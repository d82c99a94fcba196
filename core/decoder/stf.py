# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed distance and texture field (STF) of one shape."""

from __future__ import annotations

from collections.abc import Sequence

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

    def field(self, latent: Tensor) -> SignedDistanceField:
        """Return the field of one latent [L, C]."""
        return SignedDistanceField(self.mlp, self.weights(latent[None]))


class SignedDistanceField:
    """The STF of one shape; callables over points in the box [-1, 1]^3."""

    def __init__(self, mlp: ImplicitMLP, weights: Sequence[Tensor]) -> None:
        """Bind the shared MLP to the generated matrices of one shape, each [1, rows, columns]."""
        self.mlp = mlp
        dtype = mlp.output.weight.dtype
        self.weights = [weight.to(dtype) for weight in weights]

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
        return self.mlp(points[None], self.weights)[0]  # type: ignore[no-any-return]
