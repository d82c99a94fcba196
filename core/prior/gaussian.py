# SPDX-License-Identifier: GPL-3.0-or-later
"""What a condition says about coefficients before any of them is seen: of shape, and of paint.

The shape is one of some examples, or it is normally distributed. Its color follows from the shape
and from what is to be painted how; what is left unsaid of that is as on an example. With that the
best denoiser is known in closed form, and a prior need learn only what is left.

Distributions of shapes are kernel density estimates (Parzen, 1962) where examples of what is asked
for are known, and factor analyzers (Bishop, 2006, section 12.2) where they are not: a small network
gives the mean, and the covariance is that of a group of shapes with similar means, a diagonal and
a few directions besides.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..specs import GaussianSpec
from .basis import LatentBasis, LinearEstimate
from .kernels import Everything, Kernels
from .paint import (
    NUM_OTHERS,
    Painter,
    PaintReader,
    agreement,
    in_colors,
    part_is_said,
    plain,
    repaint,
)

_MOST_EXAMPLES = 48
"""Whose words are nearest; the others cannot be what is meant."""
_LACK = 8.0
"""How much less an example counts for each part that is asked for and that it lacks, as the
logarithm of its weight."""


class ConditionalGaussian(nn.Module):
    """The distribution that condition tokens call for; that of all shapes for zeros."""

    centers: Tensor
    spreads: Tensor
    factors: Tensor
    examples: Tensor
    told: Tensor
    paints: Tensor
    reach: Tensor

    def __init__(
        self,
        spec: GaussianSpec,
        num_tokens: int,
        token_width: int,
        basis_size: int,
        num_shape: int,
    ) -> None:
        """Make a distribution of nothing; `training/gaussian.py` fills it.

        Args:
            spec: sizes.
            num_tokens: condition tokens that are read, T.
            token_width: E.
            basis_size: K.
            num_shape: how many of them, S, are of the shape; they come first.
        """
        super().__init__()
        shape, width = list(spec.shape_tokens), spec.width
        self.spec = spec
        self.num_shape = num_shape
        self._shape_tokens = shape
        self.shape_in = nn.Linear(len(shape) * token_width, width)
        self.shape_hidden = nn.Linear(width, width)
        self.mean_out = nn.Linear(width, num_shape)
        self.reader = PaintReader(spec.paint, token_width)
        self.painter = Painter(spec.paint, width, num_shape, basis_size - num_shape)
        self.register_buffer("centers", torch.zeros(spec.num_groups, num_shape))
        self.register_buffer("spreads", torch.ones(spec.num_groups, basis_size))
        self.register_buffer("factors", torch.zeros(spec.num_groups, basis_size, spec.rank))
        self.register_buffer("examples", torch.zeros(spec.num_examples, num_shape))
        self.register_buffer("told", torch.zeros(spec.num_examples, num_shape))
        num_roles = NUM_OTHERS + spec.paint.num_parts
        self.register_buffer("paints", torch.zeros(spec.num_examples, num_roles))
        self.register_buffer("reach", torch.ones(()))
        # Statistics of a data set: a prior is trained beside them, not through them.
        self.requires_grad_(False)

    def shape_mean(self, condition: Tensor, basis: LatentBasis) -> Tensor:
        """Return the mean shape that conditions [B, T, E] call for, fp32, [B, S]."""
        mean: Tensor = self.mean_out(self._told_shape(condition))
        return mean.float() * basis.spread[: self.num_shape].float()

    def painted(self, shape: Tensor, paints: Tensor, basis: LatentBasis) -> Tensor:
        """Return the color of shapes in several paints, fp32.

        Args:
            shape: coefficients, [B, S].
            paints: how much of each color each role has, [B, M, R, C].
            basis: of the coefficients.

        Returns:
            [B, M, K - S].
        """
        return self._colored(shape, self.painter.strokes(paints), basis)

    def read(self, condition: Tensor, basis: LatentBasis) -> Asked:
        """Return what conditions call for before anything is seen, for `denoise`.

        Args:
            condition: [B, T, E]; rows of zeros call for every shape.
            basis: of the coefficients.
        """
        heat = self.spec.temperature
        is_asked = (condition != 0).flatten(1).any(1)[:, None]
        shape_mean = torch.where(is_asked, self.shape_mean(condition, basis), 0.0)
        group = self.group(shape_mean)
        said = self.reader(condition)
        near = self._near(shape_mean, part_is_said(said), is_asked)
        tables = torch.cat([near.paints, plain(said)], dim=1)
        paints = in_colors(repaint(said, tables), self.spec.paint.num_colors)
        return Asked(
            is_asked,
            shape_mean,
            heat * self.spreads[group].float(),
            heat * self.factors[group].float(),
            near.shapes,
            self._with_doubt(near.log_weights),
            self.painter.strokes(paints),
            self._with_doubt(near.log_weights + agreement(said, near.paints)),
        )

    def denoise(
        self,
        noisy: Tensor,
        sigma: Tensor,
        condition: Tensor,
        basis: LatentBasis,
        asked: Asked | None = None,
    ) -> LinearEstimate:
        """Return what is known of noisy coefficients.

        Args:
            noisy: [B, K].
            sigma: noise levels, [B].
            condition: [B, T, E]; rows of zeros call for every shape.
            basis: of the coefficients.
            asked: what `read` makes of the condition, if that is known already.
        """
        cut, it = self.num_shape, self.read(condition, basis) if asked is None else asked
        of_all = Everything(basis, it.is_asked)
        base = of_all.unless_asked(it.mean, it.spreads[:, :cut], it.factors[:, :cut], slice(0, cut))
        kernels = Kernels(base, it.shapes, it.log_weights, self.spec.example_width)
        shape = kernels.denoise(noisy[:, :cut], sigma)

        colors = self._colored(shape.clean, it.strokes, basis)
        base = of_all.unless_asked(
            colors[:, -1], it.spreads[:, cut:], it.factors[:, cut:], slice(cut, None)
        )
        kernels = Kernels(base, colors[:, :-1], it.log_weights_painted, 1.0)
        paint = kernels.denoise(noisy[:, cut:], sigma)
        return LinearEstimate(*(torch.cat(pair, dim=1) for pair in zip(shape, paint, strict=True)))

    def group(self, mean: Tensor) -> Tensor:
        """Return which group mean shapes [B, S] are nearest to, [B].

        A mixture of groups would have factors that cancel each other: their signs mean nothing.
        """
        return _squares(mean, self.centers.float()).argmin(1)

    def _near(self, mean: Tensor, parts: Tensor, is_asked: Tensor) -> _Near:
        """Return the examples whose captions call for nearly the same.

        Args:
            mean: shapes that are called for, [B, S].
            parts: which named parts they are to have, 0 or 1, [B, P].
            is_asked: whether anything is, [B, 1].
        """
        lacks = parts @ (self.paints[:, NUM_OTHERS:] < 0.5).to(parts).T  # [B, N]
        far = _squares(mean, self.told.float()) + mean.square().sum(1, keepdim=True)
        weights = -far / (2 * self.reach.float() ** 2) - _LACK * lacks
        near = weights.topk(min(_MOST_EXAMPLES, far.shape[1]), dim=1)
        values = near.values
        if values.shape[1]:
            # What all of them lack tells nothing.
            values = values + _LACK * lacks.gather(1, near.indices).amin(1, keepdim=True)
        return _Near(
            self.examples.float()[near.indices],
            self.paints.float()[near.indices],
            torch.where(is_asked, values, -torch.inf),
        )

    def _with_doubt(self, log_weights: Tensor) -> Tensor:
        """Return log weights of examples [B, M] and of none of them; the weights sum to one."""
        none = log_weights.new_full((len(log_weights), 1), -self.spec.doubt)
        return torch.cat([log_weights, none], dim=1).log_softmax(1)

    def _colored(self, shape: Tensor, strokes: Tensor, basis: LatentBasis) -> Tensor:
        """Return the color of shapes [B, S] with the strokes of paints [B, M, W], [B, M, K - S]."""
        spread, cut = basis.spread.float(), self.num_shape
        # Between their own size and all alike: what varies little is noise for the most part.
        scaled = shape.float() * (spread[:cut] * spread[:cut].amax()).rsqrt()
        return self.painter.color(scaled, strokes) * spread[cut:]

    def _told_shape(self, condition: Tensor) -> Tensor:
        condition = condition.to(self.shape_in.weight.dtype)
        h = F.silu(self.shape_in(_side_by_side(condition, self._shape_tokens)))
        hidden: Tensor = F.silu(self.shape_hidden(h))
        return hidden


class Asked(NamedTuple):
    """What conditions call for, whatever is seen and however much noise is on it."""

    is_asked: Tensor
    """Whether anything is, [B, 1]."""
    mean: Tensor
    """Of the shape, [B, S]."""
    spreads: Tensor
    """[B, K]."""
    factors: Tensor
    """[B, K, R]."""
    shapes: Tensor
    """Examples, [B, M, S]."""
    log_weights: Tensor
    """Of examples, and of none of them, by their shape, [B, M + 1]."""
    strokes: Tensor
    """Of the paint of each example as it was asked for, and of the plain one, [B, M + 1, W]."""
    log_weights_painted: Tensor
    """By shape and paint, [B, M + 1]."""


class _Near(NamedTuple):
    """Some examples for each condition."""

    shapes: Tensor
    """[B, M, S]."""
    paints: Tensor
    """Color of each role, [B, M, R]."""
    log_weights: Tensor
    """By the shapes that their captions call for, [B, M]."""


def _squares(points: Tensor, centers: Tensor) -> Tensor:
    """Return |p - c|^2 - |p|^2 of points [B, K] and centers [G, K], [B, G]."""
    return centers.square().sum(1) - 2 * points @ centers.T


def _side_by_side(condition: Tensor, tokens: list[int]) -> Tensor:
    """Return some tokens of conditions [B, T, E] as rows, [B, len(tokens) * E].

    Not by a list as index: a GPU would be sent it each time, which no recorded graph allows.
    """
    return torch.cat([condition[:, token] for token in tokens], dim=1)
