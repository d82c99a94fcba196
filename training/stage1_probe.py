# SPDX-License-Identifier: GPL-3.0-or-later
"""A step of stage 1 on tensors without values, which tells the memory that it needs."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ..core.encoder.patches import ViewTensors
from ..core.specs import EncoderSpec
from .config import StageConfig
from .dataset import Queries
from .distill import distill_loss
from .memory import Probe
from .rendering import nerf_loss
from .source import Inputs, Rays, StfTargets
from .stage1_config import Stage1Config
from .stage1_model import ViewsAutoEncoder
from .stage1_views import phases_of, sum_of


def stage1_probe(config: Stage1Config) -> Probe:
    """Return one share of a step with rays and distances, in the largest batch of all phases.

    What is computed again for its gradients is kept for one asset's encoder and one portion of
    rays at a time, and both are counted. Pictures of meshes are not in it: how large a mesh becomes
    is not known before.
    """
    model = ViewsAutoEncoder(config)
    stages = [settings for _, settings in phases_of(config)]
    stage: StageConfig = max(stages, key=lambda each: each.batch_size)
    batch = stage.batch_size
    rays, targets, inputs = _rays(config, batch), _targets(config, batch), _inputs(config, batch)
    at_once = replace(config.rays, rays_at_once=0)

    def draw(shape: tuple[int, ...]) -> Tensor:
        return torch.zeros(shape)

    def loss() -> Tensor:
        weights = model.decoder.weights(_latent(model, inputs))
        losses = nerf_loss(model.decoder, weights, rays, at_once, draw)
        return sum_of(losses | distill_loss(model.decoder, weights, targets, config.distill_loss))

    return Probe(model, loss, stage)


def _latent(model: ViewsAutoEncoder, inputs: Inputs) -> Tensor:
    if not inputs.views:
        return model.encode(inputs, torch.Generator())
    one = model.encode_one(inputs.points[0], inputs.views[0], 0)
    return one.expand(len(inputs.points), -1, -1)


def _rays(config: Stage1Config, batch: int) -> Rays:
    rows = torch.zeros(batch, config.rays.rays_at_once or config.rays.num_rays, 3)
    return Rays(rows, rows, rows, rows[..., :1])


def _targets(config: Stage1Config, batch: int) -> StfTargets:
    rows = torch.zeros(batch, config.distill_loss.num_points, 3)
    return StfTargets(Queries(rows, rows[..., 0], rows), torch.ones(batch, dtype=torch.bool))


def _inputs(config: Stage1Config, batch: int) -> Inputs:
    encoder = config.encoder
    points = torch.zeros(batch, encoder.num_points, 6)
    if not isinstance(encoder, EncoderSpec):
        return Inputs(points=points, views=())
    count, size = encoder.num_views, encoder.image_size
    views = ViewTensors(
        rgba=torch.zeros(count, size, size, 4),
        depth=torch.zeros(count, size, size),
        origins=torch.zeros(count, 3),
        axes=torch.zeros(count, 3, 3),
        fov=0.7,
    )
    return Inputs(points=points, views=(views,) * batch)
