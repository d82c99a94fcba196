# SPDX-License-Identifier: GPL-3.0-or-later
"""What a condition says about coefficients before any of them is seen: a normal distribution.

Its mean is a small network's. Its covariance is that of a group of shapes with similar means, a
diagonal and a few directions besides, as in factor analysis (Bishop, 2006, section 12.2). With it
the best linear denoiser is known in closed form, and a prior need learn only what is not linear.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import GaussianSpec
from .basis import LatentBasis, LinearEstimate

_LEAST_VARIANCE = 1e-6


class Gaussian(NamedTuple):
    """Normal distributions of K numbers with covariance diag(spread**2) + factors @ factors.T."""

    mean: Tensor
    """[B, K]."""
    spread: Tensor
    """[B, K]."""
    factors: Tensor
    """[B, K, R]."""

    def denoise(self, noisy: Tensor, sigma: Tensor) -> LinearEstimate:
        """Return what is known of draws from the distribution that were seen with noise.

        Bishop (2006), equations 2.116 and 2.117, with the inverse by Woodbury's identity.

        Args:
            noisy: draws plus noise, [B, K].
            sigma: its spread, [B].
        """
        noise = (sigma.float() ** 2)[:, None]
        precision = 1 / (self.spread**2 + noise)  # [B, K]
        scaled = self.factors * precision[..., None]
        inner = torch.eye(self.factors.shape[2], device=noisy.device)
        inner = inner + self.factors.transpose(1, 2) @ scaled
        # Without the check, which would wait for a GPU and cannot fail: eigenvalues are 1 or more.
        root = torch.linalg.cholesky_ex(inner).L
        known = torch.linalg.solve_triangular(root, scaled.transpose(1, 2), upper=False)
        offset = noisy.float() - self.mean
        shared = known.transpose(1, 2) @ (known @ offset[..., None])
        clean = noisy - noise * (precision * offset - shared[..., 0])
        variance = noise - noise**2 * (precision - known.square().sum(1))
        total = self.spread**2 + self.factors.square().sum(2) + noise
        return LinearEstimate(
            offset * total.rsqrt(), clean, variance.clamp(min=_LEAST_VARIANCE).sqrt()
        )


class ConditionalGaussian(nn.Module):
    """The normal distribution that condition tokens call for; that of all shapes for zeros."""

    centers: Tensor
    spreads: Tensor
    factors: Tensor

    def __init__(
        self,
        spec: GaussianSpec,
        num_tokens: int,
        token_width: int,
        basis_size: int,
        num_shape: int = 0,
    ) -> None:
        """Make a distribution of nothing; `training/gaussian.py` fills it.

        Args:
            spec: sizes.
            num_tokens: condition tokens that are read, T.
            token_width: E.
            basis_size: K.
            num_shape: leading coefficients that paint has no part in; 0 if it has in all.
        """
        super().__init__()
        self._num_shape = num_shape
        shape, width = list(spec.shape_tokens), spec.width
        self._shape_tokens = shape
        self._paint_tokens = [token for token in range(num_tokens) if token not in shape]
        self.shape_in = nn.Linear(len(shape) * token_width, width)
        self.shape_hidden = nn.Linear(width, width)
        self.painted_in = nn.Linear(width, width)
        self.paint_in = nn.Linear(len(self._paint_tokens) * token_width, width // 2)
        self.paint_hidden = nn.Linear(width // 2, spec.num_paints)
        self.paint_out = nn.Linear(spec.num_paints, width)
        self.mean_out = nn.Linear(width, basis_size)
        self.painted_out = nn.Linear(width, basis_size - num_shape, bias=False)
        self.register_buffer("centers", torch.zeros(spec.num_groups, num_shape or basis_size))
        self.register_buffer("spreads", torch.ones(spec.num_groups, basis_size))
        self.register_buffer("factors", torch.zeros(spec.num_groups, basis_size, spec.rank))
        # Statistics of a data set: a prior is trained beside them, not through them.
        self.requires_grad_(False)

    def mean(self, condition: Tensor, basis: LatentBasis) -> Tensor:
        """Return the mean of what conditions [B, T, E] call for, fp32, [B, K].

        Paint is a few numbers that a shape answers to linearly: so a kind takes a color that it was
        never seen with, where a network of both at once fell back on kinds that it knew in it.
        """
        condition = condition.to(self.shape_in.weight.dtype)
        h = F.silu(self.shape_in(_side_by_side(condition, self._shape_tokens)))
        h = F.silu(self.shape_hidden(h))
        paint = F.silu(self.paint_in(_side_by_side(condition, self._paint_tokens)))
        painted = self.painted_in(h) * self.paint_out(self.paint_hidden(paint))
        mean: Tensor = self.mean_out(h) + F.pad(self.painted_out(painted), (self._num_shape, 0))
        return mean.float() * basis.spread.float()

    def forward(self, condition: Tensor, basis: LatentBasis) -> Gaussian:
        """Return what conditions [B, T, E] call for; rows of zeros call for every shape."""
        is_asked = (condition != 0).flatten(1).any(1)[:, None]
        mean = torch.where(is_asked, self.mean(condition, basis), 0.0)
        group = self.group(mean)
        spread = torch.where(is_asked, self.spreads[group].float(), basis.spread.float())
        factors = self.factors[group].float()
        return Gaussian(mean, spread, torch.where(is_asked[..., None], factors, 0.0))

    def group(self, mean: Tensor) -> Tensor:
        """Return which group means [B, K] are nearest to, [B]; in shape, where that is told apart.

        A mixture of groups would have factors that cancel each other: their signs mean nothing.
        """
        centers = self.centers.float()
        mean = mean[:, : centers.shape[1]]
        # |m - c|^2 without |m|^2, which is the same for every group.
        return (centers.square().sum(1) - 2 * mean @ centers.T).argmin(1)


def _side_by_side(condition: Tensor, tokens: list[int]) -> Tensor:
    """Return some tokens of conditions [B, T, E] as rows, [B, len(tokens) * E].

    Not by a list as index: a GPU would be sent it each time, which no recorded graph allows.
    """
    return torch.cat([condition[:, token] for token in tokens], dim=1)
