# SPDX-License-Identifier: GPL-3.0-or-later
"""How much of an unseen shape survives encoder, basis and decoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean, median

import torch

from ..core.decoder.stf import Decoder
from ..training.shapes.field import ShapeBatch
from ..training.shapes.generate import Split
from ..training.shapes.labels import SceneLabels
from ..training.shapes.pieces import Shape
from ..training.shapes.scenes import build_scene, sample_object
from .course import Course
from .encoders import EncodeShape
from .ground_truth import cell_centres, occupancy
from .journal import Facts
from .measures import mean_square, overlap, psnr_db
from .streams import Stream, stream_generator, stream_rng
from .surface import ground_truth_clouds
from .views import score_views

RESOLUTION = 64
"""Cells per axis in which occupancies are compared."""

_NUM_COLOR_POINTS = 2048
_CHUNK = 32768
_HIGHEST_DB = 100.0


@dataclass(frozen=True, slots=True)
class ShapeScore:
    """How well one shape came back."""

    split: Split
    iou: float
    color_mse: float
    """Mean squared error of sRGB in [0, 1] at points on the true surface."""
    stf_psnr_db: float | None = None
    """Of the surface in views that no encoder saw; see `views`."""
    nerf_psnr_db: float | None = None
    """Of volume renderings in the same views, where the field has a density."""


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
        return fmean(self.color_decibels)

    @property
    def color_decibels(self) -> list[float]:
        """PSNR of each shape."""
        return [min(psnr_db(each.color_mse), _HIGHEST_DB) for each in self.shapes]

    @property
    def color_psnr_db_pooled(self) -> float:
        """PSNR of the mean squared error of all shapes; lower, because the worst dominate."""
        return psnr_db(fmean(each.color_mse for each in self.shapes))

    @property
    def stf_decibels(self) -> list[float]:
        """Of each shape that was looked at."""
        return [each.stf_psnr_db for each in self.shapes if each.stf_psnr_db is not None]

    @property
    def nerf_decibels(self) -> list[float]:
        """Of each shape that was looked at; empty where the field has no density."""
        return [each.nerf_psnr_db for each in self.shapes if each.nerf_psnr_db is not None]

    def of_split(self, split: Split) -> ReconstructionScores | None:
        """Return the scores of one split alone, if it has any."""
        chosen = tuple(each for each in self.shapes if each.split == split)
        return ReconstructionScores(chosen) if chosen else None


def unseen_shape(kinds: Sequence[str], seed: int, index: int) -> tuple[Shape, Split]:
    """Return an object of some kinds that no training built, every third one of a held-out pair."""
    split: Split = "held_out" if index % 3 == 2 else "any"
    rng = stream_rng(Stream.RECONSTRUCTION, seed, index)
    asked = sample_object(rng, kind=kinds[int(rng.integers(len(kinds)))], split=split)
    return build_scene(SceneLabels(objects=(asked,)), rng), split


def score_reconstructions(
    course: Course,
    encode_shape: EncodeShape,
    decoder: Decoder,
    kinds: Sequence[str],
    *,
    count: int,
    seed: int,
) -> ReconstructionScores:
    """Send unseen shapes through the latent.

    Args:
        course: tells progress and keeps what was found.
        encode_shape: from `encoders`.
        decoder: of the pack.
        kinds: of the shapes.
        count: number of shapes, at least 1.
        seed: which shapes.
    """

    def make(index: int) -> Facts:
        shape, split = unseen_shape(kinds, seed, index)
        generator = stream_generator(Stream.SURFACE, seed, index)
        score = _score(course, encode_shape, decoder, shape, split, generator, (seed, index))
        return asdict(score)

    found = course.each("reconstruction", "Reconstructing shapes", count, make)
    return ReconstructionScores(tuple(ShapeScore(**each) for each in found))


@torch.no_grad()
def _score(
    course: Course,
    encode_shape: EncodeShape,
    decoder: Decoder,
    shape: Shape,
    split: Split,
    generator: torch.Generator,
    place: tuple[int, int],
) -> ShapeScore:
    encoded = encode_shape(shape, generator)
    course.check()
    field, cells = decoder.field(encoded.latent), cell_centres(RESOLUTION)
    inside = torch.cat(
        [field.signed_distance(encoded.scale * each) > 0 for each in cells.split(_CHUNK)]
    )
    # Beyond the box there is no field to ask, and nothing of the shape.
    inside &= (encoded.scale * cells).abs().amax(dim=1) <= 1.0
    # Colours are compared evenly over the surface, at points that the encoder has not read.
    points, colors = ground_truth_clouds(ShapeBatch([shape]), _NUM_COLOR_POINTS, generator)
    error = mean_square(field.color(encoded.scale * points[0]), colors[0])
    if not math.isfinite(error):
        raise ValueError(f"the decoder painted {shape.attributes} with values that are not numbers")
    seed, index = place
    seen = score_views(shape, decoder, encoded, seed=seed, index=index, check=course.check)
    iou = overlap(inside, occupancy(shape, cells))
    return ShapeScore(split, iou, error, seen.stf_psnr_db, seen.nerf_psnr_db)
