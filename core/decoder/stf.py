# SPDX-License-Identifier: GPL-3.0-or-later
"""The signed distance and texture field (STF) of one shape."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from ..beside import Crew
from ..specs import DecoderSpec, Head
from .bound import BoundMLP, bound
from .implicit_mlp import ImplicitMLP, SplitMLP, implicit_function
from .params_proj import ParamsProj
from .pieces import in_pieces


class Decoder(nn.Module):
    """Everything between a latent and a field."""

    def __init__(self, spec: DecoderSpec) -> None:
        super().__init__()
        self.spec = spec
        self.params_proj = ParamsProj(spec)
        self.mlp = implicit_function(spec)

    def weights(self, latent: Tensor) -> list[Tensor]:
        """Return the generated matrices of latents [B, L, C]; see `ParamsProj`."""
        return self.params_proj(latent)  # type: ignore[no-any-return]

    def field(
        self,
        latent: Tensor,
        *,
        chunk_size: int | None = None,
        color_dtype: torch.dtype | None = None,
    ) -> SignedDistanceField:
        """Return the field of one latent [L, C]; options are those of the field."""
        weights = self.weights(latent[None])
        return SignedDistanceField(
            self.mlp, weights, chunk_size=chunk_size, color_dtype=color_dtype
        )


class SignedDistanceField:
    """The STF of one shape; callables over points in the box [-1, 1]^3."""

    size_ratio = 1.0
    """Volume of the smallest object over that of the largest: it is but one."""

    def __init__(
        self,
        mlp: ImplicitMLP | SplitMLP,
        weights: Sequence[Tensor],
        *,
        chunk_size: int | None = None,
        color_dtype: torch.dtype | None = None,
    ) -> None:
        """Bind the shared MLP to the generated matrices of one shape, each [1, rows, columns].

        Args:
            mlp: what all shapes share.
            weights: what this shape has of its own.
            chunk_size: no more points than that are evaluated at once, however many are asked.
            color_dtype: what colours are computed in; None means what the distance is, which
                decides where the surface lies and stays exact.
        """
        self.mlp = mlp
        self._chunk_size = chunk_size
        self._crew = Crew()
        # The projection may stay on the CPU: on a GPU it would take most of the memory.
        self.weights = [weight.to(mlp.output.weight) for weight in weights]
        self._exact = self._rough = bound(mlp, self.weights)
        self._color_dtype = mlp.output.weight.dtype
        if color_dtype is not None and color_dtype != self._color_dtype:
            self._color_dtype = color_dtype
            converted = [weight.to(color_dtype) for weight in self.weights]
            self._rough = bound(copy.deepcopy(mlp).to(dtype=color_dtype), converted)

    def signed_distance(self, points: Tensor) -> Tensor:
        """Return the distance, positive inside, squashed to (-1, 1) by tanh.

        Args:
            points: [P, 3].

        Returns:
            fp32, [P].
        """
        raw = self._raw(self._exact, "signed_distance", points)
        return raw.float().tanh()[..., 0]

    @property
    def draft_distance(self) -> Callable[[Tensor], Tensor] | None:
        """The distance in what colors are computed in, if that is cheaper; else None."""
        return None if self._rough is self._exact else self._draft_distance

    def _draft_distance(self, points: Tensor) -> Tensor:
        raw = self._raw(self._rough, "signed_distance", points)
        return raw.float().tanh()[..., 0]

    def color(self, points: Tensor) -> Tensor:
        """Return sRGB colours in [0, 1] at points [P, 3], fp32, [P, 3]."""
        raw = self._raw(self._rough, "stf_color", points)
        return raw.float().sigmoid()

    def _raw(self, mlp: BoundMLP, head: Head, points: Tensor) -> Tensor:
        dtype = self.mlp.output.weight.dtype if mlp is self._exact else self._color_dtype
        evaluate = partial(mlp.only, head)
        return in_pieces(evaluate, points, dtype, self._chunk_size, self._crew)
