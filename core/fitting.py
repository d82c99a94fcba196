# SPDX-License-Identifier: GPL-3.0-or-later
"""The encoder's answer, improved by a few gradient steps through the frozen decoder.

A small encoder leaves much on the table: the decoder can show an object far better than the
latent that the encoder finds for it. Starting at that latent and using nothing but the points
that the encoder read, a dozen steps close much of the gap (semi-amortised inference, Kim et al.,
2018, arXiv:1802.02550). Where signed distances around a closed surface are known, more steps go
further and the whole latent is moved, as decoders without an encoder find one (Park et al., 2019,
arXiv:1901.05103).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from .decoder.stf import Decoder
from .interrupt import Check, ignore
from .prior.basis import LatentBasis
from .specs import FitSpec

_ON_SURFACE_WEIGHT = 3.0
"""Of a distance at the surface, as in training."""
_DISTANCE_SCALE = 0.1
"""Distances are compared after tanh(d / this); `training/configs` has every starter pack so."""
_NEAR = 0.03
"""Distances below this count as those at the surface do; ibid."""
_COLORED = 0.05
"""Colors are asked for only this close to the surface; ibid., in the first stage."""


class KnownPoints(NamedTuple):
    """Points with what the fields of latents should show there."""

    points: Tensor  # [B, P, 3]
    distance: Tensor
    """Positive inside, 0 on the surface, [B, P]."""
    colors: Tensor
    """sRGB in [0, 1] of the nearest place on the surface, [B, P, 3]."""

    def drawn(self, count: int, generator: torch.Generator) -> KnownPoints:
        """Return some of the points, the same ones of each shape."""
        chosen = torch.randint(self.points.shape[1], (count,), generator=generator)
        chosen = chosen.to(self.points.device)
        return KnownPoints(*(each[:, chosen] for each in self))


def fit_coefficients(
    decoder: Decoder,
    basis: LatentBasis,
    coefficients: Tensor,
    cloud: tuple[Tensor, Tensor],
    spec: FitSpec,
    generator: torch.Generator,
    check: Check = ignore,
) -> Tensor:
    """Return coefficients [B, K] that decode to the surface points more closely.

    Args:
        decoder: its parameters need no gradient.
        basis: of the latents.
        coefficients: where to start, as the encoder found them, [B, K].
        cloud: surface points and their sRGB, each [B, N, 3].
        spec: how far to go.
        generator: on the CPU; chooses the points of each step.
        check: called before each step.
    """
    with torch.inference_mode(False):
        points, colors = (each.float().clone() for each in cloud)

        def loss_of(fitted: Tensor) -> Tensor:
            chosen = torch.randperm(points.shape[1], generator=generator)[: spec.num_points]
            chosen = chosen.to(points.device)
            latent = basis.reconstruct(fitted)
            return surface_loss(decoder, latent, points[:, chosen], colors[:, chosen], spec)

        return descend(coefficients, spec.num_steps, spec.learning_rate, loss_of, check)


def fit_latents(
    decoder: Decoder,
    latents: Tensor,
    shown: KnownPoints,
    around: KnownPoints,
    spec: FitSpec,
    generator: torch.Generator,
    check: Check = ignore,
) -> Tensor:
    """Return latents [B, L, C] that decode to surfaces and known distances more closely.

    They need not lie in a prior's basis.

    Args:
        decoder: its parameters need no gradient.
        latents: where to start.
        shown: points on the surfaces.
        around: points around them.
        spec: how far to go.
        generator: on the CPU; chooses the points of each step.
        check: called before each step.
    """
    with torch.inference_mode(False):
        shown, around = (
            KnownPoints(*(part.float().clone() for part in e)) for e in (shown, around)
        )

        def loss_of(fitted: Tensor) -> Tensor:
            drawn = (
                shown.drawn(spec.num_points, generator),
                around.drawn(spec.num_queries, generator),
            )
            known = KnownPoints(*(torch.cat(pair, dim=1) for pair in zip(*drawn, strict=True)))
            return known_loss(decoder, fitted, known, spec)

        return descend(latents, spec.num_steps, spec.learning_rate, loss_of, check)


def descend(
    start: Tensor,
    num_steps: int,
    rate: float,
    loss_of: Callable[[Tensor], Tensor],
    check: Check = ignore,
) -> Tensor:
    """Return where gradient steps at a falling rate lead from a start [B, ...].

    Args:
        start: of B shapes.
        num_steps: how many steps.
        rate: of Adam, in the first step.
        loss_of: the mean loss over the shapes.
        check: called before each step.
    """
    # Whoever samples does it in inference mode, which no gradient leaves.
    with torch.inference_mode(False):
        fitted = start.detach().float().clone().requires_grad_(True)
        optimizer = torch.optim.Adam([fitted], betas=(0.8, 0.95))
        for step in range(num_steps):
            check()
            for group in optimizer.param_groups:
                group["lr"] = rate * (1.05 - step / num_steps)
            with torch.enable_grad():
                # Summed over the shapes, so that a shape moves alike in a batch of any size.
                (fitted.grad,) = torch.autograd.grad(loss_of(fitted) * len(fitted), fitted)
            optimizer.step()
        return fitted.detach()


def known_loss(decoder: Decoder, latents: Tensor, known: KnownPoints, spec: FitSpec) -> Tensor:
    """Return how far latents [B, L, C] are from showing what is known of their fields."""
    raw = decoder.mlp(known.points, decoder.weights(latents))
    distance = decoder.mlp.split(raw, "signed_distance").float().tanh()[..., 0]  # [B, P]
    painted = decoder.mlp.split(raw, "stf_color").float().sigmoid()
    magnitude = known.distance.abs()
    weight = torch.where(magnitude < _NEAR, _ON_SURFACE_WEIGHT, 1.0)
    error = ((known.distance / _DISTANCE_SCALE).tanh() - distance).abs() * weight
    colored = (magnitude < _COLORED).float()
    squared = ((painted - known.colors) ** 2).mean(-1)
    if spec.rare_color_power and spec.palette:
        squared = squared * color_rarity(known.colors, spec, colored)
    color_error = (squared * colored).sum() / colored.sum().clamp(min=1)
    return error.mean() + spec.color_weight * color_error


def surface_loss(
    decoder: Decoder, latent: Tensor, points: Tensor, colors: Tensor, spec: FitSpec
) -> Tensor:
    """Return how far latents [B, L, C] are from showing colored surface points, each [B, P, 3].

    The distance should be 0 at every one of them, and the color as given.
    """
    raw = decoder.mlp(points, decoder.weights(latent))
    distance = decoder.mlp.split(raw, "signed_distance").float().tanh()[..., 0]  # [B, P]
    painted = decoder.mlp.split(raw, "stf_color").float().sigmoid()
    squared = ((painted - colors) ** 2).mean(-1)
    if spec.rare_color_power and spec.palette:
        squared = squared * color_rarity(colors, spec)
    return _ON_SURFACE_WEIGHT * distance.abs().mean() + spec.color_weight * squared.mean()


def color_rarity(colors: Tensor, spec: FitSpec, counted: Tensor | None = None) -> Tensor:
    """Return a weight per point that grows with the rarity of its color on its own object.

    Colors are told apart by the nearest one of the palette, so that grain and jitter make no
    difference.

    Args:
        colors: sRGB in [0, 1], [B, P, 3].
        spec: palette, and the power of a color's share.
        counted: 1 where a point counts, else 0, [B, P]; without it all count.

    Returns:
        Weights with a mean of 1 over the counted points of each object, [B, P].
    """
    palette = torch.tensor(spec.palette).to(colors)
    named = torch.cdist(colors, palette.expand(len(colors), -1, -1)).argmin(-1)
    counts = colors.new_zeros(len(colors), len(palette))
    counts.scatter_add_(1, named, torch.ones_like(colors[..., 0]) if counted is None else counted)
    weight = counts.clamp(min=1).pow(-spec.rare_color_power).gather(1, named)
    if counted is None:
        return weight / weight.mean(1, keepdim=True)
    total = (weight * counted).sum(1, keepdim=True).clamp(min=1e-6)
    return weight * counted.sum(1, keepdim=True) / total
