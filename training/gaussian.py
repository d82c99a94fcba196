# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage `gaussian`: the distribution of coefficients that each condition calls for.

Its means are regressed, its covariances are those of groups: shapes are put together by what their
captions call for (k-means), and of each group the directions that vary most are kept. Where many
shapes have captions that call for nearly the same, some of them are kept as examples. What paint
does to a shape is learnt from shapes whose every color is known, so that nothing is left to guess
by the shape, and shapes as they were encoded in other paints, because their numbers give away in
which; what a caption or a picture says of paint is learnt by itself.
"""

from __future__ import annotations

import argparse
import logging
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.prior.gaussian import ConditionalGaussian
from ..core.prior.paint import in_colors
from ..core.specs import PRIORS
from .config import StageConfig, TrainingConfig
from .examples import Known, keep_examples, painted_shapes, told_shapes
from .loop import Run, rank
from .saving import save_whole
from .values import ConfigError

logger = logging.getLogger(__name__)

STATE_FILE = "estimate.pt"

_ROUNDS = 15
"""Of k-means."""
_KEPT = 0.8
"""Share of a direction's variance that is taken as one: what few shapes agree in is partly luck.
The rest counts as each coefficient's own."""
_LEAST_SHARE = 0.02
"""Of a coefficient's variance that is its own at least."""
_SHAKEN = 0.3
"""Shapes that are painted in training are at most this far off, as a share of each spread."""
_READ_WEIGHT = 0.2
"""Of what is read of paint, beside what is drawn."""


def run_gaussian(config: TrainingConfig, known: Known, arguments: argparse.Namespace) -> None:
    """Regress the mean, group shapes, and write `estimate.pt`.

    Raises:
        ConfigError: the settings have no section for it, or the prior no use.
    """
    module, stage = untrained(config)
    fit_mean(module, known, stage, arguments.run, config.seed, arguments.device)
    if rank() != 0:
        return
    module.cpu()
    fit_groups(module, known, config.seed)
    save_whole(module.state_dict(), arguments.run / STATE_FILE)


def untrained(config: TrainingConfig) -> tuple[ConditionalGaussian, StageConfig]:
    """Return the distribution before its first step, and the settings of its stage.

    Raises:
        ConfigError: the settings have no section for it, or the prior no use.
    """
    spec, stage = PRIORS[config.architecture], config.gaussian
    if spec.gaussian is None or stage is None:
        raise ConfigError(
            "gaussian needs a section [gaussian], and an architecture that has one:"
            f" {config.architecture} may not"
        )
    torch.manual_seed(config.seed)
    sizes = spec.num_pooled, spec.condition_width, spec.basis_size, spec.num_shape
    module = ConditionalGaussian(spec.gaussian, *sizes)
    nn.init.zeros_(module.mean_out.weight)
    nn.init.zeros_(module.mean_out.bias)
    nn.init.zeros_(module.painter.color_out.weight)
    nn.init.zeros_(module.painter.color_out.bias)
    return module, stage


def fit_mean(
    module: ConditionalGaussian,
    known: Known,
    stage: StageConfig,
    folder: Path,
    seed: int,
    device: torch.device | str = "cpu",
) -> None:
    """Train the mean of a distribution, from the beginning or from where a run was stopped."""
    module.requires_grad_(True)
    run = Run("gaussian", module.to(device), stage, folder)
    run.train(partial(_mean_loss, run, module, known, stage.batch_size), seed + 5)
    run.use_average()
    module.requires_grad_(False)


