# SPDX-License-Identifier: GPL-3.0-or-later
"""Normal distributions, and mixtures of them around examples, denoised in closed form.

What the best denoiser of a normal distribution is says Bishop (2006), section 2.3.3; a mixture is a
kernel density estimate (Parzen, 1962).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

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

        Bishop (2006), equations 2.116 and 2.117.

        Args:
            noisy: draws plus noise, [B, K].
            sigma: its spread, [B].
        """
        noise = (sigma.float() ** 2)[:, None]
        precision = _Precision.of(self.spread, self.factors, noise)
        offset = noisy.float() - self.mean
        clean = noisy - noise * precision.times(offset[:, None])[:, 0]
        scale = precision.variance_left(noise).clamp(min=_LEAST_VARIANCE).sqrt()
        return LinearEstimate(self.scaled(offset, noise), clean, scale)

    def scaled(self, offset: Tensor, noise: Tensor) -> Tensor:
        """Return how far noisy draws are from the mean, in units of how far they usually are.

        Args:
            offset: [B, K].
            noise: variance of the noise, [B, 1].
        """
        return offset * (self.spread**2 + self.factors.square().sum(2) + noise).rsqrt()


class Everything(NamedTuple):
    """The distribution of all shapes, which rows without a condition call for."""

    basis: LatentBasis
    is_asked: Tensor
    """[B, 1]."""

    def unless_asked(
        self, mean: Tensor, spread: Tensor, factors: Tensor, columns: slice
    ) -> Gaussian:
        """Return a distribution of some coefficients, and that of all where nothing is asked."""
        return Gaussian(
            torch.where(self.is_asked, mean, 0.0),
            torch.where(self.is_asked, spread, self.basis.spread[columns].float()),
            torch.where(self.is_asked[..., None], factors, 0.0),
        )


class Kernels(NamedTuple):
    """A normal distribution beside M others around examples, which share a narrower covariance."""

    base: Gaussian
    centers: Tensor
    """[B, M, K]."""
    log_weights: Tensor
    """Of the examples, then of the base, [B, M + 1]."""
    width: float
    """Of the others' covariance, as a share of the base's in standard deviations."""

    def denoise(self, noisy: Tensor, sigma: Tensor) -> LinearEstimate:
        """Return what is known of draws from the mixture; arguments as for `Gaussian`.

        Each kernel denoises by itself, and counts as far as it explains what is seen.
        """
        noise = (sigma.float() ** 2)[:, None]
        spread, factors = self.base.spread, self.base.factors
        broad = _Precision.of(spread, factors, noise)
        narrow = _Precision.of(self.width * spread, self.width * factors, noise)
        count = self.centers.shape[1]
        off = noisy.float()[:, None] - torch.cat([self.centers, self.base.mean[:, None]], dim=1)
        shifts = torch.cat([narrow.times(off[:, :count]), broad.times(off[:, count:])], dim=1)
        volumes = narrow.log_volume[:, None].expand(-1, count)
        fits = (off * shifts).sum(2) + torch.cat([volumes, broad.log_volume[:, None]], dim=1)
        share = (self.log_weights - fits / 2).softmax(1)[..., None]  # [B, M + 1, 1]
        cleans = noisy.float()[:, None] - noise[..., None] * shifts
        clean = (share * cleans).sum(1)
        between = (share * (cleans - clean[:, None]).square()).sum(1)
        within = share[:, :count].sum(1) * narrow.variance_left(noise)
        within = within + share[:, count] * broad.variance_left(noise)
        scale = (within + between).clamp(min=_LEAST_VARIANCE).sqrt()
        return LinearEstimate(self.base.scaled(off[:, count], noise), clean, scale)


class _Precision(NamedTuple):
    """The inverse of diag(spread**2) + factors @ factors.T + noise, by Woodbury's identity."""

    own: Tensor
    """Of the diagonal, [B, K]."""
    known: Tensor
    """What is to be taken off: known.T @ known, [B, R, K]."""
    log_volume: Tensor
    """Logarithm of the determinant of what it inverts, [B]."""

    @classmethod
    def of(cls, spread: Tensor, factors: Tensor, noise: Tensor) -> _Precision:
        """Invert the covariances of spreads [B, K] and factors [B, K, R] with noise [B, 1]."""
        own = 1 / (spread**2 + noise)
        scaled = factors * own[..., None]
        inner = torch.eye(factors.shape[2], device=factors.device)
        inner = inner + factors.transpose(1, 2) @ scaled
        # Without the check, which would wait for a GPU and cannot fail: eigenvalues are 1 or more.
        root = torch.linalg.cholesky_ex(inner).L
        known = torch.linalg.solve_triangular(root, scaled.transpose(1, 2), upper=False)
        volume = 2 * root.diagonal(dim1=1, dim2=2).log().sum(1) - own.log().sum(1)
        return cls(own, known, volume)

    def times(self, offsets: Tensor) -> Tensor:
        """Return the product with offsets [B, M, K]."""
        return self.own[:, None] * offsets - (offsets @ self.known.transpose(1, 2)) @ self.known

    def variance_left(self, noise: Tensor) -> Tensor:
        """Return the variance of each number once it was seen with noise [B, 1], [B, K]."""
        return noise - noise**2 * (self.own - self.known.square().sum(1))
