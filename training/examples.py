# SPDX-License-Identifier: GPL-3.0-or-later
"""What the captions of shapes call for, and which shapes a distribution keeps as examples."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.prior.basis import LatentBasis
from ..core.prior.gaussian import ConditionalGaussian
from .conditions import CachedConditions

logger = logging.getLogger(__name__)

_AT_A_TIME = 2048
_PROBES = 512
_FEW_ALIKE = 12
"""Shapes that so few captions resemble are no examples: pairs of objects that are hardly seen."""
_RARITY = 0.5
"""A shape is kept by its captions' rarity to this power, so that "tall" ones are among them."""
_SAME_SHAPE, _SAME_PAINT = 0.5, 0.05
"""How far sayings may be apart, in what the tenth most alike usually are: so other kinds and other
colors are out of the question, and other words for them are not."""
_NOWHERE = 1e3
"""In each coefficient: what no caption calls for."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the distribution is taken from."""

    coefficients: Tensor
    """Of every shape, those of validation last, [N, K]."""
    conditions: CachedConditions
    basis: LatentBasis
    num_training: int


def keep_examples(module: ConditionalGaussian, known: Known, told: Tensor, seed: int) -> None:
    """Keep some shapes whose captions say what those of many others do, the rarer the sooner.

    Args:
        module: with room for them.
        known: shapes.
        told: what the caption of each shape in training calls for, [N, S].
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    reach = _reach(told, generator)
    alike = torch.cat([(torch.cdist(part, told) < 2 * reach).sum(1) for part in told.split(512)])
    # Drawn without replacement: who waits least, at random (Efraimidis and Spirakis, 2006).
    wait = torch.empty(len(told)).exponential_(generator=generator)
    score = torch.where(alike > _FEW_ALIKE, wait * alike**_RARITY, torch.inf)
    count = min(module.spec.num_examples, int(score.isfinite().sum()))
    chosen = score.argsort()[:count]
    module.examples[:count] = known.coefficients[chosen, : module.num_shape].float()
    module.told.fill_(_NOWHERE)
    module.told[:count] = told[chosen]
    module.reach.copy_(_SAME_SHAPE * reach)
    keep_sayings(module, known, chosen, generator)
    logger.info("gaussian: %d examples of %d shapes, reach %.2f", count, len(told), float(reach))


def keep_sayings(
    module: ConditionalGaussian, known: Known, chosen: Tensor, generator: torch.Generator
) -> None:
    """Keep what captions of examples say of paint, and which of them tells most.

    Args:
        module: whose examples are chosen.
        known: shapes.
        chosen: which of them are the examples, [N].
        generator: of those whose captions are compared.
    """
    captions = known.conditions.captions[chosen][:, : module.spec.num_captions]
    sayings = module.paint(captions.float().flatten(0, 1)).view(*captions.shape[:2], -1)
    actual = known.coefficients[chosen].float()
    _, best = _told(module, known.basis, captions, actual)
    module.sayings[: len(chosen), : captions.shape[1]] = sayings
    module.sayings[: len(chosen), captions.shape[1] :] = sayings[:, :1]
    module.paints[: len(chosen)] = sayings[torch.arange(len(chosen)), best]
    module.paint_reach.copy_(_SAME_PAINT * _reach(sayings.flatten(0, 1), generator))


def _reach(told: Tensor, generator: torch.Generator) -> Tensor:
    """Return how far what captions call for usually is from what the tenth most alike does."""
    probes = told[torch.randperm(len(told), generator=generator)[:_PROBES]]
    tenth = min(10, len(told) - 1)
    return torch.cdist(probes, told).kthvalue(tenth + 1, dim=1).values.median().clamp(min=1e-3)


def told_means(module: ConditionalGaussian, known: Known, count: int) -> Tensor:
    """Return what the caption that tells most of each of the first shapes calls for, [count, K].

    A caption that leaves the color open would make every color part of its group's variance, and
    prompts that name one would vary as well.
    """
    found = []
    for start in range(0, count, _AT_A_TIME):
        shapes = slice(start, min(start + _AT_A_TIME, count))
        actual = known.coefficients[shapes].float()
        found.append(_told(module, known.basis, known.conditions.captions[shapes], actual)[0])
    return torch.cat(found)


def _told(
    module: ConditionalGaussian, basis: LatentBasis, captions: Tensor, actual: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what the caption that tells most calls for, [B, K], and which it is, [B].

    Args:
        module: whose means are trained.
        basis: of the coefficients.
        captions: of each shape, [B, V, T, E].
        actual: coefficients, [B, K].
    """
    told = captions.float().flatten(0, 1)
    means = torch.cat([module.shape_mean(told, basis), module.color_mean(told, basis)], dim=1)
    means = means.view(*captions.shape[:2], -1)  # [B, V, K]
    best = (means - actual[:, None]).square().sum(2).argmin(1)
    return means[torch.arange(len(means)), best], best
