# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 1 on views, as the paper has it (arXiv:2305.02463, section 4), in up to four phases.

`field` is the shortcut on known distances; `nerf`, `distill` and `finetune` are the paper's. Each
is a run of its own (`loop.py`), with its own checkpoint, and goes on from the average before it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from .config import StageConfig
from .distill import distill_loss
from .field_loss import field_loss
from .loop import Run
from .mesh_pictures import picture_loss
from .rendering import device_draws, nerf_loss
from .source import Stage1Source
from .stage1_config import Stage1Config
from .stage1_measure import held_out_grid
from .stage1_model import ViewsAutoEncoder

logger = logging.getLogger(__name__)

_SHOWN_ASSETS = 4

PHASES = ("field", "nerf", "distill", "finetune")


class Objective:
    """The losses of a phase on batches of a source."""

    def __init__(self, config: Stage1Config, model: ViewsAutoEncoder, source: Stage1Source) -> None:
        self.config = config
        self.model = model
        self.source = source
        self.device = next(model.parameters()).device

    def losses(self, phase: str, indices: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the losses of a phase, of assets [B]; the one called `loss` is their sum."""
        latent = self._latent(indices, generator)
        if phase == "field":
            return self._field(latent, indices, generator)
        weights = self.model.decoder.weights(latent)
        losses = self._nerf(weights, indices, generator)
        pictures = self.config.picture_loss
        is_last = phase == "finetune"
        total = (pictures.nerf_weight if is_last else 1) * sum_of(losses)
        if phase in ("distill", "finetune"):
            distilled = self._distill(weights, indices, generator)
            total = total + (pictures.distill_weight if is_last else 1) * self._weighed(distilled)
            losses |= distilled
        if is_last:
            shown = self._pictures(weights, indices, generator)
            total = total + pictures.picture_weight * sum_of(shown)
            losses |= shown
        return {"loss": total} | losses

    def _latent(self, indices: Tensor, generator: torch.Generator) -> Tensor:
        inputs = self.source.inputs(indices, generator).to(self.device)
        return self.model.noisy(self.model.encode(inputs, generator), generator)

    def _field(
        self, latent: Tensor, indices: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        assert self.config.field_loss is not None
        targets = self.source.stf_targets(indices, self.config.distill_loss, generator)
        queries = targets.to(self.device).queries
        return field_loss(self.model.decoder, latent, queries, self.config.field_loss)

    def _nerf(
        self, weights: list[Tensor], indices: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        rays = self.source.rays(indices, self.config.rays, generator).to(self.device)
        draw = device_draws(generator, self.device)
        return nerf_loss(self.model.decoder, weights, rays, self.config.rays, draw)

    def _distill(
        self, weights: list[Tensor], indices: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        config = self.config.distill_loss
        targets = self.source.stf_targets(indices, config, generator).to(self.device)
        return distill_loss(self.model.decoder, weights, targets, config)

    def _weighed(self, distilled: dict[str, Tensor]) -> Tensor:
        config = self.config.distill_loss
        distance, color = distilled["stf_distance"], distilled["stf_color"]
        return config.distance_weight * distance + config.color_weight * color

    def _pictures(
        self, weights: list[Tensor], indices: Tensor, generator: torch.Generator
    ) -> dict[str, Tensor]:
        config = self.config.picture_loss
        pictures = self.source.pictures(indices, config.num_views, config.image_size, generator)
        targets = pictures.to(self.device)
        return picture_loss(self.model.decoder, weights, targets, config.grid_resolution)


def sum_of(losses: dict[str, Tensor]) -> Tensor:
    """Return the sum of named losses."""
    return torch.stack(list(losses.values())).sum()


def phases_of(config: Stage1Config) -> Iterator[tuple[str, StageConfig]]:
    """Yield the phases that a configuration has, in their order."""
    for phase in PHASES:
        if (settings := getattr(config, phase)) is not None:
            yield phase, settings


OnPhase = Callable[[str, ViewsAutoEncoder], None]
"""Told the phase that has ended, its average in the model."""


def train_stage1(
    config: Stage1Config,
    source: Stage1Source,
    folder: Path,
    device: torch.device,
    on_phase: OnPhase = lambda phase, model: None,
) -> ViewsAutoEncoder:
    """Run every phase that is not done, and return the model with the last one's average.

    Args:
        config: sizes, losses and phases.
        source: what to train on.
        folder: of the run; phase `nerf` is kept in `stage1_nerf.pt`, and so on.
        device: where.
        on_phase: called before the first phase, with `start`, and after each.
    """
    torch.manual_seed(config.seed)
    model = ViewsAutoEncoder(config).to(device)
    objective = Objective(config, model, source)
    on_phase("start", model)
    for number, (phase, settings) in enumerate(phases_of(config)):
        run = Run(f"stage1_{phase}", model, settings, folder)
        run.train(_phase_losses(objective, phase, run), config.seed + number, _pictures(objective))
        run.use_average()
        on_phase(phase, model)
    return model.eval()


def _phase_losses(
    objective: Objective, phase: str, run: Run
) -> Callable[[torch.Generator], dict[str, Tensor]]:
    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        count = (run.config.batch_size,)
        indices = torch.randint(len(objective.source), count, generator=generator)
        with run.autocast():
            return objective.losses(phase, indices, generator)

    return losses


def _pictures(objective: Objective) -> Callable[[], dict[str, Tensor]]:
    """Return what TensorBoard shows of a phase whose `pictures_every` asks for it."""

    def pictures() -> dict[str, Tensor]:
        size = objective.config.picture_loss.image_size
        grid = held_out_grid(objective.model, objective.source, num_assets=_SHOWN_ASSETS, size=size)
        return {} if grid is None else {"held_out": grid.cpu()}

    return pictures
