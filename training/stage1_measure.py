# SPDX-License-Identifier: GPL-3.0-or-later
"""How well views that nothing was trained on are told, as NeRF and as STF."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.decoder.stf import SignedDistanceField
from .mesh_pictures import extract_mesh, mesh_pictures
from .rendering import device_draws, nerf_pictures
from .source import Pictures, Stage1Source
from .stage1_model import ViewsAutoEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutQuality:
    """Means over assets; PSNR over colours on black, in dB."""

    num_assets: int
    nerf_psnr: float
    stf_psnr: float
    """Of the mesh that marching cubes finds; an empty mesh shows black."""
    stf_coverage_iou: float
    """Of the pixels that the mesh and the asset cover more than half."""


@torch.no_grad()
def held_out_quality(
    model: ViewsAutoEncoder, source: Stage1Source, *, num_assets: int, size: int, seed: int = 0
) -> HeldOutQuality | None:
    """Compare pictures of the first assets with their held-out views; None if there are none.

    The same numbers for the same seed; the latent is not noised.

    Args:
        model: after any phase.
        source: assets with held-out views.
        num_assets: at most so many.
        size: pixels per side.
        seed: of the encoder's and the renderer's draws.
    """
    rows = []
    for index in range(min(num_assets, len(source))):
        truth = source.held_out(index, size)
        if truth is None:
            return None
        seen, mesh, truth = _seen(model, source, index, truth, seed)
        rows.append((psnr(seen, truth.rgba[0]), psnr(mesh, truth.rgba[0]), _iou(mesh, truth)))
    nerf, stf, iou = (math.fsum(column) / len(rows) for column in zip(*rows, strict=True))
    return HeldOutQuality(num_assets=len(rows), nerf_psnr=nerf, stf_psnr=stf, stf_coverage_iou=iou)


@torch.no_grad()
def held_out_grid(
    model: ViewsAutoEncoder, source: Stage1Source, *, num_assets: int, size: int
) -> Tensor | None:
    """Return one held-out view per row, as it is, as NeRF and as mesh, RGB [3, H, W], or None."""
    rows = []
    for index in range(min(num_assets, len(source))):
        truth = source.held_out(index, size)
        if truth is None:
            return None
        first = Pictures(truth.rgba[:, :1], truth.origins[:, :1], truth.axes[:, :1], truth.fov)
        seen, mesh, truth = _seen(model, source, index, first, seed=0)
        rows.append(torch.cat([truth.rgba[0, 0], seen[0], mesh[0]], dim=1))
    return torch.cat(rows)[..., :3].movedim(-1, 0)


def psnr(seen: Tensor, truth: Tensor) -> float:
    """Return the peak signal-to-noise ratio of the colours of pictures [V, S, S, 4], in dB.

    Clipped at 100 dB, which equal pictures have.
    """
    error = float((seen[..., :3] - truth[..., :3]).square().mean())
    return -10 * math.log10(max(error, 1e-10))


def _seen(
    model: ViewsAutoEncoder, source: Stage1Source, index: int, truth: Pictures, seed: int
) -> tuple[Tensor, Tensor, Pictures]:
    """Return pictures of an asset as NeRF and as mesh, [V, S, S, 4] each, and the true ones."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    inputs = source.inputs(torch.tensor([index]), generator).to(device)
    truth = truth.to(device)
    weights = model.decoder.weights(model.encode(inputs, generator))
    draw = device_draws(generator, device)
    seen = nerf_pictures(model.decoder, weights, truth, model.config.rays, draw)
    return seen, _mesh_pictures(model, weights, truth), truth


def _mesh_pictures(model: ViewsAutoEncoder, weights: list[Tensor], cameras: Pictures) -> Tensor:
    field = SignedDistanceField(model.decoder.mlp, weights)
    mesh = extract_mesh(field, model.config.picture_loss.grid_resolution)
    return mesh_pictures(mesh, cameras, 0)


def _iou(seen: Tensor, truth: Pictures) -> float:
    ours, theirs = seen[..., 3] > 0.5, truth.rgba[0, ..., 3] > 0.5
    return float((ours & theirs).sum() / (ours | theirs).sum().clamp(min=1))
