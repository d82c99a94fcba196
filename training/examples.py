# SPDX-License-Identifier: GPL-3.0-or-later
"""What the captions of shapes call for, and which shapes a distribution keeps as examples."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.prior.basis import LatentBasis
from ..core.prior.gaussian import ConditionalGaussian
from ..core.prior.paint import in_colors
from .conditions import CachedConditions
from .paint_tables import PaintTables

logger = logging.getLogger(__name__)

_AT_A_TIME = 2048
_PROBES = 512
_FEW_ALIKE = 12
"""Shapes that so few captions resemble are no examples: pairs of objects that are hardly seen."""
_RARITY = 0.5
"""A shape is kept by its captions' rarity to this power, so that "tall" ones are among them."""
_SAME_SHAPE = 1.0
"""How far what is called for may be apart, in what the tenth most alike usually are: so other kinds
are out of the question."""
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
    paints: PaintTables
    num_paints: int = 1
    """Rows that share a shape."""

    def alike(self, indices: Tensor, further: Tensor | int) -> Tensor:
        """Return rows that have the shapes of some in other paints, where there are others.

        Args:
            indices: rows, [B].
            further: how many of the rows that share a shape later, in turn, [B].
        """
        place = indices % self.num_paints
        rows = indices - place + (place + further) % self.num_paints
        return rows.clamp(max=len(self.coefficients) - 1)


def keep_examples(module: ConditionalGaussian, known: Known, told: Tensor, seed: int) -> None:
    """Keep some shapes whose captions say what those of many others do, the rarer the sooner.

    Args:
        module: with room for them.
        known: shapes; of those that share one, the first alone may be kept.
        told: what the caption of each shape in training calls for, [N, S].
        seed: of the draw.
    """
    generator = torch.Generator().manual_seed(seed)
    reach = _reach(told, generator)
    alike = torch.cat([(torch.cdist(part, told) < 2 * reach).sum(1) for part in told.split(512)])
    # Drawn without replacement: who waits least, at random (Efraimidis and Spirakis, 2006).
    wait = torch.empty(len(told)).exponential_(generator=generator)
    is_first = torch.arange(len(told)) % known.num_paints == 0
    score = torch.where(is_first & (alike > _FEW_ALIKE), wait * alike**_RARITY, torch.inf)
    count = min(module.spec.num_examples, int(score.isfinite().sum()))
    chosen = score.argsort()[:count]
    module.examples[:count] = known.coefficients[chosen, : module.num_shape].float()
    module.paints[:count] = known.paints.built[chosen].float()
    module.told.fill_(_NOWHERE)
    module.told[:count] = told[chosen]
    module.reach.copy_(_SAME_SHAPE * reach)
    logger.info("gaussian: %d examples of %d shapes, reach %.2f", count, len(told), float(reach))


def _reach(told: Tensor, generator: torch.Generator) -> Tensor:
    """Return how far what captions call for usually is from what the tenth most alike does."""
    probes = told[torch.randperm(len(told), generator=generator)[:_PROBES]]
    tenth = min(10, len(told) - 1)
    return torch.cdist(probes, told).kthvalue(tenth + 1, dim=1).values.median().clamp(min=1e-3)


def told_shapes(module: ConditionalGaussian, known: Known, count: int) -> Tensor:
    """Return what the caption that tells most of each of the first shapes calls for, [count, S]."""
    found = []
    for start in range(0, count, _AT_A_TIME):
        shapes = slice(start, min(start + _AT_A_TIME, count))
        actual = known.coefficients[shapes, : module.num_shape].float()
        captions = known.conditions.captions[shapes]
        means = module.shape_mean(captions.float().flatten(0, 1), known.basis)
        means = means.view(*captions.shape[:2], -1)  # [B, V, S]
        best = (means - actual[:, None]).square().sum(2).argmin(1)
        found.append(means[torch.arange(len(means)), best])
    return torch.cat(found)


def painted_shapes(module: ConditionalGaussian, known: Known, count: int) -> Tensor:
    """Return the color that each of the first shapes has in its paint, [count, K - S].

    Shapes are as they were encoded in the next paint, which tells nothing of this one.
    """
    found = []
    for rows in torch.arange(count).split(_AT_A_TIME):
        shapes = known.coefficients[known.alike(rows, 1), : module.num_shape].float()
        paints = in_colors(known.paints.built[rows, None].float(), module.spec.paint.num_colors)
        found.append(module.painted(shapes, paints, known.basis)[:, 0])
    return torch.cat(found)
