# SPDX-License-Identifier: GPL-3.0-or-later
"""Stage 1: point cloud → latent → field, then the decoder alone on latents in a fixed basis."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from ..core.decoder.stf import Decoder
from ..core.prior.basis import LatentBasis
from ..core.specs import DECODERS, PRIORS
from .config import TrainingConfig
from .dataset import ShapeDataset
from .encoder import PointEncoder
from .field_loss import field_loss
from .fitting import fit_coefficients, fit_latents
from .initialise import initialise_decoder
from .loop import Run, rank, step_generator
from .saving import save_whole

logger = logging.getLogger(__name__)

_ENCODE_POINTS = 1024
_ENCODE_BATCH = 64
_FIT_CHUNK, _FIT_BATCH = 1000, 50
_CPU = torch.device("cpu")


class AutoEncoder(nn.Module):
    """Encoder and decoder of stage 1."""

    def __init__(self, config: TrainingConfig) -> None:
        super().__init__()
        spec = DECODERS[config.architecture]
        self.encoder = PointEncoder(config.encoder, spec)
        self.decoder = Decoder(spec)
        initialise_decoder(self.decoder)


def train_autoencoder(
    config: TrainingConfig, data: ShapeDataset, folder: Path, device: torch.device = _CPU
) -> AutoEncoder:
    """Train encoder and decoder together on known distances and colours, on a device."""
    torch.manual_seed(config.seed)
    model = AutoEncoder(config).to(device)
    run = Run("stage1", model, config.stage1, folder)

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        indices = data.training_indices(config.stage1.batch_size, generator)
        cloud = data.cloud(indices, config.encoder.num_points, generator)
        queries = data.queries(indices, config.field_loss.queries_per_shape, generator)
        queries = queries.to(device)
        with run.autocast():
            latent = model.encoder(*(each.to(device) for each in cloud))
            noise = torch.randn(latent.shape, generator=generator).to(device)
            latent = latent + config.field_loss.latent_noise * noise
            return field_loss(model.decoder, latent, queries, config.field_loss)

    run.train(losses, config.seed)
    return model


@torch.no_grad()
def encode_all(config: TrainingConfig, data: ShapeDataset, model: AutoEncoder) -> Tensor:
    """Return the latent of every shape, [N, L * C] in half precision."""
    model.eval()
    device = next(model.parameters()).device
    generator = step_generator(config.seed, -1)
    latents = []
    for indices in torch.split(torch.arange(len(data)), _ENCODE_BATCH):
        cloud = data.cloud(indices, _ENCODE_POINTS, generator)
        with torch.autocast(device.type, torch.bfloat16):
            latent = model.encoder(*(each.to(device) for each in cloud))
        latents.append(latent.flatten(1).half().cpu())
    return torch.cat(latents)


@torch.no_grad()
def fit_basis(config: TrainingConfig, latents: Tensor, num_training: int) -> LatentBasis:
    """Fit the principal components of the training latents [N, L * C], shape and paint apart."""
    spec = PRIORS[config.architecture]
    basis = LatentBasis(spec.num_latents, spec.channels, spec.basis_size)
    torch.manual_seed(config.seed)
    training = latents[:num_training].float()
    basis.mean.copy_(training.mean(0))
    centred = training - basis.mean
    basis.rows.zero_()
    for rows, columns in latent_parts(config.architecture):
        part = centred[:, columns]
        count = rows.stop - rows.start
        # A randomised SVD of a fifth more components than asked for is exact enough for the last.
        _, _, right = torch.svd_lowrank(part, q=int(count * 1.2), niter=3)
        basis.rows[rows, columns] = right.T[:count]
        basis.spread[rows] = (part @ right[:, :count]).std(0)
        share = float(basis.spread[rows].square().sum() / part.var(0).sum())
        logger.info("basis of %d components holds %.2f %% of the variance", count, share * 100)
    return basis


def latent_parts(architecture: str) -> list[tuple[slice, slice]]:
    """Return which components are of which numbers of a latent: all of all, or shape and paint."""
    prior = PRIORS[architecture]
    if not prior.num_shape:
        return [(slice(0, prior.basis_size), slice(0, prior.num_latents * prior.channels))]
    # Latents of views have a decoder of their run's, which is one network.
    decoder = DECODERS[architecture]
    middle = decoder.networks[0].num_latents * decoder.channels
    return [
        (slice(0, prior.num_shape), slice(0, middle)),
        (slice(prior.num_shape, prior.basis_size), slice(middle, None)),
    ]


def fit_all(
    config: TrainingConfig,
    data: ShapeDataset,
    coefficients: Tensor,
    basis: LatentBasis,
    decoder: Decoder,
    folder: Path,
) -> Tensor:
    """Return the coefficients of every shape [N, K], fitted through the decoder where that is.

    With known distances (`FitConfig.num_queries`) these are whole latents, [N, L * C] in half
    precision. Works in chunks that are kept on disk, so that it can be stopped, and shared by
    several processes (torchrun).
    """
    if config.fit is None:
        raise ValueError("the config has no section [fit]")
    device = next(decoder.requires_grad_(False).parameters()).device
    basis = basis.to(device)
    folder.mkdir(exist_ok=True)
    chunks = torch.split(torch.arange(len(data)), _FIT_CHUNK)
    processes = dist.get_world_size() if dist.is_initialized() else 1
    for number in range(rank(), len(chunks), processes):
        path = folder / f"{number:04d}.pt"
        if path.exists():
            continue
        generator = torch.Generator().manual_seed(config.seed * 1_000_003 + number)
        fitted = []
        for indices in torch.split(chunks[number], _FIT_BATCH):
            start = coefficients[indices].to(device)
            if config.fit.num_queries:
                latent, loss = basis.reconstruct(start), config.field_loss
                found = fit_latents(decoder, latent, data, indices, config.fit, loss, generator)
                fitted.append(found.flatten(1).half().cpu())
                continue
            points, colors = data.cloud(indices, _ENCODE_POINTS, generator)
            cloud = points.to(device), colors.to(device)
            found = fit_coefficients(decoder, basis, start, cloud, config.fit, generator)
            fitted.append(found.cpu())
        save_whole(torch.cat(fitted), path)
        logger.info("fitted chunk %d of %d", number + 1, len(chunks))
    if dist.is_initialized():
        dist.barrier()
    return torch.cat(
        [torch.load(folder / f"{i:04d}.pt", weights_only=True) for i in range(len(chunks))]
    )


@torch.no_grad()
def centre_basis(
    basis: LatentBasis, coefficients: Tensor, num_training: int
) -> tuple[LatentBasis, Tensor]:
    """Return the same directions with the mean and the spreads of new coefficients [N, K].

    The coefficients come back relative to the new mean.
    """
    moved = LatentBasis(*basis.latent_shape, len(basis.rows))
    shift = coefficients[:num_training].mean(0)
    moved.rows.copy_(basis.rows)
    moved.mean.copy_(basis.mean + shift @ basis.rows)
    moved.spread.copy_(coefficients[:num_training].std(0))
    return moved, coefficients - shift


def train_decoder(
    config: TrainingConfig,
    data: ShapeDataset,
    coefficients: Tensor,
    basis: LatentBasis,
    decoder: Decoder,
    folder: Path,
    device: torch.device = _CPU,
) -> Decoder:
    """Train the decoder alone on the latents that the basis can express.

    Args:
        config: the run.
        data: shapes.
        coefficients: of every shape in the basis, [N, K].
        basis: fixed.
        decoder: as stage 1 left it; trained in place.
        folder: of the run.
        device: where to train.
    """
    run = Run("decoder", decoder.to(device), config.decoder, folder)

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        indices = data.training_indices(config.decoder.batch_size, generator)
        queries = data.queries(indices, config.field_loss.queries_per_shape, generator)
        latent = basis.reconstruct(coefficients[indices])
        noise = torch.randn(latent.shape, generator=generator)
        latent = (latent + config.field_loss.latent_noise / 4 * noise).to(device)
        with run.autocast():
            return field_loss(decoder, latent, queries.to(device), config.field_loss)

    run.train(losses, config.seed + 1)
    return decoder