def _mean_loss(
    run: Run,
    module: ConditionalGaussian,
    known: Known,
    batch_size: int,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    indices = torch.randint(known.num_training, (batch_size,), generator=generator)
    told = known.conditions.draw_told(indices, generator)
    condition = told.tokens.to(run.device)
    built, of_captions = known.paints.built[indices], known.paints.said[indices, told.caption]
    said = torch.where(told.is_picture[:, None], built, of_captions)
    basis = known.basis.to(run.device)
    target = known.coefficients[indices].float().to(run.device)
    cut = module.num_shape
    # The same shape as it was encoded in another paint: what it gives away of colors is wrong.
    further = torch.randint(max(1, known.num_paints - 1), (batch_size,), generator=generator)
    shown = known.coefficients[known.alike(indices, 1 + further), :cut].float().to(run.device)
    level = _SHAKEN * torch.rand(batch_size, 1, generator=generator)
    noise = level * torch.randn(batch_size, cut, generator=generator)
    shaken = shown + noise.to(shown) * basis.spread[:cut]
    paints = in_colors(built[:, None].to(run.device), module.spec.paint.num_colors)
    with run.autocast():
        shape = module.shape_mean(condition, basis)
        color = module.painted(shaken, paints, basis)[:, 0]
        read = module.reader(condition)
    # In units of each spread, large coefficients weigh more, but not as their squares.
    scale = basis.spread
    mean = torch.cat([shape, color], dim=1)
    error = ((mean - target) / scale).square() * (scale / scale.mean())
    left = [
        ((mean[:, part] - target[:, part]) ** 2).sum() / (target[:, part] ** 2).sum()
        for part in (slice(0, cut), slice(cut, None))
    ]
    reading = _reading_loss(read, said.long().to(run.device))
    loss = error.mean() + _READ_WEIGHT * reading
    return {"loss": loss, "shape": left[0], "color": left[1], "read": reading}


def _reading_loss(logits: Tensor, said: Tensor) -> Tensor:
    """Return the loss of colors read [B, R, 1 + C], summed over roles."""
    loss = F.cross_entropy(logits.flatten(0, 1), said.flatten(), reduction="none")
    return loss.view(said.shape).sum(1).mean()


@torch.no_grad()
def fit_groups(module: ConditionalGaussian, known: Known, seed: int) -> None:
    """Fill the groups of a distribution whose means are trained.

    Args:
        module: on the CPU.
        known: shapes; captions alone say which belong together.
        seed: of the first centers, and of which examples are kept.
    """
    cut = module.num_shape
    told = told_shapes(module, known, known.num_training)
    means = torch.cat([told, painted_shapes(module, known, known.num_training)], dim=1)
    num_groups, _, rank = module.factors.shape
    centers, groups = k_means(told, num_groups, seed)
    off = known.coefficients[: known.num_training].float() - means
    for group in range(num_groups):
        for part in (slice(0, cut), slice(cut, None)):
            spread, factors = covariance(off[groups == group, part], rank, known.basis.spread[part])
            module.spreads[group, part] = spread
            module.factors[group, part] = factors
    module.centers.copy_(centers)
    logger.info("gaussian: %d groups of %s shapes", num_groups, _sizes(groups))
    if module.spec.num_examples:
        keep_examples(module, known, told, seed)


def k_means(points: Tensor, num_groups: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return centers [G, K] and the group of each point, [N]; of few points some stay empty."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(points), generator=generator)
    centers = points[order[torch.arange(num_groups) % len(points)]].clone()
    groups = torch.cdist(points, centers).argmin(1)
    for _ in range(_ROUNDS):
        sums = torch.zeros_like(centers).index_add_(0, groups, points)
        counts = torch.bincount(groups, minlength=num_groups)[:, None]
        centers = torch.where(counts > 0, sums / counts.clamp(min=1), centers)
        groups = torch.cdist(points, centers).argmin(1)
    return centers, groups


def covariance(off: Tensor, rank: int, widest: Tensor) -> tuple[Tensor, Tensor]:
    """Return spread [K] and factors [K, rank] of a group's covariance.

    Args:
        off: how far its shapes are from their means, [N, K].
        rank: directions to keep.
        widest: spread of all shapes, [K]; that of a group with fewer than two.
    """
    factors = torch.zeros(off.shape[1], rank)
    if len(off) < 2:
        return widest.float(), factors
    _, scale, rows = torch.linalg.svd(off, full_matrices=False)
    count = min(rank, len(scale))
    variance = _KEPT * scale[:count].square() / len(off)
    factors[:, :count] = rows[:count].T * variance.sqrt()
    total = off.square().mean(0)
    own = torch.maximum(total - factors.square().sum(1), _LEAST_SHARE * total)
    return own.sqrt().clamp(min=1e-3), factors


def _sizes(groups: Tensor) -> str:
    counts = groups.bincount()
    return f"{int(counts[counts > 0].min())} to {int(counts.max())}"
