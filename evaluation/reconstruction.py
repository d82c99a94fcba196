# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an unseen shape survives encoder, basis and decoder."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ..core.decoder.stf import Decoder
from ..core.errors import CheckpointError
from ..core.prior.basis import LatentBasis
from ..core.specs import DecoderSpec
from ..training.config import EncoderConfig, FitConfig
from ..training.encoder import PointEncoder
from ..training.fitting import fit_coefficients
from ..training.shapes.builder import Shape
from ..training.shapes.field import ShapeBatch
from ..training.shapes.generate import Split, generate_shape
from ..training.shapes.sampling import sample_surface
from .ground_truth import cell_centres, occupancy
from .judge import MODELS_DIR
from .measures import mean_square, overlap, psnr_db
from .streams import Stream, stream_generator, stream_rng
from .surface import ground_truth_clouds

RESOLUTION = 64
"""Cells per axis in which occupancies are compared."""

_NUM_COLOR_POINTS = 2048
_CHUNK = 32768


@dataclass(frozen=True, slots=True)
class TrainedEncoder:
    """The encoder that a pack's decoder was trained with; packs do not ship it."""

    encoder: PointEncoder
    num_points: int
    """Surface points that it reads."""
    fit: FitConfig | None = None
    """How its answer is fitted to those points, as the prior's training latents were."""


@dataclass(frozen=True, slots=True)
class ShapeScore:
    """How well one shape came back."""

    split: Split
    iou: float
    color_mse: float
    """Mean squared error of sRGB in [0, 1] at points on the true surface."""


@dataclass(frozen=True, slots=True)
class ReconstructionScores:
    """How well unseen shapes came back; never empty."""

    shapes: tuple[ShapeScore, ...]

    @property
    def iou(self) -> float:
        """Mean intersection over union."""
        return fmean(each.iou for each in self.shapes)

    @property
    def iou_median(self) -> float:
        return median(each.iou for each in self.shapes)

    @property
    def color_psnr_db(self) -> float:
        """Mean of each shape's own PSNR, as PSNR is usually given for a set of pictures."""
        return fmean(min(psnr_db(each.color_mse), 100.0) for each in self.shapes)

    @property
    def color_psnr_db_pooled(self) -> float:
        """PSNR of the mean squared error of all shapes; lower, because the worst dominate."""
        return psnr_db(fmean(each.color_mse for each in self.shapes))

    def of_split(self, split: Split) -> ReconstructionScores | None:
        """Return the scores of one split alone, if it has any."""
        chosen = tuple(each for each in self.shapes if each.split == split)
        return ReconstructionScores(chosen) if chosen else None


def load_encoder(pack_hash: str, spec: DecoderSpec, folder: Path = MODELS_DIR) -> TrainedEncoder:
    """Read `encoder.safetensors` and `encoder.json`.

    Args:
        pack_hash: of the pack that is evaluated.
        spec: of its decoder.
        folder: where the files are.

    Raises:
        CheckpointError: a file is missing, damaged, or belongs to another pack.
    """
    path = folder / "encoder.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
        if facts["pack_hash"] != pack_hash:
            raise CheckpointError(
                path,
                f"this encoder belongs to the pack with hash {facts['pack_hash']}, not"
                f" {pack_hash}: export the encoder that was trained with this pack",
            )
        encoder = PointEncoder(EncoderConfig(**facts["config"]), spec)
        num_points = int(facts["num_points"])
        fit = FitConfig(**facts["fit"]) if facts.get("fit") else None
        path = folder / "encoder.safetensors"
        encoder.load_state_dict({name: each.float() for name, each in load_file(path).items()})
    except OSError as error:
        raise CheckpointError(
            path, f"cannot be read ({error.strerror}): export the encoder of this pack there"
        ) from error
    except (ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(path, f"is not an encoder of this pack ({error})") from error
    return TrainedEncoder(encoder.eval(), num_points, fit)


@torch.no_grad()
def score_reconstructions(
    trained: TrainedEncoder,
    basis: LatentBasis | None,
    decoder: Decoder,
    *,
    count: int,
    seed: int,
    on_shape: Callable[[int], None],
) -> ReconstructionScores:
    """Send unseen shapes through the latent, every third one of a held-out pair.

    Args:
        trained: encoder.
        basis: of the prior, which can make no latent outside it.
        decoder: of the pack.
        count: number of shapes, at least 1.
        seed: which shapes.
        on_shape: told how many are done.
    """
    cells = cell_centres(RESOLUTION)
    scores = []
    for index in range(count):
        split: Split = "held_out" if index % 3 == 2 else "any"
        shape = generate_shape(stream_rng(Stream.RECONSTRUCTION, seed, index), split=split)
        generator = stream_generator(Stream.SURFACE, seed, index)
        scores.append(_score(shape, split, trained, basis, decoder, cells, generator))
        on_shape(index + 1)
    return ReconstructionScores(tuple(scores))


def _score(
    shape: Shape,
    split: Split,
    trained: TrainedEncoder,
    basis: LatentBasis | None,
    decoder: Decoder,
    cells: Tensor,
    generator: torch.Generator,
) -> ShapeScore:
    batch = ShapeBatch([shape])
    points, owners = sample_surface(batch, trained.num_points, generator)
    latent = trained.encoder(points, batch.colours[owners])
    if basis is not None:
        coefficients = basis.project(latent)
        if trained.fit is not None:
            cloud = points, batch.colours[owners]
            coefficients = fit_coefficients(
                decoder, basis, coefficients, cloud, trained.fit, generator
            )
        latent = basis.reconstruct(coefficients)
    field = decoder.field(latent[0])
    inside = torch.cat([field.signed_distance(each) > 0 for each in cells.split(_CHUNK)])
    # Colours are compared evenly over the surface, at points that the encoder has not read.
    points, colors = ground_truth_clouds(batch, _NUM_COLOR_POINTS, generator)
    error = mean_square(field.color(points[0]), colors[0])
    if not math.isfinite(error):
        raise ValueError(f"the decoder painted {shape.attributes} with values that are not numbers")
    return ShapeScore(split, overlap(inside, occupancy(shape, cells)), error)
