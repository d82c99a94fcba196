# SPDX-License-Identifier: GPL-3.0-or-later
"""One's own assets in memory, as the losses and the fit of latents ask for them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from .assets import AssetLibrary
from .config import FieldLossConfig
from .dataset import Queries
from .field_loss import field_loss
from .finetune_config import AssetFitConfig

_NUM_POINTS, _NUM_QUERIES = 4096, 8192
_FIT_BATCH = 25


@dataclass(frozen=True, slots=True)
class AssetShapes:
    """Surface and query points of assets, in half precision; see `ShapeDataset`."""

    surface: Tensor
    """Position and sRGB, the farthest first, [N, P, 6]."""
    around: Tensor
    """Position, distance (positive inside) and sRGB, [N, Q, 7]."""

    def __len__(self) -> int:
        return len(self.surface)

    def cloud(
        self, indices: Tensor, count: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Return random surface points and colours of assets, each [B, count, 3]."""
        chosen = torch.randint(self.surface.shape[1], (count,), generator=generator)
        rows = self.surface[indices[:, None], chosen].float()
        return rows[..., :3], rows[..., 3:]

    def queries(self, indices: Tensor, count: int, generator: torch.Generator) -> Queries:
        """Return random query points of assets."""
        chosen = torch.randint(self.around.shape[1], (count,), generator=generator)
        rows = self.around[indices[:, None], chosen].float()
        return Queries(rows[..., :3], rows[..., 3], rows[..., 4:])


def load_shapes(library: AssetLibrary, half_extent: float) -> AssetShapes:
    """Read the points of every asset.

    Args:
        library: assets in the box from -1 to 1.
        half_extent: half of an asset's longest side as the pack's decoder was trained.
    """
    surface, around = [], []
    for index in range(len(library)):
        rows = torch.from_numpy(library.cloud(index)[:_NUM_POINTS].copy())
        rows[:, :3] *= half_extent
        surface.append(rows.half())
        around.append(_queries(library, index, rows, half_extent).half())
    return AssetShapes(torch.stack(surface), torch.stack(around))


def _queries(library: AssetLibrary, index: int, surface: Tensor, half_extent: float) -> Tensor:
    found = library.distances(index)
    if found is not None and len(found) >= _NUM_QUERIES:
        # Half near the surface and half anywhere, in that order: every other one of both.
        rows = torch.from_numpy(found[:: len(found) // _NUM_QUERIES][:_NUM_QUERIES].copy())
        rows[:, :4] *= half_extent
        return rows
    # Of an open mesh no more is known than that its surface is one.
    known = torch.cat([surface[:, :3], torch.zeros(len(surface), 1), surface[:, 3:]], dim=1)
    return known.repeat(-(-_NUM_QUERIES // len(known)), 1)[:_NUM_QUERIES]


def fit_shapes(
    shapes: AssetShapes,
    basis: LatentBasis,
    decoder: Decoder,
    start: Tensor,
    config: AssetFitConfig,
    loss: FieldLossConfig,
    seed: int,
) -> tuple[Tensor, float]:
    """Return coefficients that decode to the assets [N, K], and the mean loss of the last steps.

    Args:
        shapes: assets.
        basis: of the latents.
        decoder: frozen.
        start: where the steps begin, such as an encoder's answer or zeros, [N, K].
        config: how far to go.
        loss: of the decoded field.
        seed: which points are looked at.
    """
    if not config.num_steps:
        return start, 0.0
    fitted, losses = [], []
    for number, indices in enumerate(torch.split(torch.arange(len(shapes)), _FIT_BATCH)):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
        part, last = _fit_batch(
            shapes, basis, decoder, start[indices], config, loss, indices, generator
        )
        fitted.append(part)
        losses.append(last * len(indices))
    return torch.cat(fitted), sum(losses) / len(shapes)


def _fit_batch(
    shapes: AssetShapes,
    basis: LatentBasis,
    decoder: Decoder,
    start: Tensor,
    config: AssetFitConfig,
    loss: FieldLossConfig,
    indices: Tensor,
    generator: torch.Generator,
) -> tuple[Tensor, float]:
    device = basis.spread.device
    # In units of the spread, all coefficients are alike to the optimiser.
    scaled = (start.to(device) / basis.spread).requires_grad_(True)
    optimizer = torch.optim.Adam([scaled], betas=(0.9, 0.98))
    last = 0.0
    for step in range(config.num_steps):
        progress = step / config.num_steps
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * min(1.0, 2.05 - 2 * progress)
        queries = _batch(shapes, indices, config.num_points, generator, device)
        with torch.autocast(device.type, torch.bfloat16):
            found = field_loss(decoder, basis.reconstruct(scaled * basis.spread), queries, loss)
        # Summed over the assets, so that each moves alike in a batch of any size.
        far = config.spread_weight * scaled.square().mean()
        total = (found["loss"] + far) * len(indices)
        (scaled.grad,) = torch.autograd.grad(total, scaled)
        optimizer.step()
        last = float(found["loss"].detach()) if step >= config.num_steps - 1 else last
    return (scaled.detach() * basis.spread).cpu(), last


def _batch(
    shapes: AssetShapes,
    indices: Tensor,
    count: int,
    generator: torch.Generator,
    device: torch.device,
) -> Queries:
    points, colors = shapes.cloud(indices, count, generator)
    others = shapes.queries(indices, count, generator)
    return Queries(
        torch.cat([points, others.points], dim=1).to(device),
        torch.cat([torch.zeros_like(points[..., 0]), others.distance], dim=1).to(device),
        torch.cat([colors, others.colors], dim=1).to(device),
    )
